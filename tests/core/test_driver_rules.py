"""Rules about the GPU driver: its state and what hangs in, what is observed out."""

from dataclasses import replace

import pytest

from agent.core import driver_rules
from agent.core.clock import MINUTE
from agent.core.conditions import MISSING
from agent.core.gpu import DriverState, GpuDriver, GpuIdentity, GpuReading
from agent.core.model import AlertType, Severity


def gpus(count):
    return [GpuReading(GpuIdentity(f"GPU-{n}", n, f"0000:0{n}:00", "NVIDIA H100")) for n in range(count)]


def observed(driver, readings=(), **options):
    seen = driver_rules.look(driver, readings, "node-1", **options)
    return {item.condition.identity["rule"]: item for item in seen}


def test_a_driver_that_runs_with_all_its_gpus_raises_nothing():
    seen = observed(GpuDriver(DriverState.RUNNING, on_bus=8), gpus(8), expected=8)

    assert {item.observed for item in seen.values()} == {None}


@pytest.mark.parametrize(
    ("on_bus", "counted", "expected", "words"),
    [
        (8, 7, None, "The driver names 7 GPUs, but 8 are on the PCI bus."),
        (None, 7, 8, "The driver names 7 GPUs, but 8 are configured."),
        (7, None, 8, "The driver names 7 GPUs, but 8 are configured."),
        (7, 8, None, "The driver names 7 GPUs, but 8 are counted by it."),
    ],
)
def test_a_missing_gpu_is_seen_by_bus_driver_or_configuration(on_bus, counted, expected, words):
    driver = GpuDriver(DriverState.RUNNING, on_bus=on_bus, counted=counted)
    item = observed(driver, gpus(7), expected=expected)["gpu_count"]

    assert (item.observed, item.condition.message) == (Severity.CRITICAL, words)
    assert item.condition.type is AlertType.GPU_ERROR


def test_without_a_driver_gpus_cannot_be_counted():
    assert observed(GpuDriver(DriverState.LOST), (), expected=8)["gpu_count"].observed is MISSING


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        (DriverState.MISMATCH, "driver_mismatch"),
        (DriverState.LOST, "driver_lost"),
        (DriverState.FORBIDDEN, "driver_forbidden"),
        (DriverState.WAITING, "driver_not_loaded"),
    ],
)
def test_every_bad_state_has_its_rule(state, rule):
    seen = observed(GpuDriver(state, detail="the reason"))

    assert {name for name, item in seen.items() if item.observed is Severity.WARNING} == {rule}
    assert seen[rule].condition.message == "The GPU driver cannot be used: the reason."


def test_a_driver_may_take_its_time_to_be_loaded():
    assert observed(GpuDriver(DriverState.WAITING))["driver_not_loaded"].for_ms == 10 * MINUTE


def test_a_hang_is_critical_and_says_where_and_nothing_else_is_known_meanwhile():
    seen = observed(GpuDriver(DriverState.HUNG, detail="GPU 3: no answer within 30 s"))

    told = seen.pop("driver_unresponsive")
    assert told.observed is Severity.CRITICAL
    assert told.condition.message == "A call into the GPU driver did not return: GPU 3: no answer within 30 s."
    assert seen.pop("gpus_gone").observed is None
    assert {item.observed for item in seen.values()} == {MISSING}


def test_that_all_gpus_are_gone_is_critical_and_said_once():
    seen = observed(GpuDriver(DriverState.LOST, code=28))

    assert {name: item.observed for name, item in seen.items() if isinstance(item.observed, Severity)} == {
        "gpus_gone": Severity.CRITICAL
    }


def test_a_rule_that_is_off_says_that_nothing_is_wrong():
    off = {name: replace(rule, enabled=False) for name, rule in driver_rules.RULES.items()}

    assert {item.observed for item in observed(GpuDriver(DriverState.MISMATCH), rules=off).values()} == {None}


def test_a_driver_that_was_let_go_on_request_is_not_judged():
    assert observed(GpuDriver(DriverState.PAUSED), expected=8) == {}
