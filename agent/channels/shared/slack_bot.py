"""Slack's Web API with a bot's token: one thread a job, whose first message shows the final state.

A thread's first message is edited before anything is posted, so that a repeat after a failure posts once. A picture
follows its message into the thread, if the bot may upload files. What Slack says is a word in the body of a 200; a word
that nobody knows is tried again, since nothing is lost by that.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from agent.channels.shared.base import Tools
from agent.channels.shared.exchange import Request, Response, classify_status, not_the_vendor, refusal, retry_after
from agent.channels.shared.http import Ask
from agent.channels.shared.multipart import FILE_NAME
from agent.channels.shared.posting import JSON_HEADERS, encoded
from agent.channels.shared.urls import check_url
from agent.core.message import Message
from agent.core.model import AlertType, Json, Severity, Status
from agent.core.ports import Receipt, SendError, SendErrorKind
from agent.core.redact import Secret

SERVER = "https://slack.com"
FORM = "application/x-www-form-urlencoded"
ENDS = frozenset({AlertType.JOB_COMPLETED, AlertType.JOB_FAILED, AlertType.JOB_CANCELLED})
"""What ends a job, and so is what its thread shows first."""

_ID = re.compile(r"[CGD][A-Z0-9]{8,}")

NO_THREAD = frozenset({"thread_not_found", "cannot_reply_to_message"})
NO_EDIT = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})

_REJECTED = (SendErrorKind.REJECTED, "client_error")
_FORBIDDEN = (SendErrorKind.MISCONFIGURED, "auth_error")
_GONE = (SendErrorKind.MISCONFIGURED, "gone")
_BUSY = (SendErrorKind.RETRY, "server_error")

ERRORS: Mapping[str, tuple[SendErrorKind, str]] = {
    **dict.fromkeys(
        ("invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text",
         "too_many_attachments", "invalid_arguments", "metadata_too_large"), _REJECTED,
    ),
    **dict.fromkeys(
        ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope",
         "no_permission", "org_login_required", "ekm_access_denied", "access_denied"), _FORBIDDEN,
    ),
    **dict.fromkeys(("channel_not_found", "not_in_channel", "is_archived"), _GONE),
    **dict.fromkeys(("ratelimited", "rate_limited"), (SendErrorKind.LIMITED, "rate_limited")),
    **dict.fromkeys(
        ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"), _BUSY
    ),
}  # fmt: skip
"""What Slack's words mean; `restricted_action` and what begins so forbid too."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands: a channel's id, which alone can be edited in, and the message's timestamp there."""

    channel: str
    ts: str

    def __str__(self) -> str:
        return f"{self.channel}/{self.ts}"

    @classmethod
    def read(cls, reference: str | None) -> "Place | None":
        """Read a stored reference; None for one of another making, as of a webhook configured before."""
        channel, slash, ts = (reference or "").partition("/")
        return cls(channel, ts) if slash and ts else None


