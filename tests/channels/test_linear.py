import json
from dataclasses import replace

import pytest

from agent.channels.linear import chosen_id
from agent.channels.shared.linear_api import MEANINGS
from agent.core.model import NotificationKind, Severity, Status
from agent.core.ports import SendError, SendErrorKind
from agent.core.references import References
from tests.channels.samples import RESOLVED, channel, message
from tests.support.clock import START
from tests.support.linear import KEY, TEAM, LinearStandIn, refused
from tests.support.standin import Answer

FIRING = replace(RESOLVED, status=Status.FIRING, ends_at=None)
ID = chosen_id(f"{TEAM}\x1falert-1")


@pytest.fixture
def linear():
    with LinearStandIn() as workspace:
        yield workspace


def send(linear, what=None, key="key", **table):
    return channel(linear.table(**table)).send(what or message(), key)


def failing(answer, what=None, **table):
    with LinearStandIn(answer) as linear, pytest.raises(SendError) as caught:
        send(linear, what, **table)
    return caught.value


def over(**changes):
    return message(RESOLVED, NotificationKind.RESOLVED, references=References(ref=ID), **changes)


def test_the_exact_issue(linear):
    receipt = send(linear, labels=["gpu", "infra"])
    assert (receipt.ref, receipt.status) == (ID, 200)
    _, request = linear.received
    assert request.path == "/graphql"
    assert request.headers["authorization"] == KEY
    body = json.loads(request.body)
    assert body["query"].startswith("mutation($input: IssueCreateInput!) { issueCreate(input: $input)")
    assert body["variables"] == {
        "input": {
            "id": ID,
            "teamId": TEAM,
            "title": "Training failed (bert-large)",
            "priority": 1,
            "labelIds": ["label-gpu", "label-infra"],
            "description": "**❌ Training failed**\n\nbert\\-large ran out of GPU memory at step 4200 of 5000.\n\n"
            "**Model:** bert\\-large\n\n**Duration:** 2h 05m\n\n**Final loss:** 0.0213\n\n**Steps:** 4200/5000\n\n"
            "**Node:** node\\-1\n\n**GPUs:** 0, 1\n\n**Error:** torch.OutOfMemoryError: CUDA out of memory.\n\n"
            "```\nTraceback (most recent call last):\n"
            "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost\n```\n\n"
            "**Advice:** Lower the batch size.\n\n[Run page](https://runs.example/1?a=1&b=2)\n\n"
            "job\\-0123456789ab · node\\-1",
        }
    }


def test_an_issue_created_twice_with_one_id_is_one(linear):
    linear.lost = 1
    with pytest.raises(SendError) as caught:
        send(linear)
    assert caught.value.kind is SendErrorKind.UNCERTAIN
    assert send(linear).ref == ID
    assert list(linear.issues) == [ID]


def test_news_are_comments_and_the_end_completes_the_issue(linear):
    send(linear, message(FIRING))
    worse = message(replace(FIRING, severity=Severity.CRITICAL), NotificationKind.ESCALATED,
                    references=References(ref=ID))  # fmt: skip
    send(linear, worse, "key-2")
    send(linear, over(), "key-3")
    send(linear, over(), "key-3")
    issue = linear.issues[ID]
    assert (issue["priority"], issue["stateId"]) == (1, "state-done")
    assert [chosen_id("key-2"), chosen_id("key-3")] == list(linear.comments)


def test_a_lost_creation_is_found_by_its_id_when_the_alert_ends(linear):
    linear.lost = 1
    with pytest.raises(SendError):
        send(linear, message(FIRING))
    send(linear, message(RESOLVED, NotificationKind.RESOLVED))
    assert linear.issues[ID]["stateId"] == "state-done"


def test_what_was_never_told_or_is_gone_needs_no_end(linear):
    assert send(linear, message(RESOLVED, NotificationKind.RESOLVED)).status is None
    assert linear.issues == {}


def test_news_about_an_issue_that_is_gone_make_another(linear):
    worse = message(FIRING, NotificationKind.ESCALATED, references=References(ref="gone"))
    assert send(linear, worse).ref == ID


def test_a_team_without_a_completed_state_gets_the_comment(linear):
    linear.states = []
    send(linear, message(FIRING))
    send(linear, over())
    assert "stateId" not in linear.issues[ID]
    assert len(linear.comments) == 1


def test_an_oauth_token_stands_behind_bearer():
    with LinearStandIn(token="lin_oauth_0123") as linear:
        send(linear)
        assert linear.received[0].headers["authorization"] == "Bearer lin_oauth_0123"


@pytest.mark.parametrize("table", [{"labels": ["nope"]}, {"team_id": "other"}])
def test_what_the_configuration_names_must_be_there(linear, table):
    with pytest.raises(SendError) as caught:
        send(linear, **table)
    assert caught.value.kind is SendErrorKind.MISCONFIGURED


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("kind", MEANINGS)
def test_the_body_counts_before_the_status(kind, status):
    error = failing(refused(kind, "no", status=status))
    assert (error.kind, error.reason) == MEANINGS[kind]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [({"Retry-After": "12"}, 12.0), ({"X-RateLimit-Requests-Reset": str(START + 90_000)}, 90.0), ({}, None)],
)
def test_a_limit_says_when_it_ends(headers, wait):
    answer = refused("other", "Rate limit exceeded", status=400, code="RATELIMITED")
    error = failing(Answer(400, headers, answer.body))
    assert (error.kind, error.retry_after) == (SendErrorKind.LIMITED, wait)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused("invalid input", "labelIds contains an unknown id"), SendErrorKind.MISCONFIGURED),
        (refused("something new", "?"), SendErrorKind.RETRY),
        (Answer(200, body=b'{"data": {"issueCreate": {"success": false}}}'), SendErrorKind.RETRY),
        (Answer(200, body=b"<html>"), SendErrorKind.MISCONFIGURED),
    ],
)
def test_other_answers(answer, kind):
    assert failing(answer).kind is kind


def test_a_state_that_is_refused_is_looked_up_anew(linear):
    made = channel(linear.table())
    made.send(message(FIRING), "key")
    made.send(over(), "key-2")
    looked_up = [b"workflowStates" in request.body for request in linear.received].count(True)
    linear.answer_with(refused("invalid input", "stateId is unknown"), LinearStandIn.ACCEPT)
    with pytest.raises(SendError):
        made.send(over(), "key-3")
    made.send(over(), "key-3")
    assert [b"workflowStates" in request.body for request in linear.received].count(True) == looked_up + 1


def test_the_silent_test_names_the_team(linear):
    assert channel(linear.table()).probe() == "GPU agent, team Vision"
    with pytest.raises(SendError, match="no team other"):
        channel(linear.table(team_id="other")).probe()
