"""Timelines of quiet hours: what waits, what does not, and what the morning brings (section 7 of the reference)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.model import AlertType, DeliveryState, Severity, Status
from agent.core.policy.model import Recipient, Rules
from agent.core.policy.windows import QuietHours, Window
from agent.core.ports import SendError, SendErrorKind
from agent.runtime.clock import VirtualClock
from tests.support.timeline import Node

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Window("night", 22 * 60, 7 * 60, BERLIN)
DISK, GPU, DONE, FAILED = (
    AlertType.DISK_WARNING, AlertType.GPU_DEGRADED, AlertType.JOB_COMPLETED, AlertType.JOB_FAILED,
)  # fmt: skip
CHAT, HOOK = Recipient("ops", "slack"), Recipient("hook", "webhook", program=True)
PAGER = Recipient("pager", "pagerduty", stateful=True)
ISSUES = Recipient("issues", "jira", stateful=True, quiet_hours=False)


def berlin(day, clock):
    return round(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=BERLIN).timestamp() * 1000)


@pytest.fixture
def evening(tmp_path):
    """Builds a node at 21:00 on an ordinary evening in Berlin."""
    made = []

    def make(*recipients, bypass=None, suppress=False, windows=(NIGHT,), at=("2026-06-10", "21:00")):
        rules = Rules(quiet_hours=QuietHours(windows, bypass, suppress))
        made.append(Node(tmp_path / "state", VirtualClock(berlin(*at)), *(recipients or (CHAT,)), rules=rules))
        return made[-1]

    yield make
    for node in made:
        node.close()


def until(node, clock, day="2026-06-11"):
    node.run_until(berlin(day, clock))


def times(node, channel="ops"):
    """What was sent and when, by Berlin's clocks."""
    return [
        (datetime.fromtimestamp(item.at / 1000, UTC).astimezone(BERLIN).strftime("%H:%M"), *item.what)
        for item in node.channels[channel].sent
    ]


def test_e11_fired_before_and_resolved_inside(evening):
    node = evening(CHAT, PAGER, ISSUES)
    until(node, "21:50", "2026-06-10")
    node.emit(DISK, labels={"mount": "/a"})
    node.emit(GPU, labels={"gpu": "1"})
    until(node, "23:00", "2026-06-10")
    node.emit(DISK, Status.RESOLVED, labels={"mount": "/a"})
    node.emit(GPU, Status.RESOLVED, labels={"gpu": "1"})
    until(node, "08:00")
    for channel in ("pager", "issues"):
        assert [row[:1] + row[2:] for row in times(node, channel)] == [
            ("21:50", "fired"), ("21:50", "fired"), ("23:00", "resolved"), ("23:00", "resolved"),
        ]  # fmt: skip
    assert [row[0] for row in times(node)] == ["21:50", "21:50", "07:00"]
    digest = node.channels["ops"].sent[-1].message
    assert digest.status is Status.RESOLVED
    assert all(line.endswith("resolved") for line in digest.evidence)


def test_e12_fired_inside_and_still_firing_in_the_morning(evening):
    node = evening()
    until(node, "23:00", "2026-06-10")
    node.emit(DISK, labels={"mount": "/a"})
    node.emit(DONE, job={"id": "j", "name": "bert"})
    until(node, "08:00")
    ((when, _, kind),) = times(node)
    assert (when, kind) == ("07:00", "digest")
    digest = node.channels["ops"].sent[0].message
    assert "still firing since" in digest.evidence[0]
    assert "bert" in digest.evidence[1]
    assert {row.state for row in node.deliveries() if row.kind != "digest"} == {DeliveryState.DIGESTED}
    until(node, "18:59")
    assert len(times(node)) == 1
    until(node, "19:01")
    assert times(node)[1] == ("19:00", "disk_warning", "repeated")  # twelve hours after the digest
    node.emit(DISK, Status.RESOLVED, labels={"mount": "/a"})
    node.run(5)
    assert times(node)[2] == ("19:01", "disk_warning", "resolved")


def test_e13_a_warning_turns_critical_inside(evening):
    node = evening(bypass=Severity.CRITICAL)
    until(node, "01:00")
    node.emit(DISK, labels={"mount": "/a"})
    node.emit(DONE, job={"id": "j"})
    until(node, "02:00")
    assert times(node) == []
    node.emit(DISK, severity=Severity.CRITICAL, labels={"mount": "/a"})
    until(node, "08:00")
    assert times(node) == [
        ("02:00", "disk_warning", "escalated"), ("06:00", "disk_warning", "repeated"),
        ("07:00", "job_completed", "fired"),
    ]  # fmt: skip


