"""Discord's webhook as its documentation tells of it: refuses what Discord refuses, with Discord's codes."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from tests.support.forms import Part, form
from tests.support.standin import Answer, Received, StandIn

PATH = "/api/webhooks/1100000000000000001/AbCdEfGhIjKlMnOpQrStUvWxYz-0123456789_abcdefghijklmnopqrstuvwxyz0123"
SAVED = json.dumps({"id": "1200000000000000002", "type": 0, "embeds": []}).encode()
WEBHOOK = json.dumps({"id": "1100000000000000001", "type": 1, "name": "gpuwarden", "channel_id": "1"}).encode()
EMBED_KEYS = {"title", "description", "color", "fields", "footer", "timestamp", "url", "image"}


class DiscordStandIn(StandIn):
    """Answers with the saved message at `PATH`, and otherwise 400 code 50035 or 404 code 10015; it can be edited."""

    def __init__(self, *answers: Answer) -> None:
        self.shown: dict[str, dict] = {}
        self.takes_files = True
        super().__init__(*(answers or (Answer(200, body=SAVED),)), judge=self._refuse)
        self.webhook = self.url + PATH

    def _refuse(self, request: Received) -> Answer | None:
        address = urlsplit(request.path)
        if request.method == "PATCH":
            return self._edit(address.path.removeprefix(f"{PATH}/messages/"), request.body)
        if address.path != PATH:
            return Answer(404, body=b'{"message": "Unknown Webhook", "code": 10015}')
        if request.method == "GET":
            return Answer(200, body=WEBHOOK)
        if parse_qs(address.query).get("wait") != ["true"]:
            return Answer(204)
        parts = form(request) if request.headers["content-type"].startswith("multipart/") else {}
        if parts and not self.takes_files:
            return Answer(413, body=b'{"code": 40005, "message": "Request entity too large"}')
        body = parts["payload_json"].content if parts else request.body
        bad = problems(body) or ["an image that is none"] * (pictures(json.loads(body)) != _files(parts))
        if bad:
            return Answer(400, body=json.dumps({"code": 50035, "message": bad[0]}).encode())
        self.shown[json.loads(SAVED)["id"]] = json.loads(body)
        return None

    def _edit(self, message_id: str, body: bytes) -> Answer:
        if message_id not in self.shown:
            return Answer(404, body=b'{"message": "Unknown Message", "code": 10008}')
        edited = json.loads(body)
        if "flags" in edited or problems(body):
            return Answer(400, body=b'{"code": 50035, "message": "Invalid Form Body"}')
        self.shown[message_id] |= edited
        return Answer(200, body=json.dumps({"id": message_id}).encode())


def _files(parts: dict[str, Part]) -> list[str]:
    return [f"attachment://{part.filename}" for name, part in parts.items() if name.startswith("files[")]


def pictures(message: dict) -> list[str]:
    return [embed["image"]["url"] for embed in message.get("embeds", []) if "image" in embed]


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def problems(body: bytes) -> list[str]:
    """What Discord would refuse, or let ping somebody; empty when the message is good."""
    message = json.loads(body)
    found = [] if message.get("content") or message.get("embeds") else ["50006: empty"]
    if message.keys() - {"content", "embeds", "allowed_mentions", "flags", "username"}:
        found.append(f"unknown keys: {sorted(message)}")
    if message.get("allowed_mentions") != {"parse": []}:
        found.append("mentions are allowed")
    if units(message.get("content", "")) > 2_000:
        found.append(f"content: {units(message['content'])} characters")
    embeds = message.get("embeds", [])
    if len(embeds) > 10:
        found.append(f"{len(embeds)} embeds")
    total = sum(units(text) for embed in embeds for text in _texts(embed))
    if total > 6_000:
        found.append(f"{total} characters in all")
    return [*found, *(problem for embed in embeds for problem in _embed(embed))]


def _texts(embed: dict) -> Iterator[str]:
    yield embed.get("title", "")
    yield embed.get("description", "")
    yield embed.get("footer", {}).get("text", "")
    for field in embed.get("fields", []):
        yield field["name"]
        yield field["value"]


def _embed(embed: dict) -> Iterator[str]:
    if embed.keys() - EMBED_KEYS:
        yield f"unknown keys of an embed: {sorted(embed)}"
    if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
        yield "a colour that is none"
    for name, limit in (("title", 256), ("description", 4_096)):
        if name in embed and not 1 <= units(embed[name]) <= limit:
            yield f"{name}: {units(embed[name])} characters"
    if embed.get("description", "").count("```") % 2:
        yield "a fence that does not close"
    if units(embed.get("footer", {}).get("text", "")) > 2_048:
        yield "footer too long"
    if len(embed.get("fields", [])) > 25:
        yield "more than 25 fields"
    for field in embed.get("fields", []):
        if not 1 <= units(field["name"]) <= 256 or not 1 <= units(field["value"]) <= 1_024:
            yield f"a field of {units(field['name'])} and {units(field['value'])} characters"
