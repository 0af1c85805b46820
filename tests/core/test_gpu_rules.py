"""GPU rules: one look (and what came before it) in, what is observed of each condition out."""

from dataclasses import replace

import pytest

from agent.core import gpu_history, gpu_rules
from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.conditions import MISSING
from agent.core.gpu import GpuIdentity, GpuProcess, GpuReading
from agent.core.gpu_history import GpuHistory
from agent.core.gpu_rule import Wish
from agent.core.model import AlertType, Severity

NOW = 1_790_000_000_000
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL
H100 = GpuIdentity(
    "GPU-1", 3, "0000:05:00", "NVIDIA H100", slowdown=89, memory_limit=95, slowdown_margin=-2, row_remapping=True
)
GIB = 1 << 30
WELL = GpuReading(
    H100, memory_total=80 * GIB, memory_reserved=600 << 20, memory_used=10 * GIB, utilization=0.97, temperature=60,
    memory_temperature=70, margin=27, reasons=0x004, ecc={"corrected_volatile": 0, "uncorrected_volatile": 0},
    remapped={"corrected": 0, "uncorrected": 0, "pending": 0, "failed": 0}, retired_pages=0, retired_pending=False,
    recovery_action=0, pcie_width=16, pcie_max_width=16, pcie_replays=0, links=(True,) * 18,
    link_errors={"replay": 0, "crc_flit": 0, "crc_data": 0, "recovery": 0}, processes=(GpuProcess(77, 10 * GIB),),
)  # fmt: skip


def history(*looks):
    """What is known after looks, as (milliseconds ago, reading)."""
    state = GpuHistory()
    for ago, reading in looks:
        state = gpu_history.follow(state, reading, NOW - ago)
    return state


def observed(reading, past=None, **options):
    past = gpu_history.follow(history((10 * SECOND, WELL)) if past is None else past, reading, NOW)
    seen = gpu_rules.look(reading, past, NOW, "node-1", **options)
    return {item.condition.identity["rule"]: item for item in seen}


def test_a_healthy_gpu_at_full_load_raises_nothing():
    seen = observed(WELL)

    assert {item.observed for name, item in seen.items() if name not in ("ecc_corrected", "pcie_replay")} == {None}
    assert seen.keys() == gpu_rules.RULES.keys()


def test_a_device_that_answers_little_is_never_called_well_or_ill():
    bare = GpuReading(H100, temperature=50)
    seen = observed(replace(bare, gpu=replace(H100, slowdown_margin=None, memory_limit=None)), GpuHistory())

    missing = {name for name, item in seen.items() if item.observed is MISSING}
    assert {"thermal_margin", "hw_thermal", "ecc_uncorrected", "remap_failed", "nvlink_down", "pcie_width"} <= missing
    assert {item.observed for item in seen.values()} == {None, MISSING}


@pytest.mark.parametrize(
    ("rule", "change", "severity"),
    [
        ("gpu_reset_required", {"recovery_action": 1}, CRITICAL),
        ("gpu_reset_required", {"recovery_action": 3}, WARNING),
        ("gpu_reset_required", {"recovery_action": 9}, CRITICAL),
        ("thermal_margin", {"margin": -3}, CRITICAL),
        ("thermal_margin", {"margin": 0}, None),
        ("temperature", {"temperature": 85}, None),
        ("temperature", {"temperature": 86}, WARNING),
        ("temperature", {"temperature": 89}, CRITICAL),
        ("memory_temperature", {"memory_temperature": 96}, WARNING),
        ("hw_slowdown", {"reasons": 0x00C}, WARNING),
        ("sw_thermal", {"reasons": 0x020}, WARNING),
        ("hw_thermal", {"reasons": 0x040}, WARNING),
        ("power_brake", {"reasons": 0x084}, CRITICAL),
        ("remap_failed", {"remapped": {"pending": 0, "failed": 1}}, CRITICAL),
        ("remap_pending", {"remapped": {"pending": 1, "failed": 0}}, WARNING),
        ("retired_pending", {"retired_pending": True}, WARNING),
        ("retired_pages", {"retired_pages": 11}, WARNING),
        ("retired_pages", {"retired_pages": 10}, None),
        ("gpu_memory_orphan", {"processes": ()}, WARNING),
        ("gpu_memory_orphan", {"processes": (), "memory_used": 400 << 20}, None),
        ("gpu_memory_orphan", {"processes": None}, MISSING),
        ("nvlink_down", {"links": (True,) * 7 + (False,) + (True,) * 10}, CRITICAL),
        ("pcie_width", {"pcie_width": 8}, WARNING),
        ("pcie_width", {"pcie_width": 8, "utilization": 0.0}, MISSING),
    ],
)
def test_one_look_is_judged(rule, change, severity):
    assert observed(replace(WELL, **change))[rule].observed == severity


def test_the_limits_of_a_device_that_tells_none_are_the_rules_own():
    bare = replace(WELL, gpu=replace(H100, slowdown=None), temperature=90)

    assert observed(bare)["temperature"].observed is WARNING
    assert observed(replace(bare, temperature=89))["temperature"].observed is None


