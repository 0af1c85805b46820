#!/bin/sh
# Installs what tests/real uses: `quick` the few small things, `full` everything. Repeating it costs nothing.
# Without root or apt nothing is installed by apt, without npm no package of the vendors; the tests that miss something
# skip and say what.
set -eu
cd "$(dirname "$0")/../.."

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=
trap 'rm -f "$log" $made_policy' EXIT

# The pinned packages in which vendors publish what their interfaces take, into build/vendor; the lock keeps hashes.
vendors() {
  to=build/vendor
  if [ -e $to/installed ] && diff -r tests/real/vendor $to/given >/dev/null 2>&1; then return; fi
  if ! command -v npm >/dev/null; then
    echo "not installed, which takes npm: the vendors' packages; their tests will be skipped"
    return
  fi
  rm -rf $to
  mkdir -p $to
  cp -R tests/real/vendor $to/given
  cp -R tests/real/vendor/. $to
  if { npm ci --prefix $to && .venv/bin/python -m pip install --no-deps --require-hashes --target $to/python \
    --requirement $to/requirements.txt; } >"$log" 2>&1
  then
    touch $to/installed
    echo "installed: the vendors' packages"
  else
    tail -n 5 "$log"
    echo "could not install: the vendors' packages; their tests will be skipped"
  fi
}

debian() {
  wanted="systemd-analyze:systemd promtool:prometheus"
  [ "$1" = quick ] || wanted="$wanted mtail:mtail prometheus-alertmanager:prometheus-alertmanager"

  packages=""
  for pair in $wanted; do
    command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
  done
  [ -n "$packages" ] || return 0

  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed, which takes root and apt:$packages; their tests will be skipped"
    return 0
  fi

  # Debian starts a daemon as soon as it is installed; this file forbids it. One that is already there is left alone.
  if [ ! -e "$policy" ]; then
    made_policy=$policy
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi

  # shellcheck disable=SC2086 # the list is split into words on purpose
  if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $packages; } \
    >"$log" 2>&1
  then
    echo "installed:$packages"
  else
    tail -n 5 "$log"
    echo "could not install:$packages; their tests will be skipped"
  fi
}

vendors
debian "${1:-full}"
