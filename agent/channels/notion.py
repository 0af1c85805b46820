"""Keeps one page for each alert in a Notion data source, with the API of 2025-09-03.

Notion offers no idempotency: where the data source has a text property "Alert key", a page is looked for by it before
one is made. An error of Notion's own while something is written says nothing about whether it was.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, model_validator

from agent.channels.shared.base import CommonConfig, SecretText, Tools, links
from agent.channels.shared.exchange import Request, Response, classify_status, not_the_vendor, refusal, retry_after
from agent.channels.shared.http import Ask
from agent.channels.shared.notion_page import BARE, KEY, Shape, blocks, news, properties
from agent.channels.shared.posting import JSON_HEADERS, encoded
from agent.channels.shared.tracker import Found, Tracker
from agent.core.message import Message
from agent.core.model import Json
from agent.core.ports import Receipt, SendError, SendErrorKind

SERVER = "https://api.notion.com"
VERSION = "2025-09-03"
OVERLOADED = 529
"""Notion's status for a service that has too much to do; it names a wait."""


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "notion"`."""

    STATEFUL: ClassVar[bool] = True
    IDEMPOTENT: ClassVar[bool] = True

    type: Literal["notion"]
    token: SecretText
    """An internal integration's, `ntn_…`."""
    data_source_id: str | None = Field(default=None, pattern=r"^[0-9A-Za-z-]{1,64}$")
    database_id: str | None = Field(default=None, pattern=r"^[0-9A-Za-z-]{1,64}$")
    """Instead of a data source: a database that has one only."""
    quiet_hours: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> "Config":
        if (self.data_source_id is None) == (self.database_id is None):
            raise ValueError("found neither or both, expected data_source_id or database_id")
        return self

    @property
    def address(self) -> str:
        """The server; no secret."""
        return self.base_url or SERVER


class Channel(Tracker[Config]):
    """Creates pages and keeps their properties at the alert's state."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        super().__init__(name, config, tools)
        self._source = config.data_source_id
        self._shape: Shape | None = None

    def forget(self) -> None:
        """Read the properties of the data source again."""
        self._shape = None

    def find(self, ask: Ask, message: Message) -> Found | None:
        """Look for the alert's page by its key, where the data source has a property for it."""
        shape = self._look(ask)
        key = shape.properties.get(KEY)
        if key is None or key.get("type") != "rich_text":
            return None
        body = {"filter": {"property": key["name"], "rich_text": {"equals": message.alert.id}}, "page_size": 1}
        response = self._call(ask, "POST", f"/data_sources/{self._source}/query", body)
        results = response.object.get("results")
        if not isinstance(results, list):
            raise not_the_vendor(response, self._tools.redactor)
        return Found(str(results[0]["id"])) if results else None

    def open(self, ask: Ask, message: Message, key: str) -> Receipt:  # noqa: ARG002 - Notion takes no key
        """Make the page; if a property was renamed meanwhile, with the properties as they are now."""
        try:
            response = self._create(ask, message)
        except SendError as error:
            if error.kind is not SendErrorKind.MISCONFIGURED or error.status != HTTPStatus.BAD_REQUEST:
                raise
            self._shape = None
            response = self._create(ask, message)
        made = response.object.get("id")
        if not isinstance(made, str):
            raise not_the_vendor(response, self._tools.redactor)
        return Receipt(made, response.status)

    def add(self, ask: Ask, ref: str, message: Message, key: str) -> int | None:  # noqa: ARG002 - as above
        """Bring the properties up to date, then add what happened to the page."""
        told, page = self._told(message), quote(ref, safe="")
        changed = {"properties": properties(told, self._look(ask))}
        if self._write(ask, "PATCH", f"/pages/{page}", changed, gone=True).status == HTTPStatus.NOT_FOUND:
            return None
        more = {"children": news(told)}
        return self._write(ask, "PATCH", f"/blocks/{page}/children", more).status

    def end(self, ask: Ask, ref: str, message: Message, key: str) -> int | None:
        """Show that it is over, in the properties and on the page."""
        return self.add(ask, ref, message, key)

    def probe(self) -> str:
        """Ask who we are, and for the data source. Raises SendError."""
        ask = self._tools.http.calls(self._config.timeout)
        me = self._call(ask, "GET", "/users/me").object
        shape = self._look(ask)
        key = "" if KEY in shape.properties else ', which has no property "Alert key": a repeat may make a second page'
        return f"{me.get('name')}, with access to the data source{key}"

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show the request that makes the page; which properties there are is looked up when it is sent."""
        request = self._request("POST", "/pages", self._page(message, self._shape or BARE))
        return request.preview({"authorization"})

    def _create(self, ask: Ask, message: Message) -> Response:
        shape = self._look(ask)
        return self._write(ask, "POST", "/pages", self._page(message, shape))

    def _page(self, message: Message, shape: Shape) -> Json:
        told = self._told(message)
        parent = {"type": "data_source_id", "data_source_id": self._source}
        return {"parent": parent, "properties": properties(told, shape), "children": blocks(told)}

    def _told(self, message: Message) -> Message:
        return replace(message, links=links(message, self._config.link))

    def _look(self, ask: Ask) -> Shape:
        """Learn what the data source looks like, once. Raises SendError."""
        if self._shape is not None:
            return self._shape
        self._source = self._source or self._only_source(ask)
        response = self._call(ask, "GET", f"/data_sources/{self._source}")
        found = response.object.get("properties")
        self._shape = Shape.read(found) if isinstance(found, dict) else None
        if self._shape is None:
            raise not_the_vendor(response, self._tools.redactor)
        return self._shape

    def _only_source(self, ask: Ask) -> str:
        sources = self._call(ask, "GET", f"/databases/{self._config.database_id}").object.get("data_sources", ())
        if len(sources) != 1:
            text = f"the database has {len(sources)} data sources: set data_source_id in place of database_id"
            raise SendError(SendErrorKind.MISCONFIGURED, text, reason="client_error")
        return str(sources[0]["id"])

    def _request(self, method: str, path: str, body: Json = None) -> Request:
        token = self._config.token.reveal()
        headers = {**JSON_HEADERS, "Authorization": f"Bearer {token}", "Notion-Version": VERSION}
        content = b"" if body is None else encoded(body)
        return Request(method, f"{self._config.address}/v1{path}", headers, content)

    def _write(self, ask: Ask, method: str, path: str, body: Json, *, gone: bool = False) -> Response:
        """Make a call that changes something; where it may be `gone`, that is an answer like another."""
        return self._call(ask, method, path, body, writes=True, gone=gone)

    def _call(
        self, ask: Ask, method: str, path: str, body: Json = None, *, writes: bool = False, gone: bool = False
    ) -> Response:  # fmt: skip
        """Make one call. Raises SendError."""
        response = ask(self._request(method, path, body))
        now, redactor = self._tools.clock.now().wall, self._tools.redactor
        error = classify_status(response, now, redactor)
        if error is None or (gone and _is_gone(response)):
            return response if error is None else replace(response, status=HTTPStatus.NOT_FOUND)
        if response.status in (HTTPStatus.CONFLICT, OVERLOADED):
            kind = SendErrorKind.LIMITED if response.status == OVERLOADED else SendErrorKind.RETRY
            wait = retry_after(response.headers, now)
            raise refusal(kind, response, redactor, reason="server_error", retry_after=wait)
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR and writes:
            raise refusal(SendErrorKind.UNCERTAIN, response, redactor, reason="server_error")
        if error.kind is SendErrorKind.REJECTED and _names_property(response.object):
            raise refusal(SendErrorKind.MISCONFIGURED, response, redactor, reason="client_error")
        raise error


def _is_gone(response: Response) -> bool:
    archived = response.status == HTTPStatus.BAD_REQUEST and "archived" in str(response.object.get("message", ""))
    return response.status == HTTPStatus.NOT_FOUND or archived


def _names_property(said: Mapping[str, Json]) -> bool:
    return said.get("code") == "validation_error" and "property" in str(said.get("message", "")).lower()
