"""Timelines of channels that hold one object per alert: what they are told, when, and what ends an object."""

from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.model import AlertType, Severity, Silence, Status
from agent.core.policy.model import Recipient
from agent.core.ports import Receipt, SendError, SendErrorKind
from tests.support.timeline import Memory

FAILED, COMPLETED, OOM, DISK = (
    AlertType.JOB_FAILED, AlertType.JOB_COMPLETED, AlertType.GPU_OOM, AlertType.DISK_WARNING,
)  # fmt: skip
PAGER = Recipient("pager", "pagerduty", stateful=True)
CHAT = Recipient("chat", "slack")
LABELS = {"mountpoint": "/data"}


def disk(node, status=Status.FIRING, severity=Severity.WARNING):
    node.emit(DISK, status, severity, labels=LABELS)
    node.run()


def test_an_event_stays_open_until_the_same_job_completes(nodes):
    node = nodes(PAGER, CHAT)
    node.emit(FAILED, job={"id": "j"})
    node.emit(FAILED, job={"id": "other"})
    node.run(60)
    node.emit(COMPLETED, job={"id": "j", "state": "completed"})
    node.run(60)
    assert node.sent("pager") == [("job_failed", "fired")] * 2 + [("job_failed", "resolved")]
    assert node.channels["pager"].sent[-1].message.alert.job_id == "j"
    assert node.channels["pager"].sent[-1].message.status is Status.RESOLVED
    assert node.sent("chat") == [("job_failed", "fired")] * 2 + [("job_completed", "fired")]


def test_a_job_that_ended_with_unknown_outcome_ends_nothing(nodes):
    node = nodes(PAGER)
    node.emit(FAILED, job={"id": "j"})
    node.emit(COMPLETED, job={"id": "j", "state": "unknown"})
    node.run(60)
    assert node.sent("pager") == [("job_failed", "fired")]


def test_a_person_ends_an_event_after_a_restart(nodes):
    node = nodes(PAGER, CHAT)
    node.emit(FAILED, job={"id": "j"})
    node.run(60)
    ((alert_id,),) = node.alerts()
    node.restart()
    node.resolve(alert_id)
    node.run(60)
    node.resolve(alert_id)
    node.run(60)
    assert node.sent("pager") == [("job_failed", "fired"), ("job_failed", "resolved")]
    assert node.sent("chat") == [("job_failed", "fired")]
    assert node.alert(alert_id).status is Status.EVENT


def test_the_failure_of_a_job_ends_the_alert_about_its_cause(nodes):
    node = nodes(PAGER, Recipient("oom", "jira", stateful=True, alerts=frozenset({OOM, FAILED})))
    node.emit(OOM, job={"id": "j"})
    node.run(60)
    node.emit(FAILED, job={"id": "j", "reason": "gpu_oom"})
    node.run(60)
    expected = [("gpu_oom", "fired"), ("gpu_oom", "resolved"), ("job_failed", "fired")]
    assert sorted(node.sent("pager")) == sorted(expected)
    assert sorted(node.sent("oom")) == sorted(expected)


def test_a_cause_stays_open_where_the_failure_is_not_taken(nodes):
    node = nodes(PAGER, Recipient("oom", "jira", stateful=True, alerts=frozenset({OOM})))
    node.emit(OOM, job={"id": "j"})
    node.run(60)
    node.emit(FAILED, job={"id": "j", "reason": "gpu_oom"})
    node.run(60)
    assert node.sent("oom") == [("gpu_oom", "fired")]


def test_what_is_over_before_the_channel_could_be_told_is_told_as_over(nodes):
    node = nodes(PAGER)
    node.channels["pager"].fail = [SendError(SendErrorKind.UNCERTAIN, "no answer")]
    node.emit(FAILED, job={"id": "j"})
    node.run()
    node.emit(COMPLETED, job={"id": "j", "state": "completed"})
    node.run(120)
    assert node.sent("pager") == [("job_failed", "resolved")]


def test_at_most_one_request_a_key_in_ten_seconds_and_the_latest_state_wins(nodes, clock):
    node = nodes(PAGER)
    disk(node)
    for severity in (Severity.CRITICAL, Severity.WARNING, Severity.CRITICAL):
        node.run(1)
        disk(node, severity=severity)
    node.run(1)
    disk(node, Status.RESOLVED, Severity.CRITICAL)
    node.run(60)
    first, last = node.channels["pager"].sent
    assert (str(first.message.kind), str(last.message.kind)) == ("fired", "resolved")
    assert last.at - first.at == 10 * SECOND


