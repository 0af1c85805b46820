"""The spool on a real folder: what is handed in becomes events, and what is hostile becomes nothing."""

import itertools
import os
import stat
import subprocess
import threading

import pytest

from agent.core import handoff
from agent.core.clock import HOUR, Instant
from agent.core.facts import HandedIn, ProcessEnded, ProcessStarted
from agent.core.model import AlertType, Severity, Status
from agent.core.ports import Consuming, Unavailable
from agent.sources import proc, spool_folder
from agent.sources.doorbell import Doorbell
from agent.sources.spool import UNWATCHED, SpoolLimits, SpoolSource

NOW = Instant(10 * HOUR, 0.0)
EVENT = HandedIn(AlertType.JOB_FAILED, Status.EVENT, Severity.CRITICAL)
OTHER_USER = 65_534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def make(directory):
    """Make sources on the spool; each is closed at the end."""
    made = []

    def source(ring=lambda: None, **limits):
        made.append(SpoolSource(directory, ring, SpoolLimits(**limits)))
        return made[-1]

    yield source
    for item in made:
        item.close()


@pytest.fixture
def put(directory):
    """Hand in: write under a hidden name, then rename."""
    spool_folder.prepare(directory)
    numbers = itertools.count()

    def put(fact=EVENT, *, name=None, data=None, uid=None):
        name = name or f"{next(numbers):04d}.json"
        hidden = directory / f".tmp-{name}"
        hidden.write_bytes(handoff.write(fact) if data is None else data)
        if uid is not None:
            os.chown(hidden, uid, -1)
        return hidden.rename(directory / name)

    return put


def names(directory):
    return sorted(path.name for path in directory.iterdir() if path.name != spool_folder.REJECTED)


def rejected(directory):
    return sorted((directory / spool_folder.REJECTED).iterdir())


def titles(reading):
    return [event.fact.title for event in reading.events]


def titled(title):
    return HandedIn(AlertType.JOB_FAILED, Status.EVENT, Severity.CRITICAL, title)


def test_the_spool_takes_from_everyone_and_shows_nobody_anything(directory):
    for _ in range(2):
        spool_folder.prepare(directory)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o1733
        assert stat.S_IMODE((directory / spool_folder.REJECTED).stat().st_mode) == 0o700


def test_files_become_events_in_the_order_of_their_names(make, put):
    for name, title in (("2.json", "second"), ("1.json", "first")):
        put(titled(title), name=name)
    reading = make().read(NOW)
    assert titles(reading) == ["first", "second"]
    assert [(event.source, event.at) for event in reading.events] == [("spool", NOW.wall)] * 2
    assert {event.fact.uid for event in reading.events} == {os.geteuid()}


def test_without_the_doorbell_it_looks_again_soon(make, monkeypatch):
    source = make()
    assert source.read(NOW).again_in is None
    monkeypatch.setattr(Doorbell, "watch", lambda self, _: setattr(self, "trouble", "no watches are left") or False)
    assert source.read(NOW).again_in == UNWATCHED


def test_a_file_is_deleted_once_its_event_is_stored_and_not_before(make, put, directory):
    source = make()
    assert isinstance(source, Consuming)
    put()
    assert len(source.read(NOW).events) == 1
    assert source.read(NOW).events == ()
    assert names(directory) == ["0000.json"]
    source.committed()
    assert names(directory) == []
    source.committed()


def test_after_a_crash_the_same_file_gives_the_same_event(make, put):
    put()
    first, again = make().read(NOW), make().read(NOW)
    assert [event.id for event in first.events] == [event.id for event in again.events]


def test_another_file_of_the_same_name_is_another_event(make, put):
    source = make()
    put(name="x.json")
    (first,) = source.read(NOW).events
    source.committed()
    put(name="x.json")
    (second,) = source.read(NOW).events
    assert first.id != second.id


def test_closing_keeps_what_is_not_stored(make, put, directory):
    source = make()
    put()
    source.read(NOW)
    source.close()
    assert names(directory) == ["0000.json"]


def test_what_is_still_being_written_is_left_alone_for_an_hour(make, put, directory):
    hidden = directory / ".tmp-1"
    hidden.write_bytes(b"{")
    os.utime(hidden, ns=(0, NOW.wall * 1_000_000))
    source = make()
    assert source.read(Instant(NOW.wall + HOUR, 0)).events == ()
    assert names(directory) == [".tmp-1"]
    source.read(Instant(NOW.wall + HOUR + 1, 0))
    assert names(directory) == []


def test_other_files_and_folders_are_none_of_its_business(make, put, directory):
    (directory / "notes.txt").touch()
    (directory / "folder.json").mkdir()
    assert make().read(NOW).events == ()
    assert names(directory) == ["folder.json", "notes.txt"]
    assert rejected(directory) == []


def test_bad_files_are_put_aside_with_the_reason(make, put, directory, caplog):
    put(data=b"{")
    put(data=b'{"type": "job_fialed"}')
    put(titled("good"))
    source = make()
    reading = source.read(NOW)
    assert titles(reading) == ["good"]
    assert reading.samples[0].value == 2
    reasons = [path.read_text() for path in rejected(directory) if path.suffix == ".reason"]
    assert len(rejected(directory)) == 4
    assert any('type: found "job_fialed", expected one of job_started' in reason for reason in reasons)
    assert any(reason.startswith("0000.json: ") for reason in reasons)
    assert len(caplog.records) == 1
    assert source.read(NOW).samples[0].value == 2


def test_only_so_many_refused_files_are_kept(make, put, directory, monkeypatch):
    monkeypatch.setattr(spool_folder, "REJECTED_AT_MOST", 3)
    for _ in range(5):
        put(data=b"")
    make().read(NOW)
    assert len(rejected(directory)) == 6