def test_without_a_bypass_critical_waits_too(evening):
    node = evening()
    until(node, "01:00")
    node.emit(FAILED, job={"id": "j"})
    until(node, "07:00")
    assert times(node) == [("07:00", "job_failed", "fired")]


def test_a_single_held_message_is_sent_as_itself(evening):
    node = evening()
    until(node, "02:14")
    node.emit(DISK, labels={"mount": "/a"})
    until(node, "08:00")
    assert times(node) == [("07:00", "disk_warning", "fired")]
    assert "still firing" in node.channels["ops"].sent[0].message.body


def test_fired_and_resolved_inside_is_one_line(evening):
    node = evening()
    until(node, "02:00")
    for mount in "ab":
        node.emit(DISK, labels={"mount": mount})
        node.run(60)
        node.emit(DISK, Status.RESOLVED, labels={"mount": mount})
    until(node, "08:00")
    assert times(node) == [("07:00", "disk_warning", "digest")]
    assert len(node.channels["ops"].sent[0].message.evidence) == 2
    until(node, "20:00")
    assert len(times(node)) == 1


def test_e3_killed_ten_times_in_the_night_and_one_digest_in_the_morning(evening):
    node = evening()
    until(node, "22:30", "2026-06-10")
    for number in range(10):
        node.emit(FAILED, job={"id": f"j{number}"})
        node.run(1)
        node.restart()
        node.run_until(node.clock.now().wall + 30 * MINUTE)
    until(node, "08:00")
    assert times(node) == [("07:00", "job_failed", "digest")]
    assert len(node.channels["ops"].sent[0].message.members) == 10
    assert {row.state for row in node.deliveries() if row.kind != "digest"} == {DeliveryState.DIGESTED}