def test_heat_is_over_only_two_degrees_lower():
    firing = {"firing": lambda _: WARNING}

    assert observed(replace(WELL, temperature=85), **firing)["temperature"].observed is WARNING
    assert observed(replace(WELL, temperature=84), **firing)["temperature"].observed is None


def test_hardware_heat_of_half_an_hour_is_critical():
    hot = replace(WELL, reasons=0x040)
    past = history(*((ago * MINUTE, hot) for ago in range(31, 0, -1)))

    assert observed(hot, past)["hw_thermal"].observed is CRITICAL
    assert observed(hot, history((29 * MINUTE, WELL), (28 * MINUTE, hot)))["hw_thermal"].observed is WARNING


@pytest.mark.parametrize(
    ("code", "looks", "on_bus", "severity"),
    [
        (15, 1, True, CRITICAL),
        (999, 2, False, MISSING),
        (999, 3, False, CRITICAL),
        (999, 3, True, MISSING),
        (999, 3, None, MISSING),
        (6, 3, False, CRITICAL),
        (6, 3, None, CRITICAL),
        (6, 3, True, MISSING),
    ],
)
def test_a_lost_gpu_is_named_from_when_it_answered(code, looks, on_bus, severity):
    silent = GpuReading(H100, trouble=code, on_bus=on_bus)
    past = history((60_000, WELL), *(((looks - place) * 10_000, silent) for place in range(1, looks)))
    item = observed(silent, past)["gpu_lost"]

    assert item.observed == severity
    assert item.condition.type is AlertType.GPU_ERROR
    assert item.condition.gpu == {"index": 3, "uuid": "GPU-1", "name": "NVIDIA H100"}
    if severity is CRITICAL:
        assert item.condition.message.startswith("GPU 3 (NVIDIA H100, 0000:05:00) ")


def test_a_device_that_does_not_answer_says_nothing_about_its_other_conditions():
    silent = {"gpu_lost", "gpu_reset_required", "gpu_trouble", "gpu_silent"}

    assert observed(GpuReading(H100, trouble=15)).keys() == silent


def test_a_gpu_that_is_still_starting_is_given_time():
    item = observed(GpuReading(H100, trouble=27))["gpu_silent"]

    assert (item.observed, item.for_ms) == (WARNING, 2 * MINUTE)


@pytest.mark.parametrize(("code", "words"), [(8, "has no power"), (11, "cannot be reached")])
def test_hardware_that_is_out_of_order_is_critical_at_once(code, words):
    item = observed(GpuReading(H100, trouble=code))["gpu_trouble"]

    assert (item.observed, item.condition.type, item.for_ms) == (CRITICAL, AlertType.GPU_ERROR, 0)
    assert words in item.condition.message


def test_what_the_kernel_said_counts_until_the_gpu_surely_answers_again():
    fresh = replace(history((60_000, WELL)), lost_at=NOW - 5_000)

    assert observed(WELL, fresh)["gpu_lost"].observed is CRITICAL  # that look may have begun before
    assert observed(WELL, replace(fresh, lost_at=NOW - MINUTE))["gpu_lost"].observed is None


def test_memory_whose_owners_are_dead_is_held_by_nobody():
    dead = GpuProcess(77, 10 * GIB, "python", dead=True)

    assert observed(replace(WELL, processes=(dead,)))["gpu_memory_orphan"].observed is WARNING
    assert observed(replace(WELL, processes=(dead, GpuProcess(78))))["gpu_memory_orphan"].observed is None


@pytest.mark.parametrize(
    ("rule", "bad", "between", "well"),
    [
        ("memory_temperature", {"memory_temperature": 96}, {"memory_temperature": 94}, {"memory_temperature": 93}),
        ("gpu_idle_in_job", {"utilization": 0.04}, {"utilization": 0.09}, {"utilization": 0.1}),
    ],
)
def test_a_limit_is_left_at_another_value_than_it_is_reached(rule, bad, between, well):
    assert observed(replace(WELL, **bad), in_job=True)[rule].observed is WARNING
    assert observed(replace(WELL, **between), in_job=True)[rule].observed is None
    firing = {"firing": lambda _: WARNING, "in_job": True}
    assert observed(replace(WELL, **between), **firing)[rule].observed is WARNING
    assert observed(replace(WELL, **well), **firing)[rule].observed is None


def test_what_is_normal_on_most_nodes_is_told_on_request_only():
    full = replace(WELL, memory_used=79 * GIB, gpu=replace(H100, persistence=False))

    assert not any(item.observed for item in observed(full).values() if item.observed is not MISSING)
    own = {name: rule.adjusted(Wish(severity=WARNING), name) for name, rule in gpu_rules.RULES.items()}
    seen = observed(full, rules=own)
    assert (seen["gpu_memory_high"].observed, seen["persistence_off"].observed) == (WARNING, WARNING)


def with_ecc(**counts):
    return replace(WELL, ecc={"corrected_volatile": 0, "uncorrected_volatile": 0} | counts)


