"""A group that moves while nobody looks, and markup that Telegram refuses (edge case E8)."""

import json

import pytest

from tests.support.agent import until
from tests.support.standin import Answer
from tests.support.telegram import GROUP, TOKEN, TelegramStandIn

NEW = -1009999999999
CONFIG = """
[channels.phone]
type = "telegram"
token = "{token}"
chat_id = {group}
base_url = "{url}"
"""


@pytest.fixture
def telegram():
    with TelegramStandIn() as receiver:
        yield receiver


def started(agents, telegram):
    return agents(CONFIG.format(token=TOKEN, group=GROUP, url=telegram.url)).start()


def asked(telegram):
    return [json.loads(request.body)["chat_id"] for request in telegram.received]


def test_a_moved_group_is_remembered_over_a_crash(agents, telegram):
    telegram.migrate(GROUP, NEW)
    agent = started(agents, telegram)
    agent.run("emit", "job_failed", "--job", "one")
    until(lambda: agent.history() and agent.history()[0]["deliveries"][0]["state"] == "delivered", "the first message")
    agent.kill()
    agent.start()
    agent.run("emit", "gpu_oom", "--job", "two")
    until(lambda: len(telegram.shown) == 2, "the second message")
    assert asked(telegram) == [GROUP, NEW, NEW]
    first, second = telegram.shown
    assert f"set chat_id = {NEW}" in first["text"]
    assert f"set chat_id = {NEW}" not in second["text"]


def test_refused_markup_is_sent_plain_once_and_delivered(agents, telegram):
    refusal = {"ok": False, "error_code": 400, "description": "Bad Request: can't parse entities"}
    telegram.answer_with(Answer(400, body=json.dumps(refusal).encode()), TelegramStandIn.ACCEPT)
    agent = started(agents, telegram)
    agent.run("emit", "job_failed", "--job", "one", "--message", "<b>& so on")
    (shown,) = until(lambda: list(telegram.shown), "the plain message")
    assert "parse_mode" not in shown
    assert "<b>& so on" in shown["text"]
    first, second = (json.loads(request.body) for request in telegram.wait_for(2))
    assert (first.get("parse_mode"), second.get("parse_mode")) == ("HTML", None)
    (delivery,) = until(
        lambda: [item for item in agent.history()[0]["deliveries"] if item["state"] == "delivered"], "the receipt"
    )
    assert (delivery["attempts"], delivery["provider_ref"]) == (2, "1")
