"""When an agent was alive, and what the disks looked like meanwhile."""

from agent.core.clock import HOUR, MINUTE
from agent.core.disk import DiskReading
from agent.core.disk_past import Room
from agent.store import disk_hours, lives
from agent.store.retention import retain

NOW = 1_790_000_000_000
TOP = NOW - NOW % HOUR


def test_a_life_goes_on_until_its_last_sign(conn):
    for at in range(0, 5 * MINUTE, MINUTE):
        lives.note(conn, NOW, NOW + at)
    lives.note(conn, NOW + HOUR, NOW + HOUR)
    assert lives.between(conn, 0, NOW + 2 * HOUR) == [(NOW, NOW + 4 * MINUTE), (NOW + HOUR, NOW + HOUR)]
    assert lives.first(conn) == NOW


def test_lives_that_only_touch_a_period_belong_to_it(conn):
    lives.note(conn, NOW, NOW + HOUR)
    assert lives.between(conn, NOW + HOUR, NOW + 2 * HOUR) == [(NOW, NOW + HOUR)]
    assert lives.between(conn, NOW - HOUR, NOW) == []


def test_the_last_life_before_a_period_is_told_too(conn):
    for began in (NOW, NOW + HOUR, NOW + 3 * HOUR):
        lives.note(conn, began, began + MINUTE)
    assert lives.between(conn, NOW + 2 * HOUR, NOW + 3 * HOUR) == [(NOW + HOUR, NOW + HOUR + MINUTE)]
    assert [began for began, _ in lives.between(conn, NOW + 2 * HOUR, NOW + 4 * HOUR)] == [NOW + HOUR, NOW + 3 * HOUR]


def test_a_clock_that_was_set_back_makes_no_life_end_before_it_began(conn):
    lives.note(conn, NOW, NOW - HOUR)
    assert lives.between(conn, 0, NOW + 1) == [(NOW, NOW)]


def test_nobody_lived_before_the_first_start(conn):
    assert lives.first(conn) is None


def disk(mountpoint, used, free):
    return DiskReading(mountpoint, "/dev/sda1", "ext4", used, free, 1 << 40, None, False, files_free=7)


def test_of_each_hour_the_last_look_counts(conn):
    disk_hours.save(conn, [disk("/data", 80.0, 200), disk("/sc\udcffratch", 10.0, 900)], TOP)
    disk_hours.save(conn, [disk("/data", 81.0, 190)], TOP + 50 * MINUTE)
    disk_hours.save(conn, [disk("/data", 82.0, 180)], TOP + HOUR)
    found = disk_hours.rooms(conn, TOP, TOP + 2 * HOUR)
    assert found["/data"] == [(81.0, Room(TOP, 190, 7)), (82.0, Room(TOP + HOUR, 180, 7))]
    assert "/sc\\udcffratch" in found


def test_what_is_old_is_forgotten(conn):
    lives.note(conn, NOW, NOW)
    disk_hours.save(conn, [disk("/data", 80.0, 200)], NOW)
    assert retain(conn, NOW + 3 * HOUR, HOUR, 1_000) == 2
    assert lives.first(conn) is None