class Bot:
    """Posts to one channel, given by name or id, as the owner of `token`."""

    def __init__(self, server: str, token: Secret, channel: str, tools: Tools) -> None:
        self._server = server
        self._token = token
        self._channel = channel
        self._tools = tools

    def send(self, message: Message, content: Mapping[str, Json], key: str, timeout: float) -> Receipt:
        """Bring what was posted before up to date, then post to its thread. Raises SendError."""
        picture = self._tools.picture(message)
        ask = self._tools.http.calls(timeout)
        own, thread = self._known(message)
        for place in _outdated(message, own, thread):
            if self._call(ask, "chat.update", self._edit(place, content), NO_EDIT) is None and place == thread:
                thread = None
        posted = None
        if thread is not None:
            body = self._post(message, content, key, thread)
            posted = self._call(ask, "chat.postMessage", body, NO_THREAD)
        if posted is None:
            thread, posted = None, self._call(ask, "chat.postMessage", self._post(message, content, key, None))
        assert posted is not None
        place = _place(posted)
        root = thread or place
        if picture is not None and message.chart is not None:
            with contextlib.suppress(SendError, ValueError):  # the message has arrived, and must not be sent again
                self._upload(self._tools.afterwards(), picture, message.chart.title, root)
        ref = str(place) if own is None or thread is None else str(own)
        return Receipt(ref, status=posted.status, job_ref=str(root) if message.alert.job_id else None)

    def probe(self, timeout: float) -> str:
        """Ask whose token it is. Raises SendError."""
        answer = self._call(self._tools.http.calls(timeout), "auth.test", {})
        said = answer.object if answer is not None else {}
        return f"{said.get('user')} in the workspace {said.get('team')}"

    def request(self, method: str, body: Mapping[str, Json]) -> Request:
        """Build one call of the Web API."""
        return self._request(method, JSON_HEADERS["Content-Type"], encoded(dict(body)))

    def _request(self, method: str, content_type: str, content: bytes) -> Request:
        headers = {"Content-Type": content_type, "Authorization": f"Bearer {self._token.reveal()}"}
        return Request("POST", f"{self._server}/api/{method}", headers, content)

    def first(self, message: Message, content: Mapping[str, Json], key: str) -> Request:
        """Build the call that posts the message, in the thread that is known."""
        _, thread = self._known(message)
        return self.request("chat.postMessage", self._post(message, content, key, thread))

    def _known(self, message: Message) -> tuple[Place | None, Place | None]:
        """Where the alert's own message stands, and its thread; not what stands in a channel configured before."""
        own, thread = Place.read(message.references.ref), Place.read(message.references.job_ref)
        places = [place if place and self._is_here(place) else None for place in (own, thread)]
        return places[0], places[1] or places[0]

    def _is_here(self, place: Place) -> bool:
        """Whether it is in the present channel; a channel that is configured by its name gives no way to tell."""
        return self._channel == place.channel or not _ID.fullmatch(self._channel)

    def _post(
        self, message: Message, content: Mapping[str, Json], key: str, thread: Place | None
    ) -> dict[str, Json]:
        told = {"alert_id": message.alert.id, "delivery_id": key}
        body = {
            "channel": self._channel if thread is None else thread.channel,
            **content,
            "metadata": {"event_type": "gpuwarden_alert", "event_payload": told},
        }
        if thread is None:
            return body
        loud = message.severity is Severity.CRITICAL or _final(message)
        return {**body, "thread_ts": thread.ts, "reply_broadcast": loud}

    def _edit(self, place: Place, content: Mapping[str, Json]) -> dict[str, Json]:
        """Text without blocks would drop those that are there."""
        kept = {name: value for name, value in content.items() if name in ("text", "blocks", "attachments")}
        return {"channel": place.channel, "ts": place.ts, **kept}

    def _upload(self, ask: Ask, picture: bytes, title: str, thread: Place) -> None:
        """Show a picture in a thread: ask where to put it, put it there, share it. Raises SendError or ValueError."""
        wanted = urlencode({"filename": FILE_NAME, "length": len(picture), "alt_txt": title})
        found = self._judge(ask(self._request("files.getUploadURLExternal", FORM, wanted.encode()))).object
        put = Request("POST", check_url(str(found.get("upload_url"))), {"Content-Type": "image/png"}, picture)
        error = classify_status(ask(put), self._tools.clock.now().wall, self._tools.redactor)
        if error is not None:
            raise error
        file = {"id": found.get("file_id"), "title": title}
        shared = {"files": [file], "channel_id": thread.channel, "thread_ts": thread.ts}
        self._call(ask, "files.completeUploadExternal", shared)

    def _call(
        self, ask: Ask, method: str, body: Mapping[str, Json], gone: frozenset[str] = frozenset()
    ) -> Response | None:
        """Make one call; None where Slack says one of the words in `gone`. Raises SendError."""
        response = ask(self.request(method, body))
        return None if response.object.get("error") in gone else self._judge(response)

    def _judge(self, response: Response) -> Response:
        """Return the answer if Slack says that all is well. Raises SendError."""
        said, now, redactor = response.object, self._tools.clock.now().wall, self._tools.redactor
        if said.get("ok") is True:
            return response
        word = said.get("error")
        error = classify_status(response, now, redactor)
        if not isinstance(word, str):
            raise error or not_the_vendor(response, redactor)
        kind, reason = _FORBIDDEN if word.startswith("restricted_action") else ERRORS.get(word, _BUSY)
        raise refusal(kind, response, redactor, reason=reason, retry_after=retry_after(response.headers, now))


def _outdated(message: Message, own: Place | None, thread: Place | None) -> list[Place]:
    """The earlier messages that no longer show how things stand: the alert's own, and the thread's at the job's end."""
    at_end = thread if message.alert.type in ENDS else None
    return list(dict.fromkeys(place for place in (own, at_end) if place is not None))


def _final(message: Message) -> bool:
    return message.status is Status.RESOLVED or message.alert.type in ENDS


def _place(posted: Response) -> Place:
    return Place(str(posted.object.get("channel")), str(posted.object.get("ts")))
