import pytest
from store_values import fill

from agent.store import meta
from agent.store.database import Database
from agent.store.errors import StoreFull
from agent.store.reserve import RESERVE_BYTES, Reserve

KIB = 1024


def put(value):
    return lambda conn: meta.put(conn, f"k{len(value)}", value)


def taken(path):
    return path.stat().st_blocks * 512


def test_the_reserve_is_really_written_and_private(tmp_path):
    reserve = Reserve(tmp_path / "reserve", 64 * KIB)
    assert not reserve.present
    assert reserve.restore()
    assert reserve.path.stat().st_size == 64 * KIB
    assert taken(reserve.path) >= 64 * KIB
    assert reserve.path.stat().st_mode & 0o777 == 0o600


def test_the_usual_size_is_written_whole(tmp_path):
    reserve = Reserve(tmp_path / "reserve")
    assert reserve.restore()
    assert reserve.path.stat().st_size == RESERVE_BYTES
    assert taken(reserve.path) >= RESERVE_BYTES


def test_the_reserve_is_given_up_once(tmp_path):
    reserve = Reserve(tmp_path / "reserve", 4 * KIB)
    reserve.restore()
    assert reserve.release()
    assert not reserve.release()
    assert not reserve.present


def test_a_whole_reserve_is_not_written_again(tmp_path):
    reserve = Reserve(tmp_path / "reserve", 4 * KIB)
    reserve.restore()
    before = reserve.path.stat()
    assert reserve.restore()
    assert (reserve.path.stat().st_ino, reserve.path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_part_of_a_reserve_is_made_whole(tmp_path):
    reserve = Reserve(tmp_path / "reserve", 4 * KIB)
    reserve.path.write_bytes(b"cut short")
    assert reserve.restore()
    assert reserve.path.stat().st_size == 4 * KIB


def test_without_a_folder_there_is_no_reserve(tmp_path):
    assert not Reserve(tmp_path / "gone" / "reserve", 4 * KIB).restore()


def test_on_a_small_disk_the_reserve_is_an_eighth(small_disk):
    disk = small_disk(4096)
    reserve = Reserve(disk / "reserve")
    assert reserve.restore()
    assert reserve.path.stat().st_size == 512 * KIB


def test_the_reserve_leaves_as_much_again_free(small_disk):
    disk = small_disk(4096)
    (disk / "ballast").write_bytes(b"x" * (4096 - 2 * 512 + 4) * KIB)
    reserve = Reserve(disk / "reserve")
    assert not reserve.restore()
    assert not reserve.present
    (disk / "ballast").unlink()
    assert reserve.restore()


# --- the day the disk is full --------------------------------------------------------------------------------------


@pytest.fixture
def full(small_disk):
    """A store with a reserve on a disk that something else has filled."""
    disk = small_disk(4096)
    reserve = Reserve(disk / "reserve")
    assert reserve.restore()
    with Database.open(disk / "x.db", create=True, reserve=reserve) as database:
        database.write(put("before"))
        fill(disk)
        yield database, reserve, disk


def test_a_write_to_a_full_disk_uses_the_reserve_and_succeeds(full):
    database, reserve, _ = full
    database.write(put("x" * 20_000))
    assert not reserve.present
    for size in range(1_001, 1_021):
        database.write(put("x" * size))
    assert database.read(lambda conn: meta.get(conn, "k1020")) == "x" * 1_020
    assert database.quick_check() is None


def test_the_body_runs_twice_at_most_and_leaves_nothing_twice(full):
    database, _, _ = full
    runs = []

    def body(conn):
        runs.append(1)
        conn.execute("INSERT INTO meta (key, value) VALUES ('once', ?)", (f'"{"x" * 30_000}"',))

    database.write(body)
    assert runs == [1, 1]


def test_when_even_the_reserve_is_not_enough_it_is_said_and_nothing_is_half_done(full):
    database, reserve, disk = full
    reserve.release()
    fill(disk)

    def body(conn):
        meta.put(conn, "half", 1)
        meta.put(conn, "whole", "x" * 50_000)

    with pytest.raises(StoreFull, match="full"):
        database.write(body)
    assert database.read(lambda conn: meta.with_prefix(conn, "")) == {"k6": "before"}


def test_when_space_returns_everything_works_again(full):
    database, reserve, disk = full
    reserve.release()
    fill(disk)
    with pytest.raises(StoreFull):
        database.write(put("x" * 50_000))
    assert not reserve.restore()
    (disk / "ballast").unlink()
    database.write(put("x" * 50_000))
    assert reserve.restore()
    assert database.quick_check() is None


def test_a_store_on_a_full_disk_can_be_opened_by_giving_up_the_reserve(full):
    database, reserve, disk = full
    database.close()
    fill(disk)
    with Database.open(disk / "x.db", reserve=reserve) as again:
        assert again.read(lambda conn: meta.get(conn, "k6")) == "before"
    assert not reserve.present


def test_a_new_store_does_not_fit_on_a_full_disk(small_disk):
    disk = small_disk(256)
    fill(disk)
    with pytest.raises(StoreFull):
        Database.open(disk / "x.db", create=True)
