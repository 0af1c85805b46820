"""Runs real training programs and keeps what they write, byte by byte, with its rhythm. See README.md."""

import argparse
import fcntl
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from importlib import metadata

HERE = pathlib.Path(__file__).parent
LOGS = HERE / "logs"
HOST = "gpu-07"
TRAIN = pathlib.Path("/srv/train")
LOOK_EVERY = 0.01
"""Seconds between two looks at the growing files."""
TIMEOUT = 240
"""Seconds after which what still runs is killed, unless the scenario says otherwise."""
BEFORE = """
await() { until grep -qaE -- "$1" "${2:-train.log}" 2>/dev/null; do sleep 0.02; done; }
"""
SIGNALS = {128 + item: item.name for item in signal.Signals}
"""What a shell shows for a process that a signal ended."""
ENVIRONMENT = {
    "HOME": "/srv/home",
    "USER": "train",
    "TMPDIR": "/srv/tmp",
    "PATH": "/srv/venv/bin:/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "xterm-256color",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "1",
    "SHORTAGE_LIBRARY": "/srv/tmp/shortage.so",
}


def main():
    options = _options()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell starts what runs in the background deaf to it
    if not options.inside:
        sys.exit(_enter(options))
    lock = os.open("/srv/lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two at once would write over each other
    wanted = [item for item in _scenarios() if not options.names or item["name"] in options.names]
    unknown = set(options.names) - {item["name"] for item in wanted}
    if unknown:
        sys.exit(f"no such scenario: {', '.join(sorted(unknown))}")
    subprocess.run(["python", str(HERE / "scripts/shortage.py")], env=ENVIRONMENT, check=True)
    for scenario in wanted:
        made = _Recording(scenario).make()
        print(f"{scenario['name']}: exit {made['exit_code']}, {made['seconds']} s", flush=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--srv", type=pathlib.Path, required=True, help="a folder with venv/, shown as /srv")
    parser.add_argument("--python", type=pathlib.Path, default=pathlib.Path(sys.base_prefix))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="scenarios; default: all")
    return parser.parse_args()


def _scenarios():
    return tomllib.loads((HERE / "scenarios.toml").read_text())["scenario"]


def _enter(options):
    """Start again where paths, host name and processes are neutral and no network is to be had."""
    srv, python = options.srv.resolve(), options.python.resolve()
    hosts = srv / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.1 {HOST}\n")
    for folder in ("train", "home", "tmp", "python"):
        (srv / folder).mkdir(exist_ok=True)
    prepare = (
        f"mount --bind {srv} /srv && mount --bind {python} /srv/python"
        f' && mount --bind {hosts} /etc/hosts && hostname {HOST} && ip link set lo up && exec "$@"'
    )
    inside = ["/srv/python/bin/python3", __file__, "--srv", "/srv", "--inside", *options.names]
    unshare = ["unshare", "--mount", "--uts", "--pid", "--net", "--fork", "--mount-proc", "--kill-child"]
    return subprocess.call([*unshare, "sh", "-c", prepare, "sh", *inside], cwd="/")


class _Recording:
    """One scenario, run once."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.name = scenario["name"]
        self.files = {"": "train.log", **scenario.get("files", {})}

    def make(self):
        self._clean()
        threads = [_Watch(pattern) for pattern in self.files.values()]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        code = self._run_on_terminal() if self.scenario.get("terminal") else self._run()
        seconds = round(time.monotonic() - began, 2)
        for thread in threads:
            thread.stop()
        for suffix, thread in zip(self.files, threads, strict=True):
            self._keep(suffix, thread, code, seconds, began)
        return {"exit_code": code, "seconds": seconds}

    def _clean(self):
        subprocess.run(["umount", "-q", str(TRAIN / "small")], check=False, stderr=subprocess.DEVNULL)
        for path in TRAIN.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in (HERE / "scripts").iterdir():
            if path.is_file():
                shutil.copy(path, TRAIN / path.name)
        if size := self.scenario.get("disk"):
            (TRAIN / "small").mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(TRAIN / "small")], check=True)

    def _run(self):
        process = subprocess.Popen(
            ["bash", "-c", BEFORE + self.scenario["run"]], cwd=TRAIN, env=self._environment(),
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        return self._wait(process)

    def _run_on_terminal(self):
        """Run on a terminal of 120 columns; `press` types a key once a text was seen."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(TRAIN)
            os.execvpe("bash", ["bash", "-c", "stty cols 120 rows 40; " + self.scenario["run"]], self._environment())
        press = self.scenario.get("press")
        seen = b""
        with (TRAIN / "train.log").open("wb", buffering=0) as log:
            while chunk := _read(terminal):
                log.write(chunk)
                seen += chunk
                if press and press["after"].encode() in seen:
                    os.write(terminal, press["key"].encode())
                    press = None
        return _code(os.waitpid(pid, 0)[1])

    def _environment(self):
        return ENVIRONMENT | self.scenario.get("environment", {})

    def _wait(self, process):
        try:
            code = process.wait(self.scenario.get("timeout", TIMEOUT))
        except subprocess.TimeoutExpired:
            code = None
        pids = [int(path.name) for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
        for pid in pids:
            if pid not in {1, os.getpid()} and _session(pid) == process.pid:
                os.kill(pid, signal.SIGKILL)
        process.wait()
        return None if code is None else (128 - code if code < 0 else code)

    def _keep(self, suffix, watch, code, seconds, began):
        name = f"{self.name}.{suffix}" if suffix else self.name
        made = {
            "framework": self.scenario["framework"],
            "run": self.scenario["run"],
            "terminal": bool(self.scenario.get("terminal")),
            "versions": {item: _version(item) for item in ["python", *self.scenario["packages"]]},
            "exit_code": code,
            "signal": SIGNALS.get(code),
            "seconds": seconds,
        }
        parts = watch.parts(began)
        for index, (content, growth) in enumerate(parts):
            stem = name if index == len(parts) - 1 else f"{name}.{len(parts) - 1 - index}"
            (LOGS / f"{stem}.log").write_bytes(content)
            shown = " ".join(f"{at}:{size}" for at, size in growth)
            made.setdefault("parts", []).append({"file": f"{stem}.log", "growth": shown})
        made["turned_by"] = watch.turned_by
        (LOGS / f"{name}.json").write_text(json.dumps(made, ensure_ascii=False, indent=1, default=str) + "\n")


class _Watch(threading.Thread):
    """Looks at one file a hundred times a second: how long it was when, and whether it was turned over."""

    def __init__(self, pattern):
        super().__init__(daemon=True)
        self.turned_by = None
        self._pattern = pattern
        self._ended = threading.Event()
        self._open = []
        self._growth = []

    def run(self):
        while not self._ended.wait(LOOK_EVERY):
            self._look()

    def stop(self):
        self._ended.set()
        self.join()
        self._look()

    def parts(self, began):
        """Content and growth (milliseconds, size) of each file that bore the name, oldest first."""
        if not self._open:
            return [(b"", [])]
        contents = [os.pread(file, os.fstat(file).st_size, 0) for file in self._open]
        if self.turned_by == "copytruncate":
            contents.insert(0, (TRAIN / f"{self._pattern}.1").read_bytes())
        relative = [[[round((at - began) * 1000), size] for at, size in growth] for growth in self._growth]
        return list(zip(contents, relative, strict=True))

    def _look(self):
        now = time.monotonic()
        path = next(iter(sorted(TRAIN.glob(self._pattern))), None)
        if path is not None and path.stat().st_ino not in {os.fstat(file).st_ino for file in self._open}:
            self._turn(os.open(path, os.O_RDONLY), now)
        for index, file in enumerate(self._open):
            self._note(self._growth[index - len(self._open)], os.fstat(file).st_size, now)

    def _turn(self, file, now):
        if self._open:
            self.turned_by = "rename"
        self._open.append(file)
        self._growth.append([[now, 0]])

    def _note(self, growth, size, now):
        if size < growth[-1][1]:
            self.turned_by = "copytruncate"
            self._growth.append([[now, 0]])
        elif size > growth[-1][1]:
            growth.append([now, size])


def _read(terminal):
    select.select([terminal], [], [])
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the last process has closed it
        return b""


def _code(status):
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _session(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
    except OSError:
        return None


def _version(package):
    if package == "python":
        return ".".join(map(str, sys.version_info[:3]))
    places = [str(path) for path in pathlib.Path("/srv").glob("venv*/lib/python3*/site-packages")]
    return next(iter(metadata.distributions(name=package, path=places))).version


if __name__ == "__main__":
    main()
