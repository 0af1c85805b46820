"""The end of processes that are not the agent's children: real ones, with parents that wait at once, late, or never."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from agent.core.clock import Instant
from agent.core.facts import ProcessEnded
from agent.core.ports import Reading
from agent.sources import exits, proc
from agent.sources.exits import PIDFD, PIDFD_INFO, POLL, ExitSource, ProcessKey

BOOT = proc.boot_id()

PARENT = """
import os, signal, sys
child = os.fork()
if child == 0:
    signal.pause()
    os._exit(0)
print(child, flush=True)
sys.stdin.readline()
os.waitpid(child, 0)
print("reaped", flush=True)
sys.stdin.readline()
"""
"""A parent with one child; each line it is given lets it go one step further."""

needs_pidfds = pytest.mark.skipif(not proc.has_pidfds(), reason="this kernel has no pidfds")


def key(pid: int) -> ProcessKey:
    found = proc.stat(pid)
    assert found is not None
    return BOOT, pid, found.start_ticks


def at(seconds: float) -> Instant:
    return Instant(int(seconds * 1000), seconds)


def facts(reading: Reading) -> list[ProcessEnded]:
    return [event.fact for event in reading.events if isinstance(event.fact, ProcessEnded)]


def wait_readable(fd: int) -> None:
    assert select.select([fd], [], [], 10)[0], "the process did not end"


@pytest.fixture
def wanted() -> set[ProcessKey]:
    return set()


@pytest.fixture
def source(wanted: set[ProcessKey]) -> Iterator[ExitSource]:
    source = ExitSource(lambda: set(wanted))
    yield source
    source.close()


@pytest.fixture
def child() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start shells that wait for a line before they go on with what they are told."""
    started = []

    def start(script: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["/bin/sh", "-c", f"read line; {script}"], stdin=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def go_on(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


@needs_pidfds
@pytest.mark.parametrize(
    ("script", "code", "name"), [("exit 0", 0, None), ("exit 3", 3, None), ("kill -9 $$", 137, "SIGKILL")]
)
def test_the_handle_tells_of_the_end_and_the_zombie_of_the_code(source, wanted, child, script, code, name):
    process = child(script)
    wanted.add(key(process.pid))
    alive = source.read(at(0))
    assert alive.events == ()
    (handle,) = alive.watch
    go_on(process)
    wait_readable(handle)
    reading = source.read(at(1))
    (fact,) = facts(reading)
    assert (fact.exit_code, fact.signal, fact.reported) == (code, name, False)
    assert (fact.boot_id, fact.pid, fact.start_ticks) == next(iter(wanted))
    assert fact.ended_at == 1000
    assert reading.watch == ()
    assert reading.again_in is None


@needs_pidfds
def test_a_parent_that_waited_first_does_not_hide_the_code(source, wanted, parent):
    pid = int(parent.stdout.readline())
    wanted.add(key(pid))
    source.read(at(0))
    os.kill(pid, signal.SIGSEGV)
    parent.stdin.write("\n")
    parent.stdin.flush()
    assert parent.stdout.readline() == "reaped\n"
    (fact,) = facts(source.read(at(1)))
    known = source.read(at(2)).samples[0].labels["strategy"] == PIDFD_INFO
    assert (fact.exit_code, fact.signal) == ((139, "SIGSEGV") if known else (None, None))


@needs_pidfds
def test_a_parent_that_waits_late_is_given_a_second(source, wanted, parent, monkeypatch):
    monkeypatch.setattr(proc, "zombie_status", lambda pid, ticks: None)
    pid = int(parent.stdout.readline())
    wanted.add(key(pid))
    (handle,) = source.read(at(0)).watch
    os.kill(pid, signal.SIGKILL)
    wait_readable(handle)
    waiting = source.read(at(10))
    assert (waiting.events, waiting.watch, waiting.again_in) == ((), (), exits.REAP_LOOK)
    parent.stdin.write("\n")
    parent.stdin.flush()
    assert parent.stdout.readline() == "reaped\n"
    (fact,) = facts(source.read(at(10.5)))
    assert fact.ended_at == 10_000
    assert fact.exit_code in ((137,) if proc.tells_exit_status() else (None,))


@needs_pidfds
def test_a_parent_that_never_waits_leaves_the_code_unknown(source, wanted, parent, monkeypatch):
    monkeypatch.setattr(proc, "zombie_status", lambda pid, ticks: None)
    pid = int(parent.stdout.readline())
    wanted.add(key(pid))
    (handle,) = source.read(at(0)).watch
    os.kill(pid, signal.SIGKILL)
    wait_readable(handle)
    assert facts(source.read(at(10))) == []
    assert facts(source.read(at(10.9))) == []
    (fact,) = facts(source.read(at(11)))
    assert (fact.exit_code, fact.ended_at) == (None, 10_000)


def test_an_end_is_told_once_even_while_it_is_still_asked_for(source, wanted, child):
    process = child("exit 1")
    wanted.add(key(process.pid))
    source.read(at(0))
    process.communicate(b"\n")
    (first,) = source.read(at(1)).events
    assert source.read(at(2)).events == ()
    other = ExitSource(lambda: wanted)
    (again,) = other.read(at(3)).events
    assert again.id == first.id
    other.close()


def test_a_process_that_is_already_gone_has_ended_with_an_unknown_code(source, wanted):
    with subprocess.Popen(["/bin/sh", "-c", "exit 0"]) as process:
        gone = key(process.pid)
    wanted.add(gone)
    (fact,) = facts(source.read(at(1)))
    assert (fact.pid, fact.exit_code, fact.signal) == (process.pid, None, None)


def test_a_pid_that_was_given_away_is_not_taken_for_the_process(source, wanted, child):
    boot, pid, ticks = key(child("exit 0").pid)
    wanted.add((boot, pid, ticks - 1))
    reading = source.read(at(1))
    (fact,) = facts(reading)
    assert (fact.start_ticks, fact.exit_code) == (ticks - 1, None)
    assert reading.watch == ()


def test_a_pid_given_away_while_its_handle_was_opened_is_noticed(source, wanted, child, monkeypatch):
    boot, pid, ticks = key(child("exit 0").pid)
    seen = iter([proc.ProcStat("S", ticks - 1, 0), proc.ProcStat("S", ticks, 0)])
    monkeypatch.setattr(proc, "stat", lambda pid: next(seen))
    wanted.add((boot, pid, ticks - 1))
    reading = source.read(at(1))
    assert len(reading.events) == 1
    assert reading.watch == ()


def test_a_process_of_an_earlier_boot_is_gone(source, wanted):
    wanted.add(("earlier", os.getpid(), 5))
    (fact,) = facts(source.read(at(1)))
    assert (fact.boot_id, fact.exit_code) == ("earlier", None)


@needs_pidfds
def test_what_is_no_longer_wanted_is_let_go(source, wanted, child):
    wanted.add(key(child("exit 0").pid))
    (handle,) = source.read(at(0)).watch
    wanted.clear()
    assert source.read(at(1)).watch == ()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)


def test_without_handles_ends_are_seen_at_the_next_look(source, wanted, child, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    quick, slow = child("exit 4"), child("exit 5")
    wanted.update({key(quick.pid), key(slow.pid)})
    reading = source.read(at(0))
    assert (reading.events, reading.watch, reading.samples[0].labels) == ((), (), {"strategy": POLL})
    quick.communicate(b"\n")
    (fact,) = facts(source.read(at(5)))
    assert (fact.pid, fact.exit_code) == (quick.pid, None)


def test_the_code_of_a_zombie_is_known_without_handles_too(source, wanted, child, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    process = child("exit 4")
    wanted.add(key(process.pid))
    source.read(at(0))
    go_on(process)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    (fact,) = facts(source.read(at(5)))
    assert fact.exit_code == 4


def test_a_zero_that_only_means_that_one_may_not_look_is_not_believed(child, monkeypatch):
    process = child("exit 0")
    _, pid, ticks = key(process.pid)
    go_on(process)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert proc.zombie_status(pid, ticks) == 0
    assert proc.zombie_status(pid, ticks + 1) is None
    monkeypatch.setattr(proc, "_may_trace", lambda pid: False)
    assert proc.zombie_status(pid, ticks) is None


def test_hidden_processes_are_told_of_once_and_not_declared_dead(source, wanted, child, monkeypatch, caplog):
    wanted.add(key(child("exit 0").pid))
    monkeypatch.setattr(proc, "stat", lambda pid: None)
    for second in range(3):
        assert source.read(at(second)).events == ()
    assert ["hidepid" in record.message for record in caplog.records] == [True]


@pytest.mark.parametrize(("tells", "strategy"), [(True, PIDFD_INFO), (False, PIDFD)])
@needs_pidfds
def test_the_strategy_is_counted(source, monkeypatch, tells, strategy):
    monkeypatch.setattr(proc, "tells_exit_status", lambda: tells)
    (sample,) = source.read(at(0)).samples
    assert (sample.name, sample.value, sample.labels) == ("exit_status_info", 1, {"strategy": strategy})


def test_a_living_process_has_no_exit_status():
    handle = os.pidfd_open(os.getpid())
    assert proc.ended(handle) == (False, False)
    assert proc.reaped_status(handle) is None
    os.close(handle)


def test_owners_are_read_from_the_status():
    assert proc.owners(os.getpid()) == (os.getuid(), os.geteuid(), *os.getresuid()[2:], os.geteuid())
    assert proc.exists(os.getpid())


def test_the_biggest_processes_are_named_biggest_first():
    found = proc.biggest(3, 1 << 20)

    assert 1 <= len(found) <= 3
    assert [item.held for item in found] == sorted((item.held for item in found), reverse=True)
    assert all(item.name and item.held >= 1 << 20 for item in found)
    assert proc.biggest(3, 1 << 60) == ()
