"""Rules about file systems: percentages as `df` counts them, limits, and the texts people read."""

import pytest

from agent.core import disk_rules, episodes
from agent.core.conditions import ConditionState, TransitionKind
from agent.core.disk import DiskFault, DiskReading, readings, troubles
from agent.core.disk_past import DiskPast
from agent.core.disk_rules import DiskLimits
from agent.core.episodes import Condition
from agent.core.model import Sample, Severity

GIB = 2**30
NODE = "node-1"


def samples(mountpoint: str = "/data", **values: float) -> list[Sample]:
    labels = {"mountpoint": mountpoint, "device": "/dev/sdb1", "fstype": "ext4"}
    return [Sample(f"filesystem_{name}", value, labels) for name, value in values.items()]


def disk(used: float, mountpoint: str = "/data", *, inodes: float | None = 1.0, readonly: bool = False) -> DiskReading:
    free = int((100 - used) * GIB)
    return DiskReading(mountpoint, "/dev/sdb1", "ext4", used, free, 100 * GIB, inodes, readonly)


def follow(
    timeline: list[tuple[int, list[DiskReading]]], limits: DiskLimits | None = None
) -> list[tuple[Condition, TransitionKind, Severity, int]]:
    """Walk a timeline of (second, readings); every change with its second."""
    states: dict[str, ConditionState] = {}
    past: dict[str, DiskPast] = {}
    told = []
    for second, disks in timeline:
        past = disk_rules.past(past, disks, second * 1000)

        def firing(mark: str, states: dict[str, ConditionState] = states) -> Severity | None:
            return states[mark].severity if mark in states and states[mark].firing else None

        seen = [
            item
            for disk in disks
            for item in disk_rules.look(disk, past[disk.mountpoint], limits or DiskLimits(), NODE, firing)
        ]
        states, changes = episodes.advance(states, seen, second * 1000)
        told += [(condition, change.kind, change.severity, second) for condition, change in changes]
    return told


def changes(told: list[tuple[Condition, TransitionKind, Severity, int]]) -> list[tuple[str, str, str, int]]:
    return [(condition.identity["rule"], kind, str(severity), at) for condition, kind, severity, at in told]


def test_percentages_are_those_of_df() -> None:
    (reading,) = readings(
        samples(size_bytes=1000, free_bytes=150, avail_bytes=100, files=200, files_free=50, readonly=0)
    )
    assert reading.used_percent == pytest.approx(100 * 850 / 950)
    assert reading.free_bytes == 100
    assert reading.inodes_used_percent == 75
    assert not reading.readonly


def test_a_file_system_without_fixed_inodes_has_no_inode_percentage() -> None:
    (reading,) = readings(samples(size_bytes=10, free_bytes=5, avail_bytes=5, files=0, files_free=0))
    assert reading.inodes_used_percent is None


def test_incomplete_and_foreign_samples_are_left_out() -> None:
    stray = [Sample("collect_success", 1, {"collector": "disk"}), *samples("/x", files=1, device_error=1)]
    assert readings(stray) == ()


def test_a_file_system_of_no_size_is_not_full() -> None:
    (reading,) = readings(samples(size_bytes=0, free_bytes=0, avail_bytes=0))
    assert reading.used_percent == 0


def test_a_disk_that_fills_warns_then_is_critical_then_recovers() -> None:
    fills = [(0, [disk(91)]), (60, [disk(92)]), (90, [disk(97.5)]), (120, [disk(95)]), (150, [disk(80)]),
             (270, [disk(80)])]
    assert changes(follow(fills)) == [
        ("disk_space", "fired", "warning", 60),
        ("disk_space", "escalated", "critical", 90),
        ("disk_space", "resolved", "critical", 270),
    ]


def test_a_pending_warning_gets_no_benefit_of_hysteresis() -> None:
    assert follow([(0, [disk(90)]), (30, [disk(89)]), (60, [disk(89)]), (120, [disk(89)])]) == []


def test_inodes_are_judged_apart_from_space() -> None:
    told = follow([(0, [disk(10, inodes=98)]), (60, [disk(10, inodes=98)])])
    assert changes(told) == [("inodes", "fired", "critical", 60)]
    assert told[0][0].title == "Inodes 98 % used: /data"
    assert told[0][0].advice is not None


@pytest.mark.parametrize("inodes", [98.0, None])
def test_inodes_may_be_off_or_unknown(inodes: float | None) -> None:
    limits = DiskLimits(inodes=inodes is None, for_ms=0)
    assert follow([(0, [disk(10, inodes=inodes)])], limits) == []


def test_an_absent_mount_keeps_its_episode() -> None:
    told = follow([(0, [disk(95)]), (60, [disk(95)]), (100, []), (9000, []), (9010, [disk(95)])])
    assert changes(told) == [("disk_space", "fired", "warning", 60)]


def test_one_mount_says_nothing_about_another() -> None:
    told = follow([(0, [disk(95, "/a"), disk(50, "/b")]), (60, [disk(95, "/a"), disk(50, "/b")])])
    assert [condition.identity["mountpoint"] for condition, *_ in told] == ["/a"]


def test_a_read_only_file_system_cannot_fill() -> None:
    assert follow([(0, [disk(100, readonly=True)]), (600, [disk(100, readonly=True)])]) == []


def test_the_texts_say_what_where_and_how_much() -> None:
    ((condition, *_),) = follow([(0, [disk(92.7)])], DiskLimits(for_ms=0))
    assert condition.title == "Disk 92 % full: /data"
    assert condition.message == (
        "/data (ext4 on /dev/sdb1): 92 % used, 7.3 GiB of 100.0 GiB free; the limit is 90 %."
    )
    assert condition.disk == {
        "mountpoint": "/data", "used_percent": 92.7, "free_bytes": int(7.3 * GIB), "full_in_seconds": None,
    }


