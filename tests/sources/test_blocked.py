"""A real process that waits for a file system which has stopped answering."""

import subprocess
import sys
import time

import pytest

from agent.sources.blocked import BlockedSource
from tests.support import fuse
from tests.support.clock import ManualClock

READ = "import sys; print('ready', flush=True); sys.stdin.readline(); open(sys.argv[1]).read()"


@pytest.fixture
def dead(tmp_path):
    if not fuse.possible():
        pytest.skip("FUSE mounts cannot be made here")
    mount = fuse.FuseMount(tmp_path / "dead")
    mount.append("line\n" * 2_000)
    yield mount
    mount.close()


@pytest.fixture
def reader(dead):
    process = subprocess.Popen(
        [sys.executable, "-c", READ, dead.log], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    yield process
    dead.answer()
    process.communicate(timeout=10)


def test_who_waits_for_a_dead_mount_is_named_with_it_and_since_when(dead, reader):
    clock = ManualClock()
    source = BlockedSource(lambda: {reader.pid})
    assert source.read(clock.now()).stuck == ()

    dead.hang()
    reader.stdin.write("go\n")
    reader.stdin.flush()
    began = _blocked(source, clock)
    clock.advance(130)
    (stuck,) = source.read(clock.now()).stuck

    assert (stuck.pid, stuck.since) == (reader.pid, began)
    assert stuck.mount == f"{dead.folder} (fuse.test)"


def test_a_process_that_merely_sleeps_or_has_gone_is_not_stuck():
    clock = ManualClock()
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        assert BlockedSource(lambda: {sleeper.pid}).read(clock.now()).stuck == ()
        sleeper.kill()
    assert BlockedSource(lambda: {sleeper.pid}).read(clock.now()).stuck == ()
    assert BlockedSource(frozenset).read(clock.now()).stuck == ()


def test_who_computes_works_and_who_sleeps_does_not():
    clock = ManualClock()
    with (
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy,
        subprocess.Popen(["sleep", "60"]) as sleeper,
    ):
        try:
            source = BlockedSource(lambda: {busy.pid, sleeper.pid})
            assert source.read(clock.now()).working == frozenset()
            assert _eventually(lambda: source.read(clock.now()).working) == {busy.pid}
        finally:
            busy.kill()
            sleeper.kill()


def _eventually(look):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("nothing was seen")


def _blocked(source, clock):
    """Look until the reader waits, and has settled to wait; when that was."""
    until, since = time.monotonic() + 10, []
    while time.monotonic() < until:
        clock.advance(1)
        found = source.read(clock.now()).stuck
        since = [*since, found[0].since] if found else []
        if len(since) > 2 and since[-1] == since[-2] == since[-3]:
            return since[-1]
        time.sleep(0.02)
    raise AssertionError("nothing was seen to wait")
