"""Keeps one Jira issue for each alert: in the Cloud (v3, documents) or in a Data Center (v2, wiki markup).

Creating is not idempotent, so an issue is first searched for by a label made of the alert's fingerprint.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, ValidationInfo, field_validator

from agent.channels.shared.adf import document
from agent.channels.shared.base import CommonConfig, SecretText, SeverityName, links
from agent.channels.shared.exchange import Request, Response, classify_status, not_the_vendor, refusal
from agent.channels.shared.fit import fitted
from agent.channels.shared.http import Ask
from agent.channels.shared.markup import Markup, plain_text
from agent.channels.shared.posting import JSON_HEADERS, encoded
from agent.channels.shared.tracker import Found, Tracker, summary
from agent.channels.shared.urls import check_base, rebase
from agent.core.message import Message
from agent.core.model import Json, Severity
from agent.core.ports import Receipt, SendErrorKind
from agent.core.text import cut

SUMMARY_LIMIT, TEXT_LIMIT = 255, 32_767
"""Characters; of a document, those of its JSON."""
PRIORITIES: Mapping[Severity, str] = {Severity.CRITICAL: "Highest", Severity.WARNING: "Medium", Severity.INFO: "Low"}

OPTIONAL = frozenset({"priority", "labels"})
"""Fields that a site may not have on its screens: where one is refused, the issue is made without it."""
OWN_TEXT = frozenset({"summary", "description", "comment"})
"""Fields that are the message's own; any other that is refused is a matter of the settings."""
PASSING = frozenset({HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "jira"`: a Cloud site with `email` and `token`, a Data Center with `token`."""

    STATEFUL: ClassVar[bool] = True
    IDEMPOTENT: ClassVar[bool] = True

    type: Literal["jira"]
    url: str
    """The site, such as `https://example.atlassian.net`."""
    email: str | None = Field(default=None, pattern=r"^[^\s:@]+@[^\s:@]+$")
    token: SecretText
    project: str = Field(pattern=r"^[A-Za-z0-9_]+$")
    """The key of a project, or its id."""
    issue_type: str = Field(default="Task", min_length=1)
    min_severity: SeverityName = Field(default=Severity.WARNING)
    quiet_hours: bool = False

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str, info: ValidationInfo) -> str:
        elsewhere = info.data.get("base_url") is not None
        return check_base(url, allow_insecure=elsewhere or info.data.get("allow_insecure", False))

    @property
    def address(self) -> str:
        """The site to call; no secret."""
        return rebase(self.url, self.base_url)

    @property
    def api(self) -> str:
        """Where the interface of this kind of Jira begins."""
        return f"{self.address}/rest/api/{3 if self.email else 2}"

    @property
    def authorization(self) -> str:
        """The value of the header that logs in, a secret."""
        if self.email is None:
            return f"Bearer {self.token.reveal()}"
        return f"Basic {b64encode(f'{self.email}:{self.token.reveal()}'.encode()).decode()}"


class Channel(Tracker[Config]):
    """Creates, comments and transitions issues."""

    def find(self, ask: Ask, message: Message) -> Found | None:
        """Search for an issue with the alert's label that is not done."""
        config = self._config
        jql = f'project = "{config.project}" AND labels = "{label(message)}" AND statusCategory != Done'
        path = "/search/jql" if config.email else "/search"
        response = ask(self._request("POST", path, {"jql": jql, "maxResults": 2, "fields": ["labels"]}))
        if response.status == HTTPStatus.BAD_REQUEST:  # it names a project that is not there, not the message
            raise refusal(SendErrorKind.MISCONFIGURED, response, self._tools.redactor, reason="client_error")
        issues = self._good(response).object.get("issues")
        if not isinstance(issues, list):
            raise not_the_vendor(response, self._tools.redactor)
        if not issues:
            return None
        return Found(str(issues[0]["key"]), own_label(message) in issues[0].get("fields", {}).get("labels", ()))

    def open(self, ask: Ask, message: Message, key: str) -> Receipt:  # noqa: ARG002 - Jira takes no key
        """Create the issue, without those fields that this site does not have."""
        fields = self._fields(message)
        response = ask(self._request("POST", "/issue", {"fields": fields}))
        refused = OPTIONAL & _errors(response).keys()
        if response.status == HTTPStatus.BAD_REQUEST and refused:
            fields = {name: value for name, value in fields.items() if name not in refused}
            response = ask(self._request("POST", "/issue", {"fields": fields}))
        made = self._good(response).object.get("key")
        if not isinstance(made, str):
            raise not_the_vendor(response, self._tools.redactor)
        return Receipt(made, response.status)

    def add(self, ask: Ask, ref: str, message: Message, key: str) -> int | None:  # noqa: ARG002 - as above
        """Comment on the issue."""
        body = {"body": self._text(message)}
        response = ask(self._request("POST", f"/issue/{quote(ref, safe='')}/comment", body))
        return None if response.status == HTTPStatus.NOT_FOUND else self._good(response).status

    def end(self, ask: Ask, ref: str, message: Message, key: str) -> int | None:
        """Comment on the issue, and move it to done by the first way that its workflow has."""
        if self.add(ask, ref, message, key) is None:
            return None
        path = f"/issue/{quote(ref, safe='')}/transitions"
        ways = self._good(ask(self._request("GET", path))).object.get("transitions")
        done = next((way for way in ways or () if _leads_to_done(way)), None)
        if done is None:  # a person was quicker, or the workflow wants one
            return HTTPStatus.OK
        return self._good(ask(self._request("POST", path, {"transition": {"id": done["id"]}}))).status

    def probe(self) -> str:
        """Ask who we are, and whether the project has the issue type. Raises SendError."""
        ask, config = self._tools.http.calls(self._config.timeout), self._config
        me = self._good(ask(self._request("GET", "/myself"))).object
        path = f"/issue/createmeta/{config.project}/issuetypes"
        response = self._good(ask(self._request("GET", path)))
        kinds = response.object.get("issueTypes", response.object.get("values", ()))
        if config.issue_type not in [kind.get("name") for kind in kinds]:
            text = f"the project {config.project} has no issue type {config.issue_type!r} that this account may create"
            raise refusal(SendErrorKind.MISCONFIGURED, replace(response, body=text.encode()), self._tools.redactor,
                          reason="client_error")  # fmt: skip
        return f"{me.get('displayName')}, project {config.project}"

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show the request that creates the issue."""
        return self._request("POST", "/issue", {"fields": self._fields(message)}).preview({"authorization"})

    def _request(self, method: str, path: str, body: Json = None) -> Request:
        headers = {**JSON_HEADERS, "Accept": "application/json", "Authorization": self._config.authorization}
        return Request(method, self._config.api + path, headers, b"" if body is None else encoded(body))

    def _fields(self, message: Message) -> dict[str, Json]:
        project = self._config.project
        return {
            "project": {"id" if project.isdecimal() else "key": project},
            "issuetype": {"name": self._config.issue_type},
            "summary": cut(summary(message), SUMMARY_LIMIT),
            "description": self._text(message),
            "labels": ["gpuwarden", label(message), own_label(message)],
            "priority": {"name": PRIORITIES[message.severity]},
        }

    def _text(self, message: Message) -> Json:
        """The message as this kind of Jira takes it; the plain form is one block without markup."""
        told = replace(message, links=links(message, self._config.link))
        if self._config.email is None:
            return fitted(told, TEXT_LIMIT, _unformatted if message.plain else WIKI.write)
        if message.plain:
            told = replace(told, facts=(), body=plain_text(replace(told, evidence=())), advice=None, links=())
        return json.loads(fitted(told, TEXT_LIMIT, lambda shorter: json.dumps(document(shorter), ensure_ascii=False)))

    def _good(self, response: Response) -> Response:
        """Pass on an answer that says yes. Raises SendError."""
        error = classify_status(response, self._tools.clock.now().wall, self._tools.redactor)
        if error is None:
            return response
        if response.status in PASSING:
            raise refusal(SendErrorKind.RETRY, response, self._tools.redactor, reason="server_error")
        if error.kind is SendErrorKind.REJECTED and _errors(response).keys() - OWN_TEXT - OPTIONAL:
            raise refusal(SendErrorKind.MISCONFIGURED, response, self._tools.redactor, reason="client_error")
        raise error


def label(message: Message) -> str:
    """The label of everything about the same thing; it has no spaces."""
    return f"gpuwarden-{message.alert.fingerprint}"


def own_label(message: Message) -> str:
    """The label of this very alert."""
    return f"gpuwarden-alert-{message.alert.id}"


def escape(text: str) -> str:
    """Escape what Jira's wiki markup would read."""
    return _MARKUP.sub(r"\\\1", text)


_MARKUP = re.compile(r"([\\{}\[\]*_|!+^~?#-])")
_NOFORMAT = "{noformat}"


def _block(lines: Sequence[str]) -> str:
    harmless = "\n".join(lines).replace(_NOFORMAT, "{ noformat}")
    return f"{_NOFORMAT}\n{harmless}\n{_NOFORMAT}"


def _unformatted(message: Message) -> str:
    return _block(plain_text(message).split("\n"))


WIKI = Markup(
    escape,
    title="*{}*",
    label="*{}:*",
    code=_block,
    link="[{0}|{1}]",
    target=lambda url: quote(url, safe="%/:?&=#@!$+,;~'()-._"),
)


def _errors(response: Response) -> Mapping[str, Json]:
    found = response.object.get("errors")
    return found if isinstance(found, dict) else {}


def _leads_to_done(way: Json) -> bool:
    return bool(way.get("to", {}).get("statusCategory", {}).get("key") == "done")
