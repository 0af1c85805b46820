import threading

import pytest

from agent.sources import doorbell
from agent.sources.doorbell import Doorbell


class Bell:
    def __init__(self):
        self.rings = threading.Semaphore(0)
        self.doorbell = Doorbell(self.rings.release)

    def rang(self):
        """Whether it rings within five seconds; takes up all that rang."""
        if not self.rings.acquire(timeout=5):
            return False
        while self.rings.acquire(timeout=0.2):
            pass
        return True


@pytest.fixture
def bell():
    bell = Bell()
    yield bell
    bell.doorbell.close()


def test_files_that_come_and_go_ring(bell, tmp_path):
    assert bell.doorbell.watch(str(tmp_path))
    file = tmp_path / "train.log"
    file.touch()
    assert bell.rang()
    file.rename(tmp_path / "train.log.1")
    assert bell.rang()
    (tmp_path / "train.log.1").unlink()
    assert bell.rang()
    (tmp_path / "run-2").mkdir()
    assert bell.rang()


def test_writing_does_not_ring(bell, tmp_path):
    file = tmp_path / "train.log"
    file.write_text("x")
    bell.doorbell.watch(str(tmp_path))
    with file.open("a") as writer:
        writer.write("more")
    file.read_text()
    assert not bell.rings.acquire(timeout=0.3)


def test_a_folder_is_watched_once(bell, tmp_path):
    assert bell.doorbell.watch(str(tmp_path))
    assert not bell.doorbell.watch(str(tmp_path))
    assert bell.doorbell.trouble is None


def test_a_missing_folder_is_left_out_until_it_is_there(bell, tmp_path):
    folder = tmp_path / "later"
    assert not bell.doorbell.watch(str(folder))
    folder.mkdir()
    assert bell.doorbell.watch(str(folder))
    (folder / "x").touch()
    assert bell.rang()


def test_a_folder_made_again_is_watched_again(bell, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    bell.doorbell.watch(str(folder))
    folder.rmdir()
    assert bell.rang()
    folder.mkdir()
    assert bell.doorbell.watch(str(folder))
    (folder / "x").touch()
    assert bell.rang()


def test_more_folders_than_threads_allow_are_left_to_the_timer(bell, tmp_path, monkeypatch):
    monkeypatch.setattr(doorbell, "FOLDERS_AT_MOST", 1)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert bell.doorbell.watch(str(tmp_path / "a"))
    assert not bell.doorbell.watch(str(tmp_path / "b"))
    assert bell.doorbell.trouble == "more than 1 folders"


def test_where_the_kernel_refuses_the_timer_remains(bell, tmp_path, monkeypatch):
    def refuse():
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(doorbell, "Observer", refuse)
    assert not bell.doorbell.watch(str(tmp_path))
    assert bell.doorbell.trouble == "Too many open files"


def test_closing_ends_the_threads(tmp_path):
    before = threading.active_count()
    bell = Bell()
    bell.doorbell.watch(str(tmp_path))
    bell.doorbell.close()
    bell.doorbell.close()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and threading.active_count() > before:
            thread.join(timeout=5)
    assert threading.active_count() == before
