"""Rules about file systems: percentages as `df` counts them, limits, and the texts people read."""

import pytest

from agent.core import disk_rules
from agent.core.conditions import ConditionState, TransitionKind
from agent.core.disk_rules import DiskLimits, DiskReading
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
    told = []
    for second, disks in timeline:
        states, changes = disk_rules.advance(states, disks, limits or DiskLimits(), NODE, second * 1000)
        told += [(condition, change.kind, change.severity, second) for condition, change in changes]
    return told


def changes(told: list[tuple[Condition, TransitionKind, Severity, int]]) -> list[tuple[str, str, str, int]]:
    return [(condition.identity["rule"], kind, str(severity), at) for condition, kind, severity, at in told]


def test_percentages_are_those_of_df() -> None:
    (reading,) = disk_rules.readings(
        samples(size_bytes=1000, free_bytes=150, avail_bytes=100, files=200, files_free=50, readonly=0)
    )
    assert reading.used_percent == pytest.approx(100 * 850 / 950)
    assert reading.free_bytes == 100
    assert reading.inodes_used_percent == 75
    assert not reading.readonly


def test_a_file_system_without_fixed_inodes_has_no_inode_percentage() -> None:
    (reading,) = disk_rules.readings(samples(size_bytes=10, free_bytes=5, avail_bytes=5, files=0, files_free=0))
    assert reading.inodes_used_percent is None


def test_incomplete_and_foreign_samples_are_left_out() -> None:
    stray = [Sample("collect_success", 1, {"collector": "disk"}), *samples("/x", files=1, device_error=1)]
    assert disk_rules.readings(stray) == ()


def test_a_file_system_of_no_size_is_not_full() -> None:
    (reading,) = disk_rules.readings(samples(size_bytes=0, free_bytes=0, avail_bytes=0))
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


def test_other_conditions_are_left_alone() -> None:
    other = ConditionState(pending_since=5)
    states, _ = disk_rules.advance({"other": other}, [disk(10)], DiskLimits(), NODE, 0)
    assert states["other"] is other


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
