"""Which of several findings is the cause."""

import math
from dataclasses import replace

import pytest

from agent.core import advice, incidents
from agent.core.clock import SECOND
from agent.core.facts import FindingKind, Progress, Role
from agent.core.model import Severity
from tests.core.values import NOW, finding


def incident_of(*timed, before=Progress(step=10)):
    """Findings of (kind, role, seconds), each of whose lines says something else."""
    incident = None
    for n, (kind, role, seconds) in enumerate(timed):
        item = finding(kind=kind, role=role, offset=n, text=f"{kind} {chr(97 + n)}")
        incident = incidents.add(incident, item, NOW + seconds * SECOND, before)
    return incident


def grown(*findings, before=Progress(step=10)):
    incident = None
    for item in findings:
        incident = incidents.add(incident, item, NOW, before)
    return incident


def kill(**changes):
    """A process that was killed, with what the line says of the reason."""
    return finding(kind=FindingKind.HOST_OOM, text="Killed", **changes)


@pytest.mark.parametrize("role", [Role.FALLOUT, Role.ADVICE, Role.CONFIRM, Role.SURVIVABLE, Role.MARKER])
def test_only_a_root_opens_an_incident(role):
    assert incident_of((FindingKind.CRASH, role, 0)) is None


@pytest.mark.parametrize(
    ("findings", "cause"),
    [
        (((FindingKind.CRASH, Role.ROOT, 0), (FindingKind.GPU_OOM, Role.ROOT, 1)), FindingKind.GPU_OOM),
        (((FindingKind.CRASH, Role.ROOT, 0), (FindingKind.GPU_OOM, Role.ROOT, 6)), FindingKind.CRASH),
        (((FindingKind.GPU_OOM, Role.ROOT, 0), (FindingKind.XID, Role.ROOT, 5)), FindingKind.XID),
        (((FindingKind.STALL, Role.ROOT, 0), (FindingKind.CRASH, Role.ROOT, 1)), FindingKind.CRASH),
        (((FindingKind.CANCELLED, Role.ROOT, 0), (FindingKind.CRASH, Role.ROOT, 1)), FindingKind.CANCELLED),
        (((FindingKind.CRASH, Role.ROOT, 0), (FindingKind.GPU_OOM, Role.FALLOUT, 1)), FindingKind.CRASH),
    ],
)
def test_the_earliest_root_wins_with_precedence_among_those_together(findings, cause):
    assert incidents.cause(incident_of(*findings)).kind is cause


def test_times_that_the_log_tells_count_more_than_those_of_reading():
    crash = finding(kind=FindingKind.CRASH, text="crash", written_at=NOW)
    oom = finding(text="oom", written_at=NOW + 20 * SECOND)
    assert incidents.cause(grown(crash, oom)) is crash
    assert incidents.cause(grown(crash, replace(oom, written_at=NOW + 4 * SECOND))).kind is FindingKind.GPU_OOM


def test_a_confirmed_host_oom_outranks_a_gpu_oom():
    oom = finding(text="oom")
    assert incidents.cause(grown(oom, kill(facts={"grade": "confirmed"}))).kind is FindingKind.HOST_OOM
    assert incidents.cause(grown(oom, kill(facts={"grade": "suspected"}))) is oom


def test_a_suspected_kill_is_confirmed_by_who_knows():
    confirmed = kill(facts={"grade": "confirmed"})
    first = incidents.add(None, finding(kind=FindingKind.HOST_OOM, text="-9"), NOW, Progress())
    late = incidents.add(first, confirmed, NOW + 30 * SECOND, Progress())
    assert incidents.cause(late) is confirmed


def test_a_suspected_kill_is_explained_by_a_scheduler():
    cancelled = finding(kind=FindingKind.CANCELLED, text="CANCELLED")
    assert incidents.cause(grown(kill(), cancelled)) is cancelled
    assert incidents.cause(grown(kill(facts={"grade": "confirmed"}), cancelled)).kind is FindingKind.HOST_OOM


def test_a_scheduler_that_killed_for_memory_says_so_after_it_cancelled():
    cancelled = finding(kind=FindingKind.CANCELLED, text="CANCELLED")
    confirmed = kill(facts={"grade": "confirmed"})
    assert incidents.cause(grown(cancelled, confirmed)) is confirmed


def test_a_report_of_an_end_is_the_cause_only_where_nothing_else_is():
    report = finding(kind=FindingKind.CRASH, text="exit code 1", doubt=1)
    pipe = finding(kind=FindingKind.CRASH, text="Broken pipe", doubt=2)
    stall = finding(kind=FindingKind.STALL, text="timed out")
    assert incidents.cause(grown(report)) is report
    assert incidents.cause(grown(pipe, report)) is report
    assert incidents.cause(grown(report, pipe, stall)) is stall


def test_a_doubtful_first_word_does_not_shut_the_window():
    pipe = incidents.add(None, finding(kind=FindingKind.CRASH, text="Broken pipe", doubt=2), NOW, Progress())
    oom = finding(text="oom")
    assert incidents.cause(incidents.add(pipe, oom, NOW + 30 * SECOND, Progress())) is oom


def test_a_cancellation_stands_between_failures_and_their_fallout():
    cancelled = finding(kind=FindingKind.CANCELLED, text="CANCELLED")
    pipe = finding(kind=FindingKind.CRASH, text="Broken pipe", doubt=2)
    exited = finding(kind=FindingKind.CRASH, text="task 3 exited", doubt=1)
    assert incidents.cause(grown(pipe, cancelled)) is cancelled
    assert incidents.cause(grown(exited, cancelled)) is exited


