"""What a finished log comes to."""

from dataclasses import replace

import pytest

from agent.core.facts import FindingKind, Progress, Role
from agent.core.incidents import BUFFERED
from agent.core.job import JobState
from agent.core.model import Severity
from agent.core.patterns import Marker
from agent.core.verdict import CAUSE_WITHIN, Begun, Contents, judge
from tests.core.values import finding


def at(step, total=100, **changes):
    return Progress(step=step, total=total, **changes)


def oom(**changes):
    return finding(text="CUDA out of memory", **changes)


def crash(**changes):
    return finding(**({"kind": FindingKind.CRASH, "text": "ValueError: no"} | changes))


def nan(**changes):
    return finding(**({"kind": FindingKind.NAN_LOSS, "text": "loss nan", "severity": Severity.WARNING} | changes))


def cancelled(**changes):
    values = {"kind": FindingKind.CANCELLED, "text": "KeyboardInterrupt", "severity": Severity.INFO}
    return finding(**(values | changes))


def summary(**changes):
    values = {"kind": FindingKind.CRASH, "text": "ChildFailedError", "doubt": 1, "final": True}
    return finding(**(values | changes))


def marker(kind=FindingKind.COMPLETED, **changes):
    return finding(**({"kind": kind, "role": Role.MARKER, "text": "marker", "severity": Severity.INFO} | changes))


def started(**changes):
    return marker(FindingKind.STARTED, **changes)


def verdict(*findings, progress=None, size=None, **more):
    """Judge findings that stand 100 bytes apart."""
    placed = tuple(replace(item, offset=100 * number) for number, item in enumerate(findings))
    length = size if size is not None else 100 * len(findings)
    return judge(Contents(placed, progress=progress or Progress(), size=length, **more))


def short(result):
    return result.state, result.reason


FAILED, COMPLETED, CANCELLED, UNKNOWN = JobState.FAILED, JobState.COMPLETED, JobState.CANCELLED, JobState.UNKNOWN
OOM, CRASH, NAN = FindingKind.GPU_OOM, FindingKind.CRASH, FindingKind.NAN_LOSS


def test_a_log_without_findings_says_nothing_of_its_end():
    assert short(verdict(progress=at(50))) == (UNKNOWN, None)


def test_a_full_last_bar_is_an_end():
    assert short(verdict(progress=at(100), full=True)) == (COMPLETED, None)


def test_a_marker_is_an_end_unless_another_run_follows():
    assert short(verdict(started(), marker())) == (COMPLETED, None)
    assert short(verdict(marker(), started())) == (UNKNOWN, None)
    assert short(verdict(marker(), begun=[Begun(50, at(1))])) == (UNKNOWN, None)


def test_an_error_at_the_end_is_the_reason():
    assert short(verdict(oom(progress=at(40)), progress=at(40))) == (FAILED, OOM)


def test_steps_beyond_an_error_prove_that_it_was_survived():
    result = verdict(oom(progress=at(40)), progress=at(42))
    assert short(result) == (UNKNOWN, None)
    (item,) = result.findings
    assert (item.severity, item.facts) == (Severity.INFO, {"recovered": True})


def test_a_survived_error_is_not_the_cause_of_a_later_one():
    result = verdict(oom(progress=at(100)), crash(progress=at(500)), progress=at(500))
    assert short(result) == (FAILED, CRASH)
    assert [item.severity for item in result.findings] == [Severity.INFO, Severity.CRITICAL]


def test_a_program_that_begins_again_with_a_smaller_batch_has_survived():
    result = verdict(oom(progress=at(40)), progress=at(30, 200), begun=[Begun(0, at(0)), Begun(50, at(0, 200))])
    assert short(result) == (UNKNOWN, None)


def test_a_fatal_end_overrules_order():
    # Standard output was buffered: all its steps stand behind what ended the run.
    uncaught = oom(facts={"uncaught": True})
    assert short(verdict(uncaught, summary(), progress=at(60))) == (FAILED, OOM)
    assert short(verdict(uncaught, progress=at(60))) == (FAILED, OOM)


def test_an_uncaught_error_far_before_the_end_was_another_programs():
    result = verdict(crash(facts={"uncaught": True}), progress=at(60), size=BUFFERED + 1)
    assert short(result) == (UNKNOWN, None)


def test_what_a_launcher_reports_is_looked_for_before_the_steps_that_were_printed_late():
    # The ranks' output is written out one after the other, so the second seems to begin again.
    first = crash(facts={"uncaught": True}, progress=at(60))
    result = verdict(first, summary(), progress=at(60), begun=[Begun(50, at(1))])
    assert short(result) == (FAILED, CRASH)
    far = judge(
        Contents(
            (first, summary(offset=CAUSE_WITHIN + 200)), (Begun(150, at(1)),), at(60), size=CAUSE_WITHIN + 300
        )
    )
    assert short(far) == (FAILED, CRASH)


