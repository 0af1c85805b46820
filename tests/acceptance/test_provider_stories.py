"""Whole stories at stand-ins of the providers: the real store, policy, notifier and channel, over restarts."""

import pytest

from agent.core.model import AlertType, Severity, Status
from agent.core.payload import rfc3339
from agent.core.policy.model import Recipient
from tests.channels.samples import channel
from tests.support.alertmanager import AlertmanagerStandIn
from tests.support.jira import JiraStandIn
from tests.support.linear import LinearStandIn
from tests.support.notion import NotionStandIn
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.slack_workspace import SlackWorkspace
from tests.support.standin import Answer
from tests.support.timeline import Killed

JOB = {"id": "job-1", "name": "bert-large", "model": "bert-large"}
DISK = {"labels": {"mountpoint": "/data"}}


class Mortal:
    """A channel whose process dies right after the provider has accepted, as often as it is told to."""

    def __init__(self, real):
        self.real, self.deaths = real, 0

    def __getattr__(self, name):
        return getattr(self.real, name)

    def send(self, message, key):
        receipt = self.real.send(message, key)
        if self.deaths:
            self.deaths -= 1
            raise Killed
        return receipt


def killed(node, mortal):
    """Die after the next acceptance, and come back."""
    mortal.deaths = 1
    with pytest.raises(Killed):
        node.run(10)
    node.restart()
    node.run(60)


def settings_of(made, name="ops"):
    config = made._config
    return Recipient(name, config.type, min_severity=config.min_severity, stateful=config.STATEFUL)


def test_a_jobs_life_in_one_slack_thread(nodes, clock):
    with SlackWorkspace() as slack:
        made = channel(slack.table(), clock=clock)
        node = nodes(settings_of(made), channels={"ops": made})
        node.emit(AlertType.TIMEOUT_WARNING, job=JOB, title="Training stalled")
        node.run(60)
        node.restart()
        node.emit(AlertType.TIMEOUT_WARNING, Status.RESOLVED, job=JOB, title="Training stalled")
        node.run(60)
        slack.answer_with(Answer(503), SlackWorkspace.ACCEPT)
        node.emit(AlertType.JOB_FAILED, job={**JOB, "state": "failed"})
        node.emit(AlertType.JOB_FAILED, job={**JOB, "id": "job-2"}, title="Another failed")
        node.run(120)
        assert slack.threads() == {
            "❌ Training failed": ["✅ Resolved: Training stalled", "❌ Training failed"],
            "❌ Another failed": [],
        }


def test_one_incident_opened_and_resolved_over_two_kills(nodes, clock):
    with PagerDutyStandIn() as pagerduty:
        mortal = Mortal(channel(pagerduty.table(), clock=clock))
        node = nodes(settings_of(mortal), channels={"ops": mortal})
        node.emit(AlertType.DISK_WARNING, severity=Severity.CRITICAL, **DISK)
        killed(node, mortal)
        node.emit(AlertType.DISK_WARNING, Status.RESOLVED, **DISK)
        killed(node, mortal)
        assert [state for _, state, _ in pagerduty.incidents] == ["resolved"]
        assert len(pagerduty.received) == 4
        assert node.deliveries()[-1].state == "delivered"


def test_an_incident_about_a_job_is_resolved_when_the_job_completes(nodes, clock):
    with PagerDutyStandIn() as pagerduty:
        made = channel(pagerduty.table(), clock=clock)
        node = nodes(settings_of(made), channels={"ops": made})
        node.emit(AlertType.GPU_OOM, job=JOB)
        node.run(60)
        node.restart()
        node.emit(AlertType.JOB_COMPLETED, job={**JOB, "state": "completed"})
        node.run(60)
        assert [state for _, state, _ in pagerduty.incidents] == ["resolved"]


@pytest.mark.parametrize("cloud", [True, False])
def test_one_jira_issue_although_answers_were_lost_and_the_agent_was_killed(nodes, clock, cloud):
    with JiraStandIn(cloud=cloud) as jira:
        mortal = Mortal(channel(jira.table(), clock=clock))
        node = nodes(settings_of(mortal), channels={"ops": mortal})
        jira.lost = 1
        node.emit(AlertType.DISK_WARNING, **DISK)
        node.run(2)
        node.emit(AlertType.DISK_WARNING, severity=Severity.CRITICAL, **DISK)
        killed(node, mortal)
        node.emit(AlertType.DISK_WARNING, Status.RESOLVED, **DISK)
        node.run(60)
        (issue,) = jira.issues
        assert issue.done
        assert len(issue.comments) == 3  # the one whose acceptance the kill took from us is there twice


def test_one_linear_issue_over_lost_answers_and_kills(nodes, clock):
    with LinearStandIn() as linear:
        mortal = Mortal(channel(linear.table(), clock=clock))
        node = nodes(settings_of(mortal), channels={"ops": mortal})
        linear.lost = 1
        node.emit(AlertType.JOB_FAILED, job=JOB)
        node.run(2)
        killed(node, mortal)
        node.emit(AlertType.JOB_COMPLETED, job={**JOB, "state": "completed"})
        killed(node, mortal)
        (issue,) = linear.issues.values()
        assert issue["stateId"] == "state-done"
        assert len(linear.comments) == 1


def test_one_notion_page_over_lost_answers_and_kills(nodes, clock):
    with NotionStandIn() as notion:
        mortal = Mortal(channel(notion.table(), clock=clock))
        node = nodes(settings_of(mortal), channels={"ops": mortal})
        notion.lost = 1
        node.emit(AlertType.DISK_WARNING, **DISK)
        node.run(2)
        killed(node, mortal)
        node.emit(AlertType.DISK_WARNING, Status.RESOLVED, **DISK)
        node.run(60)
        (page,) = notion.pages.values()
        assert page["properties"]["Status"] == {"status": {"name": "Done"}}


def test_e28_an_alertmanager_that_restarts_or_was_away_knows_all_within_a_minute(nodes, clock):
    with AlertmanagerStandIn() as one, AlertmanagerStandIn(Answer(503)) as two:
        made = channel({"type": "alertmanager", "urls": [one.url, two.url]}, clock=clock)
        node = nodes(settings_of(made), channels={"ops": made})
        node.emit(AlertType.DISK_WARNING, **DISK)
        node.emit(AlertType.JOB_FAILED, job=JOB)
        node.emit(AlertType.GPU_ERROR, labels={"gpu": "3"})
        node.run(30)
        node.emit(AlertType.GPU_ERROR, Status.RESOLVED, labels={"gpu": "3"})
        node.run(30)
        one.restart()
        two.answer_with(AlertmanagerStandIn.ACCEPT)
        node.run(60)
        for instance in (one, two):
            assert instance.firing(rfc3339(clock.now().wall)) == ["disk_warning", "job_failed"]
            assert len(instance.alerts) == 3  # what was resolved lately is told again too
        node.run(10 * 60, step=10)
        assert one.firing(rfc3339(clock.now().wall)) == ["disk_warning", "job_failed"]
        clock.advance(5 * 60)  # the agent is gone: its alerts lapse
        assert one.firing(rfc3339(clock.now().wall)) == []