def test_uncorrectable_errors_turn_critical_where_no_row_is_remapped_for_them():
    grown = with_ecc(uncorrected_volatile=2)
    remapped = replace(grown, remapped=WELL.remapped | {"uncorrected": 1})

    assert observed(grown)["ecc_uncorrected"].observed is WARNING
    assert observed(grown, history((4 * MINUTE, WELL), (3 * MINUTE, grown)))["ecc_uncorrected"].observed is CRITICAL
    assert observed(remapped, history((4 * MINUTE, WELL), (3 * MINUTE, grown), (MINUTE, remapped)))[
        "ecc_uncorrected"
    ].observed is WARNING
    assert observed(grown, history((63 * MINUTE, WELL), (62 * MINUTE, grown)))["ecc_uncorrected"].observed is None


def test_old_errors_found_at_the_start_are_no_news():
    assert observed(with_ecc(uncorrected_volatile=9), GpuHistory())["ecc_uncorrected"].observed is None


def test_corrected_errors_are_judged_by_their_rate():
    many = [(ago * MINUTE, with_ecc(corrected_volatile=(60 - ago) * 200)) for ago in range(60, 0, -1)]
    few = [(ago * MINUTE, with_ecc(corrected_volatile=(60 - ago) * 100)) for ago in range(60, 0, -1)]

    assert observed(with_ecc(corrected_volatile=12_000), history(*many))["ecc_corrected"].observed is WARNING
    assert observed(with_ecc(corrected_volatile=6_000), history(*few))["ecc_corrected"].observed is None


def test_a_counter_that_begins_anew_is_not_a_huge_number_of_errors():
    past = history((2 * MINUTE, replace(WELL, pcie_replays=5_000)))

    assert observed(replace(WELL, pcie_replays=3), past)["pcie_replay"].observed in (None, MISSING)
    state = gpu_history.follow(past, replace(WELL, pcie_replays=3), NOW)
    assert state.grown("pcie_replays", HOUR, NOW) == 3


def test_repeated_transfers_are_judged_by_the_minute():
    past = history((MINUTE, replace(WELL, pcie_replays=0)))

    assert observed(replace(WELL, pcie_replays=11), past)["pcie_replay"].observed is WARNING
    assert observed(replace(WELL, pcie_replays=10), past)["pcie_replay"].observed is None


def test_link_errors_and_recoveries_within_an_hour():
    def links(**counts):
        return replace(WELL, link_errors=WELL.link_errors | counts)

    past = history((50 * MINUTE, WELL))
    assert observed(links(replay=60, crc_flit=41), past)["nvlink_errors"].observed is WARNING
    assert observed(links(replay=60, crc_flit=40), past)["nvlink_errors"].observed is None
    assert observed(links(recovery=1), past)["nvlink_errors"].observed is WARNING


def test_an_idle_gpu_matters_only_in_a_job():
    idle = replace(WELL, utilization=0.04)

    assert observed(idle)["gpu_idle_in_job"].observed is None
    seen = observed(idle, in_job=True)["gpu_idle_in_job"]
    assert (seen.observed, seen.condition.type, seen.for_ms) == (WARNING, AlertType.GPU_IDLE, 15 * MINUTE)
    assert observed(WELL, in_job=True)["gpu_idle_in_job"].observed is None


def test_a_gpu_that_does_less_than_its_peers_is_told_to_who_wants_to_know():
    lazy = replace(WELL, utilization=0.1)
    rule = replace(gpu_rules.RULES["gpu_imbalance"], enabled=True)

    def seen(reading, peers):
        (found,) = gpu_rules.look(reading, GpuHistory(), NOW, "n1", rules={"gpu_imbalance": rule}, peers=peers)
        return found

    assert observed(lazy, peers=0.9)["gpu_imbalance"].observed is None
    assert seen(lazy, 0.9).observed is Severity.WARNING
    assert "is 10% busy, and the GPUs of its job are 90% busy" in seen(lazy, 0.9).condition.message
    assert seen(lazy, None).observed is None
    assert seen(lazy, 0.05).observed is MISSING
    assert seen(replace(WELL, utilization=0.5), 0.9).observed is None


def test_the_user_sets_numbers_severity_and_whether_a_rule_judges_at_all():
    own = {
        "retired_pages": replace(gpu_rules.RULES["retired_pages"], threshold=1, severity=CRITICAL),
        "temperature": replace(gpu_rules.RULES["temperature"], enabled=False),
    }
    seen = observed(replace(WELL, retired_pages=2, temperature=95), rules=own)

    assert {name: item.observed for name, item in seen.items()} == {"retired_pages": CRITICAL, "temperature": None}


def test_the_past_is_bounded():
    state = GpuHistory()
    for second in range(0, 3 * HOUR // SECOND, 10):
        state = gpu_history.follow(state, WELL, NOW + second * SECOND)

    assert len(state.counted) <= 63
    assert state.counted[-1].at == NOW + 3 * HOUR - 10 * SECOND
