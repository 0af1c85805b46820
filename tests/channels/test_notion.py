import json
from dataclasses import replace

import pytest

from agent.core.model import NotificationKind, Severity, Status
from agent.core.ports import SendError, SendErrorKind
from agent.core.references import References
from tests.channels.samples import FAILED, RESOLVED, channel, message
from tests.support.clock import START
from tests.support.notion import DATABASE, SOURCE, TOKEN, NotionStandIn, refused
from tests.support.standin import Answer

FIRING = replace(RESOLVED, status=Status.FIRING, ends_at=None)
PAGE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def notion():
    with NotionStandIn() as workspace:
        yield workspace


def send(notion, what=None, **table):
    return channel(notion.table(**table)).send(what or message(), "key")


def calls(notion):
    return [f"{request.method} {request.path.removeprefix('/v1')}" for request in notion.received]


def text(words, **more):
    return {"rich_text": [{"type": "text", "text": {"content": words}}], **more}


def block(kind, words, **more):
    return {"type": kind, kind: text(words, **more)}


def over(**changes):
    return message(RESOLVED, NotificationKind.RESOLVED, references=References(ref=PAGE), **changes)


def test_the_exact_page(notion):
    receipt = send(notion)
    assert (receipt.ref, receipt.status) == (PAGE, 200)
    assert calls(notion) == [f"GET /data_sources/{SOURCE}", f"POST /data_sources/{SOURCE}/query", "POST /pages"]
    request = notion.received[-1]
    assert (request.headers["authorization"], request.headers["notion-version"]) == (f"Bearer {TOKEN}", "2025-09-03")
    assert json.loads(request.body) == {
        "parent": {"type": "data_source_id", "data_source_id": SOURCE},
        "properties": {
            "Run": {"title": [{"type": "text", "text": {"content": "Training failed (bert-large)"}}]},
            "Alert key": text("alert-1"),
            "Status": {"status": {"name": "Open"}},
            "Severity": {"select": {"name": "Critical"}},
            "Node": text("node-1"),
            "Final loss": {"number": 0.0213},
            "Started": {"date": {"start": "2026-09-21T14:13:20.000Z"}},
            "Link": {"url": "https://runs.example/1?a=1&b=2"},
            "Type": {"multi_select": [{"name": "job_failed"}]},
            "Resolved": {"checkbox": False},
        },
        "children": [
            block("paragraph", "❌ Training failed\nbert-large ran out of GPU memory at step 4200 of 5000."),
            block("bulleted_list_item", "Model: bert-large"),
            block("bulleted_list_item", "Duration: 2h 05m"),
            block("bulleted_list_item", "Final loss: 0.0213"),
            block("bulleted_list_item", "Steps: 4200/5000"),
            block("bulleted_list_item", "Node: node-1"),
            block("bulleted_list_item", "GPUs: 0, 1"),
            block("bulleted_list_item", "Error: torch.OutOfMemoryError: CUDA out of memory."),
            block(
                "code",
                "Traceback (most recent call last):\n"
                "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost",
                language="plain text",
            ),
            block("callout", "Lower the batch size."),
            {
                "type": "paragraph",
                "paragraph": {
                    "rich_text": [
                        {
                            "type": "text",
                            "text": {"content": "Run page", "link": {"url": "https://runs.example/1?a=1&b=2"}},
                        }
                    ]
                },
            },
            block("paragraph", "job-0123456789ab · node-1"),
        ],
    }


def test_one_page_although_the_answer_to_its_creation_was_lost(notion):
    notion.lost = 1
    with pytest.raises(SendError) as caught:
        send(notion)
    assert caught.value.kind is SendErrorKind.UNCERTAIN
    assert send(notion).ref == PAGE
    assert list(notion.pages) == [PAGE]


def test_the_page_shows_how_things_stand(notion):
    made = channel(notion.table())
    made.send(message(FIRING), "key")
    worse = replace(FIRING, severity=Severity.CRITICAL)
    made.send(message(worse, NotificationKind.ESCALATED, references=References(ref=PAGE)), "key-2")
    assert notion.pages[PAGE]["properties"]["Severity"] == {"select": {"name": "Critical"}}
    made.send(over(), "key-3")
    page = notion.pages[PAGE]
    assert page["properties"]["Status"] == {"status": {"name": "Done"}}
    assert page["properties"]["Ended"] == {"date": {"start": "2026-09-21T14:14:20.000Z"}}
    assert "Resolved" in str(page["children"][-1])
    assert calls(notion).count(f"GET /data_sources/{SOURCE}") == 1


def test_a_page_that_was_deleted_is_made_anew_for_news_and_not_for_an_end(notion):
    gone = References(ref="gone")
    assert send(notion, message(FIRING, NotificationKind.ESCALATED, references=gone)).ref == PAGE
    assert send(notion, message(RESOLVED, NotificationKind.RESOLVED, references=gone)).status is None


