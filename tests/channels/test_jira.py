import json
from dataclasses import replace

import pytest

from agent.core.model import NotificationKind, Severity, Status
from agent.core.ports import SendError, SendErrorKind
from agent.core.references import References
from tests.channels.samples import FAILED, RESOLVED, channel, message
from tests.support.jira import TOKEN, JiraStandIn
from tests.support.standin import Answer

FIRING = replace(RESOLVED, status=Status.FIRING, ends_at=None)
OVER = message(RESOLVED, NotificationKind.RESOLVED)


@pytest.fixture(params=[True, False], ids=["cloud", "data center"])
def jira(request):
    with JiraStandIn(cloud=request.param) as site:
        yield site


@pytest.fixture
def cloud():
    with JiraStandIn() as site:
        yield site


def send(jira, what=None, **table):
    return channel(jira.table(**table)).send(what or message(), "key")


def refused(jira, what=None, **table):
    with pytest.raises(SendError) as caught:
        send(jira, what, **table)
    return caught.value


def paths(jira):
    return [f"{request.method} {request.path}" for request in jira.received]


def paragraph(*content):
    return {"type": "paragraph", "content": list(content)}


def text(words, *marks):
    return {"type": "text", "text": words, **({"marks": list(marks)} if marks else {})}


STRONG = {"type": "strong"}


def test_the_exact_issue_in_the_cloud(cloud):
    receipt = send(cloud)
    assert (receipt.ref, receipt.status) == ("OPS-1", 201)
    assert paths(cloud) == ["POST /rest/api/3/search/jql", "POST /rest/api/3/issue"]
    assert json.loads(cloud.received[0].body) == {
        "jql": f'project = "OPS" AND labels = "gpuwarden-{"f" * 32}" AND statusCategory != Done',
        "maxResults": 2,
        "fields": ["labels"],
    }
    facts = [
        ("Model", "bert-large"), ("Duration", "2h 05m"), ("Final loss", "0.0213"), ("Steps", "4200/5000"),
        ("Node", "node-1"), ("GPUs", "0, 1"), ("Error", "torch.OutOfMemoryError: CUDA out of memory."),
    ]  # fmt: skip
    items = [
        {"type": "listItem", "content": [paragraph(text(f"{name}: ", STRONG), text(value))]} for name, value in facts
    ]
    log = "Traceback (most recent call last):\ntorch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost"
    link = {"type": "link", "attrs": {"href": "https://runs.example/1?a=1&b=2"}}
    assert json.loads(cloud.received[1].body) == {
        "fields": {
            "project": {"key": "OPS"},
            "issuetype": {"name": "Task"},
            "summary": "Training failed (bert-large)",
            "labels": ["gpuwarden", f"gpuwarden-{'f' * 32}", "gpuwarden-alert-alert-1"],
            "priority": {"name": "Highest"},
            "description": {
                "type": "doc",
                "version": 1,
                "content": [
                    paragraph(text("❌ Training failed", STRONG)),
                    paragraph(text("bert-large ran out of GPU memory at step 4200 of 5000.")),
                    {"type": "bulletList", "content": items},
                    {"type": "codeBlock", "attrs": {"language": "text"}, "content": [text(log)]},
                    paragraph(text("Advice: ", STRONG), text("Lower the batch size.")),
                    paragraph(text("Run page", link)),
                    paragraph(text("job-0123456789ab · node-1")),
                ],
            },
        }
    }