def test_too_large_a_file_is_refused_unread(make, put, directory):
    put(data=b" " * (handoff.MAX_BYTES + 1))
    assert make().read(NOW).events == ()
    (reason,) = (path.read_text() for path in rejected(directory) if path.suffix == ".reason")
    assert "65537 bytes, expected at most 65536" in reason


def test_the_largest_file_is_taken(make, put):
    body = handoff.write(EVENT)
    put(data=body + b" " * (handoff.MAX_BYTES - len(body)))
    assert len(make().read(NOW).events) == 1


def test_links_and_pipes_are_neither_followed_nor_waited_for(make, put, directory, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(handoff.write(titled("secret")))
    (directory / "1.json").symlink_to(secret)
    os.mkfifo(directory / "2.json")
    os.link(secret, directory / "3.json")
    reading = make().read(NOW)
    assert reading.events == ()
    assert reading.samples[0].value == 3
    assert names(directory) == []
    assert secret.exists()


def test_a_name_at_the_limit_and_beyond_any_encoding_can_be_refused(make, put, directory):
    put(name=os.fsdecode(b"\xff" * 245 + b".json"), data=b"")
    assert make().read(NOW).samples[0].value == 1
    assert len(rejected(directory)) == 2


@as_root
def test_a_file_that_cannot_be_moved_is_tried_once(make, put, directory, monkeypatch):
    def refuse(folder, name, reason):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(spool_folder, "reject", refuse)
    put(data=b"")
    source = make()
    assert [source.read(NOW).samples[0].value for _ in range(2)] == [1, 1]


@as_root
def test_the_owner_of_the_file_is_the_one_who_handed_it_in(make, put):
    put(uid=OTHER_USER)
    (event,) = make().read(NOW).events
    assert event.fact.uid == OTHER_USER


@as_root
def test_one_user_does_not_keep_another_waiting(make, put):
    for _ in range(5):
        put(titled("many"), uid=OTHER_USER)
    put(titled("one"))
    source = make(per_look=2)
    first = source.read(NOW)
    assert (titles(first), first.again_in) == (["many", "many", "one"], 0.0)
    rest = [source.read(NOW) for _ in range(2)]
    assert [(len(reading.events), reading.again_in) for reading in rest] == [(2, 0.0), (1, None)]


def test_more_than_may_wait_is_dropped_and_counted(make, put, directory, caplog):
    for _ in range(5):
        put()
    reading = make(waiting=3).read(NOW)
    assert len(reading.events) == 3
    assert reading.samples[0].value == 2
    assert names(directory) == ["0000.json", "0001.json", "0002.json"]
    assert "dropped 2 files of user" in caplog.text


def process_facts(pid):
    boot, ticks = proc.boot_id(), proc.stat(pid).start_ticks
    return (
        ProcessStarted(boot, pid, ticks, 5, "run", "train.py", uid=0),
        ProcessEnded(boot, pid, ticks, 6, exit_code=0, reported=True, uid=0),
    )


@as_root
@pytest.mark.parametrize("index", [0, 1])
def test_nobody_may_speak_for_another_users_process(make, put, directory, index):
    put(process_facts(os.getpid())[index], uid=OTHER_USER)
    assert make().read(NOW).events == ()
    (reason,) = (path.read_text() for path in rejected(directory) if path.suffix == ".reason")
    assert f"process {os.getpid()} of user 0, expected a process of user {OTHER_USER}" in reason


@as_root
def test_everyone_may_speak_for_their_own_process_and_root_for_all(make, put):
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=OTHER_USER, cwd="/") as process:
        started, ended = process_facts(process.pid)
        put(started, uid=OTHER_USER)
        put(ended, uid=0)
        facts = [event.fact for event in make().read(NOW).events]
        process.communicate()
    assert [type(fact) for fact in facts] == [ProcessStarted, ProcessEnded]
    assert [fact.uid for fact in facts] == [OTHER_USER, 0]


@as_root
def test_what_is_said_of_a_process_that_has_gone_is_taken(make, put):
    started, _ = process_facts(os.getpid())
    gone = ProcessStarted(started.boot_id, started.pid, started.start_ticks - 1, 5, "run", "train.py")
    put(gone, uid=OTHER_USER)
    assert len(make().read(NOW).events) == 1


def test_a_hand_in_rings_at_once(make, directory):
    rung = threading.Event()
    source = make(ring=rung.set)
    source.read(NOW)
    (directory / ".tmp-1").write_bytes(handoff.write(EVENT))
    (directory / ".tmp-1").rename(directory / "1.json")
    assert rung.wait(10)
    assert len(source.read(NOW).events) == 1


def test_a_spool_that_was_deleted_is_made_again(make, put, directory):
    source = make()
    source.read(NOW)
    (directory / spool_folder.REJECTED).rmdir()
    directory.rmdir()
    assert source.read(NOW).events == ()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o1733


def test_a_spool_that_cannot_be_made_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match=r"cannot be used: No such file or directory; see `\[agent\] spool_dir`"):
        SpoolSource(tmp_path / "missing" / "spool", lambda: None).read(NOW)
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be used: Not a directory"):
        SpoolSource(tmp_path / "file", lambda: None).read(NOW)


@as_root
def test_a_spool_of_somebody_else_is_refused(directory):
    spool_folder.prepare(directory)
    os.chown(directory / spool_folder.REJECTED, OTHER_USER, -1)
    with pytest.raises(Unavailable, match=f"rejected belongs to user {OTHER_USER}: remove it"):
        spool_folder.prepare(directory)
