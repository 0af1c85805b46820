#!/bin/sh
# Installs what tests/real uses: `quick` the few small things, `full` everything. Repeating it costs nothing.
# Without root or apt nothing is installed, and the tests that miss something skip and say what.
set -eu

wanted="systemd-analyze:systemd promtool:prometheus"
[ "${1:-full}" = quick ] || wanted="$wanted mtail:mtail prometheus-alertmanager:prometheus-alertmanager"

packages=""
for pair in $wanted; do
  command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
done
[ -n "$packages" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "not installed, which takes root and apt:$packages; their tests will be skipped"
  exit 0
fi

# Debian starts a daemon as soon as it is installed; this file forbids it. One that is already there is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

log=$(mktemp)
# shellcheck disable=SC2086 # the list is split into words on purpose
if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $packages; } \
  >"$log" 2>&1
then
  echo "installed:$packages"
else
  tail -n 5 "$log"
  echo "could not install:$packages; their tests will be skipped"
fi
rm -f "$log"