def test_a_percentage_is_never_rounded_up_to_a_limit() -> None:
    (low, high) = (disk_rules.describe(disk(used), "disk_space", used, DiskLimits(), NODE) for used in (96.99, 97.0))
    assert "96 %" in low.title
    assert "the limit is 90 %" in low.message
    assert "the limit is 97 %" in high.message


# --- trend ---------------------------------------------------------------------------------------------------------

HOUR = 3_600


def filling(start: float, per_hour: float, hours: float, *, saw: float = 0.0) -> list[tuple[int, list[DiskReading]]]:
    """A look every five minutes; with `saw`, every second hour so many percent are used more."""
    looks = []
    for second in range(0, int(hours * HOUR), 300):
        extra = saw if second // HOUR % 2 else 0.0
        looks.append((second, [disk(start + per_hour * second / HOUR + extra)]))
    return looks


def test_a_disk_that_will_be_full_within_a_day_is_foreseen() -> None:
    told = follow(filling(62, 2, 4))

    assert changes(told) == [("disk_filling", "fired", "warning", 3 * HOUR)]
    condition = told[0][0]
    assert condition.message == (
        "/data (ext4 on /dev/sdb1) has 32% of its space left; at the rate of the last hours it is full in 15h 59m."
    )
    assert condition.disk["full_in_seconds"] == pytest.approx(16 * HOUR, rel=0.01)


def test_one_that_fills_within_four_hours_is_critical() -> None:
    told = follow(filling(81, 5, 3.4), DiskLimits(warn_percent=99, critical_percent=100))

    assert changes(told) == [("disk_filling", "fired", "critical", 3 * HOUR)]


@pytest.mark.parametrize(
    ("start", "per_hour", "saw"), [(30, 2, 0.0), (62, 0.5, 0.0), (62, 0.0, 0.0), (62, -1, 0.0), (62, 0.0, 20.0)]
)
def test_what_is_roomy_slow_steady_or_a_saw_is_not_foreseen(start: float, per_hour: float, saw: float) -> None:
    assert follow(filling(start, per_hour, 8, saw=saw)) == []


def test_a_forecast_can_be_turned_off_and_ends_when_room_is_made() -> None:
    assert follow(filling(62, 2, 4), DiskLimits(forecast=False)) == []
    looks = filling(62, 2, 4)
    after = [(second + 4 * HOUR, [disk(20)]) for second in range(0, HOUR, 300)]
    assert [change[:2] for change in changes(follow([*looks, *after]))] == [
        ("disk_filling", "fired"), ("disk_filling", "resolved"),
    ]  # fmt: skip


# --- trouble -------------------------------------------------------------------------------------------------------


def test_a_disk_that_turns_read_only_is_critical_and_one_that_always_was_is_nothing() -> None:
    assert changes(follow([(0, [disk(50)]), (30, [disk(50, readonly=True)]), (60, [disk(50)])])) == [
        ("disk_readonly", "fired", "critical", 30), ("disk_readonly", "resolved", "critical", 60),
    ]  # fmt: skip
    assert follow([(0, [disk(50, readonly=True)]), (30, [disk(50, readonly=True)])]) == []


def test_a_mount_that_does_not_answer_is_a_warning_after_three_tries() -> None:
    labels = {"mountpoint": "/nfs", "device": "host:/x", "fstype": "nfs4"}
    (early,) = troubles([Sample("filesystem_unresponsive_seconds", 5, labels)])
    (late,) = troubles([Sample("filesystem_unresponsive_seconds", 20, labels)])

    assert [item.observed for item in disk_rules.look_at_trouble(early, NODE)] == [None]
    (seen,) = disk_rules.look_at_trouble(late, NODE)
    assert seen.observed is Severity.WARNING
    assert seen.condition.message == (
        "/nfs (nfs4 on host:/x) has not answered for 20s. Whatever reads or writes there hangs."
    )
    answers = disk_rules.look(disk(10, "/nfs"), DiskPast(), DiskLimits(), NODE, lambda _: None)
    mark = seen.condition.fingerprint
    assert [item.observed for item in answers if item.condition.fingerprint == mark] == [None]


def test_an_error_of_the_device_is_critical() -> None:
    labels = {"mountpoint": "/data", "device": "/dev/sdb1", "fstype": "ext4", "error": "Input/output error"}
    (trouble,) = troubles([Sample("filesystem_device_error", 1, labels)])
    seen = {item.condition.identity["rule"]: item for item in disk_rules.look_at_trouble(trouble, NODE)}

    assert seen["disk_io"].observed is Severity.CRITICAL
    assert seen["disk_io"].condition.message == "/data (ext4 on /dev/sdb1) cannot be read: Input/output error."


@pytest.mark.parametrize(
    ("device", "mounted", "same"),
    [
        ("sda1", "/dev/sda1", True),
        ("sda", "/dev/sda1", True),
        ("sda1", "/dev/sda12", False),
        ("sda", "/dev/sdab1", False),
        ("nvme0", "/dev/nvme0n1p2", True),
        ("nvme0n1", "/dev/nvme0n1p2", True),
        ("nvme0", "/dev/nvme01n1", False),
        ("mapper/vg-root", "/dev/mapper/vg-root", True),
    ],
)
def test_what_the_kernel_says_of_a_device_concerns_its_parts(device, mounted, same):
    assert DiskFault(device, "", 0).concerns(mounted) is same
