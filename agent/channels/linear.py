"""Keeps one Linear issue for each alert.

The agent chooses the ids of issues and comments, the same ones at every attempt, so that a repeat is refused as known.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import ClassVar, Literal

from pydantic import Field

from agent.channels.shared.base import CommonConfig, SecretText, SeverityName, Tools, links
from agent.channels.shared.fit import fitted
from agent.channels.shared.http import Ask
from agent.channels.shared.linear_api import Exists, Gone, LinearApi
from agent.channels.shared.markup import Markup, backslashed, in_parentheses, plain_text
from agent.channels.shared.tracker import Found, Tracker, summary
from agent.core.message import Message
from agent.core.model import Json, NotificationKind, Severity
from agent.core.ports import Receipt, SendError, SendErrorKind
from agent.core.text import cut

SERVER = "https://api.linear.app"
TITLE_LIMIT, TEXT_LIMIT = 255, 20_000
"""Characters; Linear names no limits."""
PRIORITIES: Mapping[Severity, int] = {Severity.CRITICAL: 1, Severity.WARNING: 3, Severity.INFO: 4}
"""Linear counts from 1, urgent; 0 is none."""

ISSUE = "mutation($input: IssueCreateInput!) { issueCreate(input: $input) { success issue { id identifier url } } }"
COMMENT = "mutation($input: CommentCreateInput!) { commentCreate(input: $input) { success } }"
UPDATE = "mutation($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }"
LABELS = "query($names: [String!]!) { issueLabels(filter: { name: { in: $names } }) { nodes { id name } } }"
DONE = (
    'query($team: ID!) { workflowStates(filter: { type: { eq: "completed" }, team: { id: { eq: $team } } }) '
    "{ nodes { id position } } }"
)
VIEWER = "{ viewer { id name organization { urlKey } } }"
TEAM = "query($team: String!) { team(id: $team) { id name } }"


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "linear"`."""

    STATEFUL: ClassVar[bool] = True
    IDEMPOTENT: ClassVar[bool] = True

    type: Literal["linear"]
    api_key: SecretText
    """A personal key, `lin_api_…`, or an OAuth token."""
    team_id: str = Field(min_length=1)
    """The UUID of a team."""
    labels: tuple[str, ...] = ()
    """Names of labels for every issue."""
    min_severity: SeverityName = Field(default=Severity.WARNING)
    quiet_hours: bool = False

    @property
    def address(self) -> str:
        """The server; no secret."""
        return self.base_url or SERVER


