"""Which of several findings is the cause."""

import pytest

from agent.core import advice, incidents
from agent.core.clock import SECOND
from agent.core.facts import FindingKind, Role
from tests.core.values import NOW, finding


def incident_of(*timed):
    incident = None
    for n, (kind, role, seconds) in enumerate(timed):
        item = finding(kind=kind, role=role, offset=n, text=f"{kind} {n}")
        incident = incidents.add(incident, item, NOW + seconds * SECOND, 10)
    return incident


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


def test_a_confirmed_host_oom_outranks_a_gpu_oom():
    incident = incident_of((FindingKind.GPU_OOM, Role.ROOT, 0))
    confirmed = finding(kind=FindingKind.HOST_OOM, facts={"grade": "confirmed"})
    assert incidents.cause(incidents.add(incident, confirmed, NOW, 10)).kind is FindingKind.HOST_OOM
    suspected = finding(kind=FindingKind.HOST_OOM)
    assert incidents.cause(incidents.add(incident, suspected, NOW, 10)).kind is FindingKind.GPU_OOM


def test_survival_needs_two_steps_and_nothing_final():
    incident = incident_of((FindingKind.GPU_OOM, Role.ROOT, 0))
    assert not incidents.survived(incident, 11)
    assert incidents.survived(incident, 12)
    assert not incidents.survived(incident, None)
    final = incidents.add(incident, finding(final=True), NOW, 10)
    assert not incidents.survived(final, 99)


def test_the_first_findings_are_kept_however_many_follow():
    incident = incident_of(*[(FindingKind.GPU_OOM, Role.ROOT, n) for n in range(100)])
    assert len(incident.findings) == incidents.FINDINGS_KEPT
    assert incident.findings[0].text == "gpu_oom 0"


def test_evidence_shows_the_cause_first_and_nothing_twice():
    incident = incident_of((FindingKind.CRASH, Role.ROOT, 0), (FindingKind.CRASH, Role.ADVICE, 0))
    incident = incidents.add(incident, finding(text="oom", context=("frame", "crash 0")), NOW, 1)
    assert incidents.evidence(incident) == ("frame", "crash 0", "oom")


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
    incident = incidents.add(None, finding(text=whole, context=("frame", whole[:300])), NOW, 1)
    assert incidents.evidence(incident) == ("frame", whole)
