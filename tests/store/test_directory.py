import os
import subprocess
import sys

import pytest
from store_values import fill

from agent.store import directory, meta
from agent.store.database import Database
from agent.store.directory import AlreadyRunning, StateDirectory, UnusableDirectory
from agent.store.errors import ForeignFile, NewerSchema
from agent.store.reserve import Reserve

NOW = 1_770_000_000_123
AT = "20260202T024000123Z"


@pytest.fixture
def state(tmp_path):
    """A state directory with its lock, and a reserve small enough for tests."""
    taken = take(tmp_path / "state")
    yield taken
    os.close(taken._lock)


def take(path):
    taken = StateDirectory.take(path)
    taken.reserve = Reserve(taken.reserve.path, 4096)
    return taken


def restart(state, *, clean):
    """Leave the directory, by itself or as a kill -9 leaves it, and take it again."""
    if clean:
        state.close()
    else:
        os.close(state._lock)
    again = take(state.path)
    state._lock = again._lock
    return again


def remember(state, value="before"):
    with state.connect() as database:
        database.write(lambda conn: meta.put(conn, "k", value))


def recall(state):
    with state.connect() as database:
        return database.read(lambda conn: meta.get(conn, "k"))


def damage(path):
    """Overwrite the middle of the file, past its header."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


# --- making it ready -----------------------------------------------------------------------------------------------


def test_a_new_directory_is_open_to_passers_by_only(tmp_path):
    before = os.umask(0o077)
    try:
        state = take(tmp_path / "deep" / "state")
    finally:
        os.umask(before)
    opened = state.open(NOW)
    assert state.path.stat().st_mode & 0o7777 == 0o711
    assert opened.path == state.path / "gpuwarden.db"
    files = {file.name: file.stat().st_mode & 0o777 for file in state.path.iterdir()}
    assert files == {"agent.lock": 0o600, "gpuwarden.db": 0o600, "reserve": 0o600}
    state.close()


def test_the_first_start_has_nothing_to_report(state):
    opened = state.open(NOW)
    assert (opened.damaged_aside, opened.unclean, opened.check_later) == (None, False, None)


def test_a_persons_own_directory_keeps_its_mode_and_is_warned_of(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o770)
    state = take(tmp_path / "mine")
    warnings = state.open(NOW).warnings
    state.close()
    assert state.path.stat().st_mode & 0o777 == 0o770
    assert any("written by its group (mode 0770)" in text for text in warnings)
    assert any("cannot reach the spool" in text for text in warnings)


def test_a_directory_that_everyone_may_write_to_is_refused(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o1777)
    with pytest.raises(UnusableDirectory, match="can be written by everyone"):
        StateDirectory.take(tmp_path / "open")
    assert list((tmp_path / "open").iterdir()) == []


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableDirectory, match="file is not a directory"):
        StateDirectory.take(tmp_path / "file")
    with pytest.raises(UnusableDirectory, match="cannot make the state directory: Not a directory"):
        StateDirectory.take(tmp_path / "file" / "below" / "it")


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    """Root may write anywhere, so the test asks where nobody may: below /proc."""
    with pytest.raises(UnusableDirectory, match=r"/proc/self: user \d+ cannot write here"):
        StateDirectory.take(type(tmp_path)("/proc/self"))


def test_a_relative_path_is_made_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = take(type(tmp_path)("state"))
    state.open(NOW)
    state.close()
    assert state.path == tmp_path / "state"


# --- one agent at a time -------------------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from agent.store.directory import StateDirectory
state = StateDirectory.take(Path(sys.argv[1]))
print("taken", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_runs(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "state"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"taken\n"
        with pytest.raises(AlreadyRunning, match=f"process {holder.pid}, is running on .*state: stop it") as caught:
            StateDirectory.take(tmp_path / "state")
        holder.kill()
    assert (caught.value.pid, caught.value.directory) == (holder.pid, tmp_path / "state")
    os.close(StateDirectory.take(tmp_path / "state")._lock)


def test_children_do_not_inherit_the_lock(state):
    child = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False) as running:
        assert running.stdout.readline() == b"up\n"
        assert restart(state, clean=False).path == state.path
        running.communicate(b"\n")


def test_the_lock_file_names_its_holder(state):
    assert (state.path / "agent.lock").read_text() == f"{os.getpid()}\n"


# --- how the last one ended ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("clean", [True, False])
def test_an_unclean_stop_is_noticed_and_costs_nothing(state, clean):
    state.open(NOW)
    remember(state)
    again = restart(state, clean=clean)
    opened = again.open(NOW)
    assert (opened.unclean, opened.damaged_aside) == (not clean, None)
    assert recall(again) == "before"


def test_two_unclean_stops_in_a_row_are_both_noticed(state):
    state.open(NOW)
    again = restart(state, clean=False)
    again.open(NOW)
    assert restart(again, clean=False).open(NOW).unclean


def test_a_large_store_is_checked_later(state, monkeypatch):
    monkeypatch.setattr(directory, "CHECK_AT_ONCE_BYTES", 1)
    state.open(NOW)
    opened = restart(state, clean=False).open(NOW)
    assert opened.unclean
    assert opened.check_later() is None
    assert not (state.path / directory.SUSPECT).exists()


# --- damage --------------------------------------------------------------------------------------------------------


def test_a_damaged_store_is_moved_aside_and_a_new_one_begun(state):
    state.open(NOW)
    remember(state, "x" * 50_000)
    again = restart(state, clean=False)
    damage(again.database)
    before = again.database.read_bytes()
    opened = again.open(NOW)
    assert opened.damaged_aside == state.path / f"gpuwarden.db.damaged-{AT}"
    assert opened.damaged_aside.read_bytes() == before
    assert recall(again) is None
    with Database.open(opened.path) as database:
        assert database.quick_check() is None


def test_a_file_that_is_no_database_is_moved_aside(state):
    state.database.write_bytes(b"garbage" * 2_000)
    opened = state.open(NOW)
    assert opened.damaged_aside.read_bytes() == b"garbage" * 2_000
    assert opened.unclean
    remember(state)


def test_the_companions_of_a_damaged_store_go_with_it(state):
    state.database.write_bytes(b"garbage" * 2_000)
    (state.path / "gpuwarden.db-wal").write_bytes(b"old words")
    (state.path / directory.SUSPECT).touch()
    aside = state.open(NOW).damaged_aside
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"old words"
    assert not (state.path / directory.SUSPECT).exists()


def test_damage_found_later_is_acted_on_at_the_next_start(state, monkeypatch):
    monkeypatch.setattr(directory, "CHECK_AT_ONCE_BYTES", 1)
    state.open(NOW)
    remember(state, "x" * 50_000)
    again = restart(state, clean=False)
    damage_one_page_of_free_text(again)
    problem = again.open(NOW).check_later()
    assert problem is not None
    third = restart(again, clean=True)
    opened = third.open(NOW + 1)
    assert opened.damaged_aside is not None
    assert restart(third, clean=True).open(NOW + 2).damaged_aside is None


def damage_one_page_of_free_text(state):
    """Damage what only a whole check looks at: the last page, which holds the end of a long value."""
    with state.database.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)


@pytest.mark.parametrize(
    ("pragma", "error"), [("user_version = 9", NewerSchema), ("application_id = 9", ForeignFile)]
)
def test_what_is_not_ours_to_judge_is_left_where_it_is(state, pragma, error):
    state.open(NOW)
    with state.connect() as database:
        database._conn.execute(f"PRAGMA {pragma}")
    with pytest.raises(error):
        restart(state, clean=False).open(NOW)
    assert [file.name for file in state.path.glob("*damaged*")] == []


# --- full disks ----------------------------------------------------------------------------------------------------


def test_an_agent_starts_on_a_full_disk_and_says_so(small_disk):
    disk = small_disk(4096)
    state = StateDirectory.take(disk / "state")
    assert not [text for text in state.open(NOW).warnings if "reserve" in text]
    state.close()
    fill(disk)
    again = StateDirectory.take(disk / "state")
    opened = again.open(NOW)
    assert any("no room for the reserve" in text for text in opened.warnings)
    assert any("tmpfs, which is memory" in text for text in opened.warnings)
    again.close()