def test_a_run_that_failed_before_the_last_is_past():
    first = (started(), crash(progress=at(40), facts={"uncaught": True}), summary(progress=at(40)))
    assert short(verdict(*first, started(), progress=at(90))) == (UNKNOWN, None)
    assert short(verdict(*first, started(), marker(), progress=at(100))) == (COMPLETED, None)
    assert short(verdict(*first, started(), oom(progress=at(45)), progress=at(45))) == (FAILED, OOM)


def test_a_start_that_is_printed_late_does_not_make_an_error_past():
    assert short(verdict(crash(facts={"uncaught": True}), started())) == (FAILED, CRASH)


def test_a_good_end_makes_a_caught_error_past():
    assert short(verdict(crash(doubt=2), marker())) == (COMPLETED, None)


@pytest.mark.parametrize("error", [crash(facts={"uncaught": True}), summary(), crash(doubt=1), crash()])
def test_some_programs_say_that_training_has_ended_however_it_ended(error):
    assert short(verdict(error, marker())) == (FAILED, CRASH)


def test_a_framework_says_so_only_of_a_good_end():
    end = marker(facts={"framework": "lightning"})
    assert short(verdict(oom(), end)) == (COMPLETED, None)
    assert short(verdict(oom(facts={"uncaught": True}), end)) == (FAILED, OOM)


def test_an_error_after_the_good_end_failed_the_rest_of_the_program():
    assert short(verdict(marker(), finding(kind=FindingKind.DISK_FULL))) == (FAILED, FindingKind.DISK_FULL)


def test_what_closing_down_says_changes_no_good_end():
    result = verdict(marker(), crash(doubt=2))
    assert short(result) == (COMPLETED, None)
    assert result.findings[-1].severity is Severity.INFO


def test_a_loss_that_is_no_number_is_told_though_the_run_came_to_its_end():
    assert short(verdict(nan(progress=at(40)), marker(), progress=at(100))) == (COMPLETED, NAN)
    assert short(verdict(nan(progress=at(40)), progress=at(90))) == (UNKNOWN, NAN)


def test_a_loss_that_is_a_number_again_was_a_passing_trouble():
    again = nan(role=Role.SURVIVABLE, facts={"recovered": True}, severity=Severity.INFO)
    result = verdict(nan(progress=at(40)), again, marker(), progress=at(100))
    assert short(result) == (COMPLETED, None)
    assert {item.severity for item in result.findings} == {Severity.INFO}


def test_a_loss_that_is_no_number_is_why_somebody_stops_a_run():
    assert short(verdict(nan(progress=at(40)), cancelled(progress=at(90)), progress=at(90))) == (CANCELLED, NAN)


def test_a_crash_long_after_a_loss_that_is_no_number_is_a_crash():
    assert short(verdict(nan(progress=at(40)), crash(progress=at(90)), progress=at(90))) == (FAILED, CRASH)


def test_a_write_that_failed_is_told_though_training_went_on():
    full = finding(kind=FindingKind.DISK_FULL, progress=at(40))
    assert short(verdict(full, progress=at(90))) == (FAILED, FindingKind.DISK_FULL)
    assert short(verdict(full, marker(progress=at(99)), progress=at(100))) == (COMPLETED, None)


def test_a_cancellation_is_not_survived_by_the_steps_of_a_graceful_end():
    assert short(verdict(cancelled(progress=at(40)), progress=at(50))) == (CANCELLED, FindingKind.CANCELLED)


def test_a_skipped_batch_is_the_cause_of_a_crash_right_after_it():
    skipped = oom(role=Role.SURVIVABLE, facts={"skipped": True}, progress=at(40))
    assert short(verdict(skipped, crash(progress=at(40)), progress=at(40))) == (FAILED, OOM)
    assert short(verdict(skipped, crash(progress=at(80)), progress=at(80))) == (FAILED, CRASH)


def test_a_crash_in_the_file_behind_a_hang_is_its_fallout():
    stall = finding(kind=FindingKind.STALL, text="timed out")
    assert short(verdict(stall, crash())) == (FAILED, FindingKind.STALL)
    assert short(verdict(crash(), stall)) == (FAILED, CRASH)


def test_the_framework_is_the_one_whose_numbers_or_markers_are_shown():
    named = marker(facts={"framework": "timm"})
    assert verdict(named).framework == "timm"
    assert verdict(named, progress=Progress(step=1, framework="lightning")).framework == "lightning"


def test_the_framework_of_a_log_without_numbers_is_the_one_that_its_words_name():
    named = marker(facts={"framework": "transformers"})
    assert verdict(marker=Marker("jax", ())).framework == "jax"
    assert verdict(named, marker=Marker("pytorch", ())).framework == "transformers"
    assert verdict(named, marker=Marker("axolotl", (), over=True)).framework == "axolotl"