def test_an_end_finds_its_page_by_the_key(notion):
    send(notion, message(FIRING))
    send(notion, message(RESOLVED, NotificationKind.RESOLVED))
    assert notion.pages[PAGE]["properties"]["Status"] == {"status": {"name": "Done"}}


def test_a_database_with_one_data_source_is_enough(notion):
    send(notion, database_id=DATABASE)
    assert calls(notion)[:2] == [f"GET /databases/{DATABASE}", f"GET /data_sources/{SOURCE}"]
    notion.sources.append({"id": "other"})
    with pytest.raises(SendError, match="the database has 2 data sources: set data_source_id"):
        send(notion, database_id=DATABASE)


@pytest.mark.parametrize("table", [{}, {"data_source_id": SOURCE, "database_id": DATABASE}])
def test_one_place_is_configured(table):
    with pytest.raises(ValueError, match="expected data_source_id or database_id"):
        channel({"type": "notion", "token": TOKEN, **table})


def test_properties_of_other_names_and_types_are_left_alone(notion):
    notion.shape = {
        "Name": {"type": "title"}, "STATUS": {"type": "select"}, "severity": {"type": "number"},
        "Resolved": {"type": "checkbox"}, "Type": {"type": "multi_select"},
    }  # fmt: skip
    send(notion, message(FIRING))
    properties = notion.pages[PAGE]["properties"]
    assert properties.keys() == {"Name", "STATUS", "Resolved", "Type"}
    assert properties["STATUS"] == {"select": {"name": "Firing"}}
    assert properties["Resolved"] == {"checkbox": False}
    assert properties["Type"] == {"multi_select": [{"name": "disk_warning"}]}


def test_options_of_other_names_are_chosen_by_their_group(notion):
    status = notion.shape["Status"]["status"]
    status["options"] = [{"id": "1", "name": "Kaputt"}, {"id": "2", "name": "Heil"}]
    send(notion, message(FIRING))
    assert notion.pages[PAGE]["properties"]["Status"] == {"status": {"name": "Kaputt"}}


def test_a_property_that_was_renamed_is_looked_up_once_more(notion):
    made = channel(notion.table())
    made.send(message(FIRING), "key")
    notion.shape["Host"] = notion.shape.pop("Node")
    made.send(message(replace(FIRING, id="alert-2")), "key-2")
    assert len(notion.pages) == 2
    assert calls(notion)[-3:] == ["POST /pages", f"GET /data_sources/{SOURCE}", "POST /pages"]


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (refused(400, "validation_error", "children[0] is too long"), SendErrorKind.REJECTED, None),
        (refused(409, "conflict_error", "Conflict"), SendErrorKind.RETRY, None),
        (Answer(429, {"Retry-After": "70"}), SendErrorKind.LIMITED, 70.0),
        (Answer(529, {"Retry-After": "9"}), SendErrorKind.LIMITED, 9.0),
        (Answer(502), SendErrorKind.UNCERTAIN, None),
        (Answer(413), SendErrorKind.REJECTED, None),
        (Answer(200, body=b"<html>"), SendErrorKind.MISCONFIGURED, None),
    ],
)
def test_answers_to_the_writing_of_a_page(answer, kind, wait):
    with NotionStandIn(*[NotionStandIn.ACCEPT] * 2, answer) as notion, pytest.raises(SendError) as caught:
        send(notion)
    assert (caught.value.kind, caught.value.retry_after) == (kind, wait)


def test_a_source_that_is_not_shared(notion):
    with pytest.raises(SendError) as caught:
        send(notion, data_source_id="other")
    assert (caught.value.kind, caught.value.status) == (SendErrorKind.MISCONFIGURED, 404)


def test_long_texts_are_several_pieces(notion):
    send(notion, message(replace(FAILED, evidence=("😀" * 400,) * 4)))
    code = next(item["code"] for item in notion.pages[PAGE]["children"] if item["type"] == "code")
    assert len(code["rich_text"]) > 1


def test_the_silent_test_says_what_is_missing(notion):
    made = channel(notion.table())
    assert made.probe() == "gpuwarden, with access to the data source"
    del notion.shape["Alert key"]
    assert 'no property "Alert key"' in channel(notion.table()).probe()
    assert notion.pages == {}


def test_the_end_of_an_event_is_the_moment_it_was_ended(notion):
    ended = replace(FAILED, ends_at=START + 90_000)
    send(notion)
    send(notion, message(ended, NotificationKind.RESOLVED, now=START + 90_000, references=References(ref=PAGE)))
    assert notion.pages[PAGE]["properties"]["Ended"]["date"]["start"] == "2026-09-21T14:14:50.000Z"