class Channel(Tracker[Config]):
    """Creates issues with ids of its own choice, comments, and completes them."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        super().__init__(name, config, tools)
        self._api = LinearApi(config.address, config.api_key, tools)
        self._labels: list[str] | None = None
        self._done: str | None = None

    def forget(self) -> None:
        """Resolve labels and states again."""
        self._labels = self._done = None

    def find(self, ask: Ask, message: Message) -> Found | None:  # noqa: ARG002 - nothing need be asked
        """Name the issue by its id, which follows from the alert; a first message finds out by creating it."""
        return Found(self._issue_id(message)) if message.kind in _NEWS else None

    def open(self, ask: Ask, message: Message, key: str) -> Receipt:  # noqa: ARG002 - the alert's id is the key
        """Create the issue; one of this id that is there already was made by an earlier attempt."""
        given = self._issue(message, self._label_ids(ask))
        try:
            status = self._api.call(ask, ISSUE, {"input": given}, "issueCreate").status
        except Exists:
            status = HTTPStatus.OK
        except Gone:
            raise _misconfigured(f"Linear has no team {self._config.team_id} that this key may see") from None
        return Receipt(given["id"], status)

    def add(self, ask: Ask, ref: str, message: Message, key: str) -> int | None:
        """Comment on the issue, and give it the priority of the present severity."""
        return self._told(ask, ref, message, key, {"priority": PRIORITIES[message.severity]})

    def end(self, ask: Ask, ref: str, message: Message, key: str) -> int | None:
        """Comment on the issue, and complete it."""
        if self._done is None:
            self._done = self._completed(ask)
        return self._told(ask, ref, message, key, {"stateId": self._done} if self._done else {})

    def probe(self) -> str:
        """Ask whose key it is, and for the team. Raises SendError."""
        ask = self._tools.http.calls(self._config.timeout)
        who = self._api.call(ask, VIEWER, {}, "viewer").said
        try:
            team = self._api.call(ask, TEAM, {"team": self._config.team_id}, "team").said
        except Gone:
            raise _misconfigured(f"Linear has no team {self._config.team_id} that this key may see") from None
        return f"{who.get('name')}, team {team.get('name')}"

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show the request that creates the issue; ids of labels are looked up when it is sent."""
        return self._api.request(ISSUE, {"input": self._issue(message, ())}).preview({"authorization"})

    def _issue(self, message: Message, label_ids: Sequence[str]) -> dict[str, Json]:
        return {
            "id": self._issue_id(message),
            "teamId": self._config.team_id,
            "title": cut(summary(message), TITLE_LIMIT),
            "description": self._text(message),
            "priority": PRIORITIES[message.severity],
            **({"labelIds": list(label_ids)} if label_ids else {}),
        }

    def _told(self, ask: Ask, ref: str, message: Message, key: str, change: Mapping[str, Json]) -> int | None:
        """Comment once, then change the issue; None if it is gone."""
        comment = {"id": chosen_id(key), "issueId": ref, "body": self._text(message)}
        try:
            try:
                status = self._api.call(ask, COMMENT, {"input": comment}, "commentCreate").status
            except Exists:
                status = HTTPStatus.OK
            if change:
                status = self._api.call(ask, UPDATE, {"id": ref, "input": change}, "issueUpdate").status
        except Gone:
            return None
        return status

    def _label_ids(self, ask: Ask) -> list[str]:
        """Look the names up, once. Raises SendError for one that does not exist."""
        wanted = self._config.labels
        if self._labels is None and wanted:
            found = self._api.call(ask, LABELS, {"names": list(wanted)}, "issueLabels").said.get("nodes", ())
            ids = {item["name"]: item["id"] for item in found}
            missing = [name for name in wanted if name not in ids]
            if missing:
                raise _misconfigured(f"Linear has no label {', '.join(missing)}")
            self._labels = [ids[name] for name in wanted]
        return self._labels or []

    def _completed(self, ask: Ask) -> str | None:
        """The team's first state that means completed."""
        found = self._api.call(ask, DONE, {"team": self._config.team_id}, "workflowStates").said.get("nodes", ())
        states = sorted(found, key=lambda state: state.get("position", 0))
        return states[0]["id"] if states else None

    def _text(self, message: Message) -> str:
        told = replace(message, links=links(message, self._config.link))
        return fitted(told, TEXT_LIMIT, _fenced if message.plain else MARKDOWN.write)

    def _issue_id(self, message: Message) -> str:
        return chosen_id(f"{self._config.team_id}\x1f{message.alert.id}")


_NEWS = frozenset({NotificationKind.ESCALATED, NotificationKind.REPEATED, NotificationKind.RESOLVED})


def chosen_id(key: str) -> str:
    """An id of the form that Linear takes, a UUID of version 4, the same for the same key."""
    return str(uuid.UUID(bytes=hashlib.sha256(key.encode("utf-8", "replace")).digest()[:16], version=4))


def _misconfigured(text: str) -> SendError:
    return SendError(SendErrorKind.MISCONFIGURED, text, reason="client_error")


def _code(lines: Sequence[str]) -> str:
    harmless = "\n".join(line.replace("```", "'''") for line in lines)
    return f"```\n{harmless}\n```"


def _fenced(message: Message) -> str:
    return _code(plain_text(message).split("\n"))


MARKDOWN = Markup(
    backslashed(r"\`*_{}[]()#+-!|~@"),
    title="**{}**",
    label="**{}:**",
    code=_code,
    link="[{0}]({1})",
    target=in_parentheses,
    newline="\n\n",
)
