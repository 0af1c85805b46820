"""Kills for lack of memory, by the counters of cgroups: files as the kernel writes them, and a real kill as root."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.core.kernel_log import KernelKind
from agent.sources import proc
from agent.sources.cgroups import CGROUPS, LINGER, CgroupSource
from tests.support.clock import ManualClock

EVENTS = "low 0\nhigh 0\nmax 7\noom 1\noom_kill {}\noom_group_kill 0\n"
V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
HUNGRY = "import sys\nsys.stdin.readline()\nkept = [bytearray(1 << 20) for _ in range(256)]\n"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def leader():
    """A process as a job's leader."""
    with subprocess.Popen([sys.executable, "-c", HUNGRY], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def key(process):
    return proc.boot_id(), process.pid, proc.stat(process.pid).start_ticks


def counters(root, pid, name, text):
    """The file that counts the kills of a process's cgroup, under another root."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if name == "memory.oom_control" and controllers == "memory" and group != "/":
            folder = root / "memory" / group.lstrip("/")
            folder.mkdir(parents=True)
            (folder / name).write_text(text)
            return folder / name
    pytest.skip("this process is in no memory cgroup of version 1")


def facts(source, clock, seconds=1.0):
    return [event.fact for event in source.read(clock.advance(seconds)).events]


def test_a_counter_that_rises_tells_of_a_kill_once(leader, clock, tmp_path):
    counter, mine = counters(tmp_path, leader.pid, "memory.oom_control", V1.format(3)), key(leader)
    leaders = {mine}
    source = CgroupSource(lambda: leaders, root=tmp_path)
    assert facts(source, clock) == []
    counter.write_text(V1.format(4))
    leaders.clear()  # its end is seen before the next look
    (fact,) = facts(source, clock)
    assert (fact.kind, fact.pid, fact.facts["kills"]) == (KernelKind.OOM_KILL, leader.pid, 4)
    assert fact.text.startswith("The kernel killed 1 of the processes in cgroup /")
    assert facts(source, clock) == []
    counter.write_text(V1.format(5))
    assert facts(source, clock, LINGER + 1) == []


def test_a_cgroup_of_several_jobs_tells_of_none(leader, clock, tmp_path):
    counter, mine = counters(tmp_path, leader.pid, "memory.oom_control", V1.format(0)), key(leader)
    other = proc.boot_id(), os.getpid(), proc.stat(os.getpid()).start_ticks
    source = CgroupSource(lambda: {mine, other}, root=tmp_path)
    assert facts(source, clock) == []
    counter.write_text(V1.format(1))
    assert facts(source, clock) == []


@pytest.mark.parametrize("text", ["", "garbage\n", "oom_kill_disable 0\n"])
def test_where_kills_are_not_counted_nothing_is_told(leader, clock, tmp_path, text):
    counters(tmp_path, leader.pid, "memory.oom_control", text)
    assert facts(CgroupSource(lambda: {key(leader)}, root=tmp_path), clock) == []


def test_processes_that_have_gone_are_no_trouble(clock, tmp_path):
    assert facts(CgroupSource(lambda: {(proc.boot_id(), 2**22 + 1, 1)}, root=tmp_path), clock) == []


@pytest.fixture
def narrow():
    """A real memory cgroup of 64 MiB without swap."""
    parent = next(
        (CGROUPS / "memory" / line.split(":", 2)[2].lstrip("/") for line in
         Path("/proc/self/cgroup").read_text().splitlines() if line.split(":", 2)[1] == "memory"), None)  # fmt: skip
    group = None if parent is None else parent / f"gpuwarden-test-{os.getpid()}"
    try:
        assert group is not None
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(64 << 20))
    except (AssertionError, OSError):
        pytest.skip("no memory cgroup can be made here")
    yield group
    group.rmdir()


def test_a_real_kill_is_told(narrow, leader, clock):
    (narrow / "cgroup.procs").write_text(str(leader.pid))
    source = CgroupSource(lambda: {mine})
    mine = key(leader)
    assert facts(source, clock) == []
    leader.communicate(b"\n")
    assert leader.returncode == -9
    (fact,) = facts(source, clock)
    assert (fact.kind, fact.pid) == (KernelKind.OOM_KILL, leader.pid)
    assert narrow.name in fact.text


def test_version_two_counts_those_of_a_cgroup_alone_if_it_can(leader, clock, tmp_path):
    group = CGROUPS / "unified" / f"gpuwarden-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no cgroup of version 2 can be made here")
    try:
        (group / "cgroup.procs").write_text(str(leader.pid))
        folder = tmp_path / group.name
        folder.mkdir()
        (folder / "memory.events").write_text(EVENTS.format(9))
        (folder / "memory.events.local").write_text(EVENTS.format(0))
        mine = key(leader)
        source = CgroupSource(lambda: {mine}, root=tmp_path)
        assert facts(source, clock) == []
        (folder / "memory.events.local").write_text(EVENTS.format(2))
        (fact,) = facts(source, clock)
        assert fact.facts == {"cgroup": f"/{group.name}", "kills": 2}
    finally:
        leader.kill()
        leader.wait()
        group.rmdir()