def test_a_signal_of_the_launcher_is_fallout_of_the_kill_that_its_summary_names():
    signal = finding(kind=FindingKind.CANCELLED, text="Received SIGTERM: 15", doubt=1)
    summary = kill(facts={"grade": "suspected"}, final=True)
    report = finding(kind=FindingKind.CRASH, text="exit code 1", doubt=1, final=True)
    assert incidents.cause(grown(signal, summary)) is summary
    assert incidents.cause(grown(signal, report)) is signal


def test_a_crash_after_a_skipped_batch_is_a_lack_of_memory():
    skipped = finding(role=Role.SURVIVABLE, text="skipping batch", facts={"skipped": True})
    crash = finding(kind=FindingKind.CRASH, text="crash")
    assert not incidents.rooted(grown(skipped))
    assert incidents.cause(grown(skipped, crash)) is skipped


def test_a_note_of_the_driver_opens_nothing():
    assert grown(finding(kind=FindingKind.XID, severity=Severity.INFO)) is None


def test_survival_needs_two_steps_and_nothing_final():
    incident = incident_of((FindingKind.GPU_OOM, Role.ROOT, 0))
    assert not survived(incident, step=11)
    assert survived(incident, step=12)
    assert not survived(incident)
    assert not survived(grown(finding(final=True)), step=99)


def test_the_next_epoch_is_beyond_though_its_steps_begin_again():
    incident = grown(finding(), before=Progress(step=90, epoch=1))
    assert survived(incident, step=1, epoch=2)
    assert not survived(incident, step=91, epoch=1.5)


def test_steps_that_may_have_been_printed_before_an_uncaught_error_do_not_count():
    incident = grown(finding(facts={"uncaught": True}))
    assert not survived(incident, step=99)
    assert survived(incident, apart=True, step=99)


def test_a_program_that_met_a_loss_that_is_no_number_is_mended_by_one_that_is():
    incident = grown(finding(kind=FindingKind.NAN_LOSS, facts={"fatal": True}))
    assert not survived(incident, step=99, loss=math.nan)
    assert not survived(incident, step=99)
    assert survived(incident, step=99, loss=0.5)


def test_records_without_a_number_are_mended_by_records_alone():
    incident = incident_of((FindingKind.NAN_LOSS, Role.ROOT, 0))
    assert not survived(incident, step=99, loss=0.0)
    again = finding(kind=FindingKind.NAN_LOSS, role=Role.SURVIVABLE, facts={"recovered": True})
    assert incidents.mends(again, incident)
    assert not incidents.mends(again, grown(finding()))


@pytest.mark.parametrize("kind", [FindingKind.DISK_FULL, FindingKind.XID, FindingKind.CANCELLED])
def test_what_stays_true_is_not_survived_though_training_goes_on(kind):
    incident = incident_of((kind, Role.ROOT, 0))
    assert not survived(incident, step=99)
    assert incidents.lived_on(incident, Progress(step=99), apart=False)


def survived(incident, *, apart=False, **shown):
    return incidents.survived(incident, Progress(**shown), apart=apart)


def test_the_first_findings_are_kept_however_many_follow():
    incident = grown(*[finding(text=f"oom {'a' * n}") for n in range(100)])
    assert len(incident.findings) == incidents.FINDINGS_KEPT
    assert incident.findings[0].text == "oom "


def test_what_several_ranks_say_is_one_finding():
    lines = [finding(text=f"rank {n} failed in /job/{n}/x.py", rank=n) for n in (3, 0, 1, 0)]
    incident = grown(*lines)
    assert len(incident.findings) == 1
    assert incidents.ranks(incidents.cause(incident)) == (0, 1, 3)
    assert incidents.evidence(incident) == ("rank 3 failed in /job/3/x.py",)


def test_the_ranks_that_are_behind_are_the_suspects_of_a_hang():
    lines = [
        finding(kind=FindingKind.STALL, text=f"rank {rank} at {seq}", facts={"rank": rank, "seq": seq})
        for rank, seq in ((0, 96120), (0, 96117), (7, 64088), (3, 96117))
    ]
    assert incidents.behind(grown(*lines).findings) == (7,)
    assert incidents.behind(grown(*lines[:2], lines[3]).findings) == ()


def test_evidence_shows_the_cause_first_and_nothing_twice():
    incident = incident_of((FindingKind.CRASH, Role.ROOT, 0), (FindingKind.CRASH, Role.ADVICE, 0))
    incident = incidents.add(incident, finding(text="oom", context=("frame", "crash a")), NOW, Progress())
    assert incidents.evidence(incident) == ("frame", "crash a", "oom")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"tried": 1 << 60}, "absurd"),
        ({"tried": 1 << 30, "unallocated": 2 << 30}, "Fragmentation"),
        ({"tried": 2 << 30, "unallocated": 1 << 30}, "batch size"),
        ({}, "batch size"),
    ],
)
def test_advice_fits_the_numbers(facts, words):
    assert words in advice.for_cause(finding(facts=facts))


def test_a_line_that_comes_cut_and_whole_is_shown_whole_and_once():
    whole = "torch.OutOfMemoryError: CUDA out of memory. " + "x" * 400
    incident = incidents.add(None, finding(text=whole, context=("frame", whole[:300])), NOW, Progress())
    assert incidents.evidence(incident) == ("frame", whole)