def test_the_exact_issue_in_a_data_center():
    with JiraStandIn(cloud=False) as jira:
        send(jira)
    assert paths(jira) == ["POST /rest/api/2/search", "POST /rest/api/2/issue"]
    assert jira.received[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(jira.received[1].body)["fields"]["description"] == (
        "*❌ Training failed*\nbert\\-large ran out of GPU memory at step 4200 of 5000.\n*Model:* bert\\-large\n"
        "*Duration:* 2h 05m\n*Final loss:* 0.0213\n*Steps:* 4200/5000\n*Node:* node\\-1\n*GPUs:* 0, 1\n"
        "*Error:* torch.OutOfMemoryError: CUDA out of memory.\n{noformat}\nTraceback (most recent call last):\n"
        "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost\n{noformat}\n*Advice:* Lower the batch size.\n"
        "[Run page|https://runs.example/1?a=1&b=2]\njob\\-0123456789ab · node\\-1"
    )


def test_one_issue_although_the_answer_to_its_creation_was_lost(jira):
    jira.lost = 1
    assert refused(jira, message(FIRING)).kind is SendErrorKind.UNCERTAIN
    receipt = send(jira, message(FIRING, uncertain=True))
    assert receipt.ref == "OPS-1"
    assert len(jira.issues) == 1
    assert jira.issues[0].comments == []


def test_news_are_comments_and_the_end_is_a_transition(jira):
    receipt = send(jira, message(FIRING))
    known = References(ref=receipt.ref)
    worse = message(replace(FIRING, severity=Severity.CRITICAL), NotificationKind.ESCALATED, references=known)
    assert send(jira, worse).ref == "OPS-1"
    assert send(jira, message(RESOLVED, NotificationKind.RESOLVED, references=known)).status == 204
    (issue,) = jira.issues
    assert issue.done
    assert ["Disk 92 % full" in str(comment) for comment in issue.comments] == [True, True]
    assert "Resolved" in str(issue.comments[1])


def test_an_alert_that_comes_again_is_a_comment_while_the_issue_is_open_and_a_new_one_after(jira):
    send(jira, message(FIRING))
    send(jira, message(replace(FIRING, id="alert-2")))
    assert len(jira.issues) == len(jira.issues[0].comments) == 1
    jira.issues[0].done = True
    send(jira, message(replace(FIRING, id="alert-3")))
    assert len(jira.issues) == 2


def test_an_issue_that_somebody_deleted_is_made_anew(jira):
    gone = References(ref="OPS-99")
    assert send(jira, message(FIRING, NotificationKind.ESCALATED, references=gone)).ref == "OPS-1"
    assert send(jira, message(RESOLVED, NotificationKind.RESOLVED, references=gone)).status is None


def test_what_was_never_told_needs_no_end(jira):
    assert send(jira, OVER).ref is None
    assert jira.issues == []


def test_an_issue_that_cannot_be_moved_keeps_the_comment(jira):
    jira.workflow = jira.workflow[:1]
    known = References(ref=send(jira, message(FIRING)).ref)
    send(jira, message(RESOLVED, NotificationKind.RESOLVED, references=known))
    assert (jira.issues[0].done, len(jira.issues[0].comments)) == (False, 1)


def test_fields_that_are_on_no_screen_are_left_out(jira):
    jira.screenless = {"priority", "labels"}
    send(jira)
    assert jira.issues[0].fields.keys() == {"project", "issuetype", "summary", "description"}


def test_priorities(jira):
    for severity in Severity:
        send(jira, message(replace(FIRING, severity=severity, fingerprint=str(severity) * 5)))
    assert [issue.fields["priority"]["name"] for issue in jira.issues] == ["Low", "Medium", "Highest"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"issue_type": "Incident"}, SendErrorKind.MISCONFIGURED), ({"project": "NO"}, SendErrorKind.MISCONFIGURED)],
)
def test_what_the_configuration_gets_wrong(jira, changes, kind):
    assert refused(jira, **changes).kind is kind


def answers(status, body=b"{}", headers=None):
    return JiraStandIn(Answer(200, body=b'{"issues": []}'), Answer(status, headers or {}, body))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"errors": {"description": "too long"}}', SendErrorKind.REJECTED),
        (400, b'{"errors": {"customfield_1": "Team is required."}}', SendErrorKind.MISCONFIGURED),
        (400, b'{"errors": {"project": "valid project is required"}}', SendErrorKind.MISCONFIGURED),
        (401, b"", SendErrorKind.MISCONFIGURED),
        (404, b"", SendErrorKind.MISCONFIGURED),
        (409, b"", SendErrorKind.RETRY),
        (412, b"", SendErrorKind.RETRY),
        (413, b"", SendErrorKind.REJECTED),
        (503, b"", SendErrorKind.RETRY),
        (200, b"<html>", SendErrorKind.MISCONFIGURED),
    ],
)
def test_answers_mean_what_jira_says(status, body, kind):
    with answers(status, body) as jira:
        assert refused(jira).kind is kind


def test_a_named_wait_with_503():
    with answers(503, headers={"Retry-After": "9"}) as jira:
        error = refused(jira)
    assert (error.kind, error.retry_after) == (SendErrorKind.LIMITED, 9.0)


def test_the_silent_test_looks_for_project_and_issue_type(jira):
    assert channel(jira.table()).probe() == "GPU agent, project OPS"
    with pytest.raises(SendError, match="no issue type 'Incident'"):
        channel(jira.table(issue_type="Incident")).probe()
    assert jira.issues == []


def test_markup_in_a_log_does_nothing():
    lines = ("{noformat} {code} [~admin] *b*",)
    with JiraStandIn(cloud=False) as jira:
        send(jira, message(replace(FAILED, title="{color:red}x{color} [~admin]", evidence=lines)))
    shown = jira.issues[0].fields["description"]
    assert shown.startswith("*❌ \\{color:red\\}x\\{color\\} \\[\\~admin\\]*")
    assert "{noformat}\n{ noformat} {code} [~admin] *b*\n{noformat}" in shown