def test_a_severity_that_falls_is_told_and_nothing_is_repeated(nodes):
    node = nodes(PAGER)
    disk(node, severity=Severity.CRITICAL)
    node.run(20)
    disk(node)
    node.run(20)
    assert [item.message.severity for item in node.channels["pager"].sent] == [Severity.CRITICAL, Severity.WARNING]
    node.run(2 * 24 * HOUR // SECOND, step=600)
    assert len(node.channels["pager"].sent) == 2


def test_cooldown_and_silence_keep_no_resolve_from_it(nodes, clock):
    node = nodes(PAGER)
    disk(node)
    node.run(20)
    node.silence(Silence("s", clock.now().wall, clock.now().wall + HOUR, "me", "", match=LABELS))
    disk(node, Status.RESOLVED)
    node.run(20)
    assert node.sent("pager") == [("disk_warning", "fired"), ("disk_warning", "resolved")]
    node.run(HOUR // SECOND, step=60)
    disk(node)
    disk(node, Status.RESOLVED)
    node.run(20)
    disk(node)
    node.run(20)
    assert [kind for _, kind in node.sent("pager")[2:]] == ["fired", "resolved", "fired"]


def test_references_come_back_with_later_messages_over_a_restart(nodes):
    node = nodes(CHAT)
    memory = node.channels["chat"]
    memory.receipt = Receipt(ref="m-1", job_ref="thread-1", moved_to="room-2")
    node.emit(OOM, job={"id": "j"})
    node.run(60)
    node.restart()
    memory.receipt = Receipt()
    node.emit(FAILED, job={"id": "j"})
    node.emit(FAILED, job={"id": "other"})
    disk(node)
    disk(node, Status.RESOLVED)
    node.run(60)
    known = [item.message.references for item in memory.sent]
    assert [(item.ref, item.job_ref, item.moved_to) for item in known[1:3]] == [
        (None, "thread-1", "room-2"), (None, None, "room-2"),
    ]  # fmt: skip


def test_a_reference_ends_with_its_episode(nodes):
    node = nodes(PAGER)
    memory = node.channels["pager"]
    memory.receipt = Receipt(ref="issue-1")
    disk(node)
    node.run(20)
    disk(node, Status.RESOLVED)
    node.run(20)
    memory.receipt = Receipt(ref="issue-2")
    disk(node)
    node.run(20)
    disk(node, Status.RESOLVED)
    node.run(20)
    assert [item.message.references.ref for item in memory.sent] == [None, "issue-1", None, "issue-2"]


class Asked(Memory):
    """A channel with a silent test, which fails as often as it is told to."""

    def __init__(self, clock, fail=()):
        super().__init__(clock)
        self.probes, self.refuse = [], list(fail)

    def probe(self):
        self.probes.append(self.clock.now().wall)
        if self.refuse:
            raise self.refuse.pop(0)
        return "somebody"


def refused():
    return SendError(SendErrorKind.MISCONFIGURED, "HTTP 401", reason="auth_error", status=401)


def test_a_suspended_channel_is_asked_before_anything_is_sent(nodes, clock):
    asked = Asked(clock, [refused(), refused()])
    asked.fail = [refused()]
    start = clock.now().wall
    node = nodes(CHAT, Recipient("mail", "email"), channels={"chat": asked})
    node.emit(FAILED, job={"id": "j"})
    node.run(HOUR // SECOND, step=5)
    assert [at - start for at in asked.probes] == [5 * MINUTE, 15 * MINUTE, 35 * MINUTE]
    assert asked.sent[0].message.alert.type is FAILED
    assert node.sent("mail").count(("channel_failing", "resolved")) == 1


def test_a_channel_with_nothing_to_send_is_found_mended_too(nodes, clock):
    asked = Asked(clock)
    asked.fail = [refused()]
    node = nodes(CHAT, Recipient("mail", "email"), channels={"chat": asked})
    node.emit(FAILED, job={"id": "j"})
    node.run(20)
    node.database.write(lambda conn: conn.execute("UPDATE delivery SET state = 'suppressed' WHERE channel = 'chat'"))
    node.run(6 * 60, step=5)
    assert len(asked.probes) == 1
    assert node.sent("mail").count(("channel_failing", "resolved")) == 1


class Forgetful(Memory):
    """A channel whose receiver must be reminded."""

    refresh_every = 60.0

    def __init__(self, clock):
        super().__init__(clock)
        self.reminders, self.refuse = [], []

    def refresh(self, messages, now):
        if self.refuse:
            raise self.refuse.pop(0)
        self.reminders.append((now, [(str(item.alert.type), str(item.status)) for item in messages]))


def test_a_forgetful_receiver_is_reminded_of_what_is_open_and_what_is_just_over(nodes, clock):
    forgetful = Forgetful(clock)
    node = nodes(PAGER, channels={"pager": forgetful})
    disk(node)
    start = clock.now().wall
    node.run(150)
    disk(node, Status.RESOLVED)
    node.run(20 * 60)
    told = [(at - start, seen) for at, seen in forgetful.reminders]
    assert told[:2] == [(60_000, [("disk_warning", "firing")]), (120_000, [("disk_warning", "firing")])]
    over = [at for at, seen in told[2:] if seen == [("disk_warning", "resolved")]]
    assert len(told) == len(over) + 2
    assert over[0] == 180_000
    assert 150_000 + 14 * MINUTE <= over[-1] <= 150_000 + 15 * MINUTE


def test_a_receiver_that_is_away_is_reminded_every_minute_and_at_the_start(nodes, clock):
    forgetful = Forgetful(clock)
    node = nodes(PAGER, channels={"pager": forgetful})
    disk(node)
    node.restart()
    node.run()
    assert len(forgetful.reminders) == 1
    forgetful.refuse = [SendError(SendErrorKind.RETRY, "down", reason="network")] * 4
    node.run(299)
    assert len(forgetful.reminders) == 1
    disk(node, severity=Severity.CRITICAL)
    node.run(2)
    assert len(forgetful.reminders) == 2
    assert node.sent("pager")[-1] == ("disk_warning", "escalated")
