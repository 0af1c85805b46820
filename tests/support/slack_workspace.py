"""Slack's Web API as its documentation tells of it, for one bot: channels with messages, threads, edits and files."""

import json
from itertools import count
from urllib.parse import parse_qs

from tests.support.slack import problems
from tests.support.standin import Answer, Received, StandIn

TOKEN = "xoxb-0000000000-1111111111-b0tt0kens3cret0123456789"
UPLOADS = "/upload/v1/"
CHANNEL, CHANNEL_ID = "#gpu-alerts", "C0123456789"
POST_KEYS = {
    "channel", "text", "blocks", "attachments", "unfurl_links", "unfurl_media", "mrkdwn", "metadata", "thread_ts",
    "reply_broadcast",
}  # fmt: skip
EDIT_KEYS = {"channel", "ts", "text", "blocks", "attachments"}


class SlackWorkspace(StandIn):
    """Takes chat.postMessage, chat.update, auth.test and uploads. `messages`: what is shown, by timestamp."""

    ACCEPT = Answer(299)
    """Stands for the answer that Slack would give."""

    def __init__(self, *answers: Answer) -> None:
        self.messages: dict[str, dict] = {}
        self.scopes = {"chat:write", "files:write"}
        self.files: dict[str, bytes] = {}
        self.shared: list[tuple[dict, bytes]] = []
        """What completed each upload, and its file."""
        self._numbers = count(1)
        super().__init__(*(answers or (self.ACCEPT,)))

    def table(self, **changes) -> dict:
        return {"type": "slack", "token": TOKEN, "channel": CHANNEL, "base_url": self.url, **changes}

    def delete(self, ts: str) -> None:
        """Somebody deletes a message."""
        del self.messages[ts]

    def threads(self) -> dict[str, list[str]]:
        """The headlines of each thread, under that of its first message."""
        found = {}
        for ts, message in self.messages.items():
            if "thread_ts" not in message:
                replies = [item for item in self.messages.values() if item.get("thread_ts") == ts]
                found[headline(message)] = [headline(item) for item in replies]
        return found

    def _take(self, request: Received) -> Answer:
        answer = super()._take(request)
        return self._judged(request) if answer is self.ACCEPT else answer

    def _judged(self, request: Received) -> Answer:
        if request.path.startswith(UPLOADS):
            return self._upload(request)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return refused("invalid_auth")
        if request.path == "/api/files.getUploadURLExternal":
            return self._place(parse_qs(request.body.decode()))
        return self._called(request.path.removeprefix("/api/"), request)

    def _called(self, method: str, request: Received) -> Answer:
        body = json.loads(request.body)
        if TOKEN in request.body.decode():
            return refused("invalid_arguments")
        match method:
            case "auth.test":
                return _answer({"ok": True, "team": "Vision", "user": "gpuwarden", "bot_id": "B01"})
            case "chat.postMessage":
                return self._post(body, request.body)
            case "chat.update":
                return self._update(body, request.body)
            case "files.completeUploadExternal":
                return self._share(body)
        return refused("unknown_method")

    def _post(self, body: dict, raw: bytes) -> Answer:
        if body["channel"] not in (CHANNEL, CHANNEL_ID):
            return refused("channel_not_found")
        if body.get("thread_ts", body.get("ts")) not in (None, *self.messages):
            return refused("thread_not_found")
        if post_problems(raw):
            return refused("invalid_blocks")
        ts = f"1700000000.{next(self._numbers):06}"
        self.messages[ts] = body
        return _answer({"ok": True, "channel": CHANNEL_ID, "ts": ts, "message": {"text": body["text"]}})

    def _place(self, fields: dict[str, list[str]]) -> Answer:
        if "files:write" not in self.scopes:
            return refused("missing_scope")
        if fields.keys() != {"filename", "length", "alt_txt"} or not fields["length"][0].isdecimal():
            return refused("invalid_arguments")
        file = f"F{len(self.files):09}"
        return _answer({"ok": True, "upload_url": f"{self.url}{UPLOADS}{file}", "file_id": file})

    def _upload(self, request: Received) -> Answer:
        if "authorization" in request.headers:
            return Answer(400, body=b"a token has no business here")
        self.files[request.path.removeprefix(UPLOADS)] = request.body
        return Answer(200, body=f"OK - {len(request.body)}".encode())

    def _share(self, body: dict) -> Answer:
        (file,) = body["files"]
        root = self.messages.get(body["thread_ts"])
        if body["channel_id"] != CHANNEL_ID or root is None or "thread_ts" in root or file["id"] not in self.files:
            return refused("invalid_arguments")
        self.shared.append((body, self.files[file["id"]]))
        return _answer({"ok": True, "files": [file]})

    def _update(self, body: dict, raw: bytes) -> Answer:
        if body["channel"] != CHANNEL_ID:
            return refused("channel_not_found")
        if body["ts"] not in self.messages:
            return refused("message_not_found")
        if problems(raw) or body.keys() - EDIT_KEYS:
            return refused("invalid_blocks")
        kept = {key: value for key, value in self.messages[body["ts"]].items() if key in ("thread_ts", "metadata")}
        self.messages[body["ts"]] = {**kept, **body}
        return _answer({"ok": True, "channel": CHANNEL_ID, "ts": body["ts"]})


def headline(message: dict) -> str:
    return message["blocks"][0]["text"]["text"] if "blocks" in message else message["text"].splitlines()[0]


def post_problems(raw: bytes) -> list[str]:
    """What Slack would refuse of a new message."""
    body = json.loads(raw)
    found = [f"unknown keys: {sorted(body.keys() - POST_KEYS)}"] if body.keys() - POST_KEYS else []
    if len(json.dumps(body.get("metadata", {}))) > 8_000:
        found.append("metadata_too_large")
    return [*found, *problems(raw)]


def refused(word: str) -> Answer:
    return _answer({"ok": False, "error": word})


def _answer(said: dict) -> Answer:
    return Answer(200, body=json.dumps(said).encode())
