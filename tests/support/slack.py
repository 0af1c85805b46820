"""Slack's incoming webhook as far as we know it: refuses what Slack refuses, with Slack's words."""

import json
from collections.abc import Iterator

from tests.support.standin import Answer, Received, StandIn

PATH = "/services/T0000TEST/B0000TEST/abcdefghijklmnopqrstuvwx"


class SlackStandIn(StandIn):
    """Answers `ok` to a valid message at `PATH`, and otherwise 400 `invalid_blocks` or 404 `no_service`."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(*(answers or (Answer(200, body=b"ok"),)), judge=self._refuse)
        self.webhook = self.url + PATH

    def _refuse(self, request: Received) -> Answer | None:
        if request.path != PATH:
            return Answer(404, body=b"no_service")
        return Answer(400, body=b"invalid_blocks") if problems(request.body) else None


def problems(body: bytes) -> list[str]:
    """What Slack would refuse or show wrongly; empty when the message is good."""
    message = json.loads(body)
    found = [] if message.get("text") or message.get("blocks") else ["no_text"]
    attached = [block for item in message.get("attachments", ()) for block in item.get("blocks", ())]
    blocks = [*message.get("blocks", ()), *attached]
    if len(blocks) > 50:
        found.append(f"{len(blocks)} blocks")
    found += _text(message.get("text", ""), 4_000, "text")
    return [*found, *(problem for block in blocks for problem in _block(block))]


def _block(block: dict) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield from _object(block["text"], 150, "header", kinds={"plain_text"})
        case "section":
            if "text" not in block and not block.get("fields"):
                yield "a section without text"
            if "text" in block:
                yield from _object(block["text"], 3_000, "section")
            if len(block.get("fields", ())) > 10:
                yield "more than 10 fields"
            for item in block.get("fields", ()):
                yield from _object(item, 2_000, "field")
        case "context":
            if not 1 <= len(block["elements"]) <= 10:
                yield "a context without elements, or with more than 10"
            for item in block["elements"]:
                yield from _object(item, 3_000, "context")
        case "actions":
            if not 1 <= len(block["elements"]) <= 25:
                yield "actions without elements, or with more than 25"
            for item in block["elements"]:
                yield from _object(item["text"], 75, "button", kinds={"plain_text"})
                if len(item["url"]) > 3_000:
                    yield "a button's url of more than 3,000"
        case other:
            yield f"an unknown block {other}"


def _object(text: dict, limit: int, what: str, kinds: frozenset = frozenset({"plain_text", "mrkdwn"})) -> Iterator[str]:
    if text["type"] not in kinds:
        yield f"{what}: a {text['type']} object"
    if text["type"] == "mrkdwn":
        yield from _text(text["text"], limit, what)
    elif not 1 <= len(text["text"]) <= limit:
        yield f"{what}: {len(text['text'])} characters"


def _text(text: str, limit: int, what: str) -> Iterator[str]:
    if not 1 <= len(text) <= limit:
        yield f"{what}: {len(text)} characters"
    unescaped = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    if any(character in unescaped for character in "&<>"):
        yield f"{what}: an unescaped character in {unescaped!r}"
    if text.count("```") % 2:
        yield f"{what}: a fence that does not close"