def test_an_agent_that_was_down_at_the_end_tells_at_once_with_the_real_period(evening):
    node = evening()
    until(node, "23:00", "2026-06-10")
    node.emit(FAILED, job={"id": "a"})
    node.emit(FAILED, job={"id": "b"})
    node.run(1)
    node.clock.jump(11 * HOUR // SECOND)
    node.restart()
    node.run(2)
    assert [row[0] for row in times(node)] == ["10:00"]
    assert "from 2026-06-10 21:00 to 08:00" in node.channels["ops"].sent[0].message.body  # in UTC


def test_a_window_that_is_taken_away_releases_what_it_held(evening):
    node = evening()
    until(node, "23:00", "2026-06-10")
    node.emit(FAILED, job={"id": "a"})
    node.run(5)
    assert times(node) == []
    node.settings = type(node.settings)("node-1", node.recipients, Rules())
    node.run(5)
    assert [row[1:] for row in times(node)] == [("job_failed", "fired")]


def test_suppress_leaves_the_messages_out_but_tells_who_was_told_firing_that_it_is_over(evening):
    node = evening(suppress=True)
    until(node, "21:50", "2026-06-10")
    node.emit(DISK, labels={"mount": "/a"})
    until(node, "23:00", "2026-06-10")
    node.emit(FAILED, job={"id": "a"})
    node.emit(DISK, Status.RESOLVED, labels={"mount": "/a"})
    until(node, "09:00")
    assert times(node) == [("21:50", "disk_warning", "fired"), ("07:00", "disk_warning", "resolved")]
    assert [row.reason for row in node.deliveries() if row.snapshot.type is FAILED] == ["quiet_hours"]


def test_windows_for_some_channels_and_types(evening):
    window = Window("night", 22 * 60, 7 * 60, BERLIN, channels=frozenset({"ops"}), alert_types=frozenset({DONE}))
    node = evening(CHAT, HOOK, windows=(window,))
    until(node, "23:00", "2026-06-10")
    node.emit(DONE, job={"id": "a"})
    node.emit(FAILED, job={"id": "b"})
    until(node, "08:00")
    assert times(node) == [("23:00", "job_failed", "fired"), ("07:00", "job_completed", "fired")]
    assert [row[0] for row in times(node, "hook")] == ["23:00", "23:00"]


def test_what_was_held_for_a_day_is_told_whatever_the_schedule_says(evening):
    weekend = Window("weekend", 0, 24 * 60, BERLIN)
    node = evening(windows=(weekend,))
    node.emit(FAILED, job={"id": "a"})
    node.run(5)
    node.run_until(node.clock.now().wall + DAY + MINUTE)
    assert [row[1:] for row in times(node)] == [("job_failed", "fired")]


def test_a_digest_that_fails_is_tried_again_with_the_state_of_then(evening):
    node = evening()
    until(node, "23:00", "2026-06-10")
    for mount in "ab":
        node.emit(DISK, labels={"mount": mount})
    until(node, "06:59")
    node.channels["ops"].fail = [SendError(SendErrorKind.RETRY, "why")] * 3
    until(node, "07:00")
    node.emit(DISK, Status.RESOLVED, labels={"mount": "a"})
    until(node, "08:00")
    assert len(times(node)) == 1
    assert [line.rpartition(" ")[2] for line in node.channels["ops"].sent[0].message.evidence[1:]] == ["resolved"]
    node.emit(DISK, Status.RESOLVED, labels={"mount": "b"})
    node.run(5)
    assert [row[1:] for row in times(node)[1:]] == [("disk_warning", "resolved")]


def test_what_is_resolved_while_the_digest_is_on_its_way_is_told_afterwards(evening):
    node = evening()
    until(node, "23:00", "2026-06-10")
    for mount in "ab":
        node.emit(DISK, labels={"mount": mount})
    until(node, "06:59")
    send = node.channels["ops"].send

    def slow(message, key):
        node.emit(DISK, Status.RESOLVED, labels={"mount": "a"})
        node.evaluator.step(node.clock.now())
        node.channels["ops"].send = send
        return send(message, key)

    node.channels["ops"].send = slow
    until(node, "07:30")
    assert [row[2] for row in times(node)] == ["digest", "resolved"]


def test_a_digest_that_is_given_up_takes_its_members_with_it(evening):
    node = evening()
    until(node, "23:00", "2026-06-10")
    for job in "ab":
        node.emit(FAILED, job={"id": job})
    until(node, "06:59")
    node.channels["ops"].fail = [SendError(SendErrorKind.REJECTED, "why")] * 2
    until(node, "07:30")
    assert {(row.state, row.reason) for row in node.deliveries() if row.snapshot.type is FAILED} == {
        (DeliveryState.DEAD, "rejected")
    }


def test_a_failure_that_waits_for_the_morning_is_told_though_its_job_completed_meanwhile(evening):
    node = evening(CHAT, PAGER, ISSUES)
    until(node, "23:00", "2026-06-10")
    node.emit(FAILED, job={"id": "j"})
    until(node, "01:00")
    node.emit(DONE, job={"id": "j", "state": "completed"})
    until(node, "09:00")
    assert [what for _, _, what in times(node, "issues")] == ["fired", "resolved"]
    assert times(node, "pager") == []
    (morning,) = node.channels["ops"].sent
    assert {str(alert.type) for alert in morning.message.members} == {"job_failed", "job_completed"}


def test_a_clock_that_was_never_set_keeps_nobody_quiet(tmp_path):
    rules = Rules(quiet_hours=QuietHours((Window("always", 0, 24 * 60, BERLIN),)))
    node = Node(tmp_path / "state", VirtualClock(2 * HOUR), CHAT, rules=rules)
    node.emit(FAILED, job={"id": "a"})
    node.run(2)
    (sent,) = node.channels["ops"].sent
    node.close()
    assert sent.message.footer.endswith("clock not set")


def test_an_event_that_is_over_at_once_is_told_to_people(evening):
    node = evening(CHAT, ISSUES)
    node.emit(AlertType.GPU_OOM, job={"id": "j"})
    node.emit(DONE, job={"id": "j"})
    node.run(5)
    assert sorted(row[1] for row in times(node)) == ["gpu_oom", "job_completed"]


def test_what_a_channel_could_not_take_by_day_waits_for_the_morning_too(evening):
    node = evening()
    node.channels["ops"].fail = [SendError(SendErrorKind.RETRY, "down", reason="network")] * 99
    node.emit(FAILED, job={"id": "j"})
    until(node, "22:30", "2026-06-10")
    node.channels["ops"].fail.clear()
    until(node, "08:00")
    assert times(node) == [("07:00", "job_failed", "fired")]
