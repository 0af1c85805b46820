"""Notion's interface of 2025-09-03 as its reference tells of it: one database with one data source of its own shape."""

import json

from tests.channels.schemas.base import faults
from tests.channels.schemas.notion import BODY_LIMIT, Appended, Page
from tests.support.standin import Answer, Manner, Received, StandIn

TOKEN = "ntn_s3cretS3cretS3cretS3cretS3cret0123456789"
SOURCE, DATABASE = "1f0e0d0c-0b0a-4908-8706-050403020100", "0a0b0c0d-0e0f-4a0b-8c0d-0e0f0a0b0c0d"
SHAPE = {
    "Run": {"id": "title", "type": "title", "title": {}},
    "Alert key": {"id": "a", "type": "rich_text", "rich_text": {}},
    "Status": {
        "id": "b", "type": "status",
        "status": {
            "options": [{"id": "1", "name": "Open"}, {"id": "2", "name": "Done"}],
            "groups": [{"name": "In progress", "option_ids": ["1"]}, {"name": "Complete", "option_ids": ["2"]}],
        },
    },
    "Severity": {"id": "c", "type": "select", "select": {"options": []}},
    "Node": {"id": "d", "type": "rich_text", "rich_text": {}},
    "Final loss": {"id": "e", "type": "number", "number": {}},
    "Started": {"id": "f", "type": "date", "date": {}},
    "Ended": {"id": "g", "type": "date", "date": {}},
    "Link": {"id": "h", "type": "url", "url": {}},
    "Step": {"id": "i", "type": "people", "people": {}},
    "Type": {"id": "j", "type": "multi_select", "multi_select": {"options": []}},
    "Resolved": {"id": "k", "type": "checkbox", "checkbox": {}},
}  # fmt: skip


class NotionStandIn(StandIn):
    """A workspace. `pages` by id, with their properties and blocks; `lost`: pages whose answer is lost on the way."""

    ACCEPT = Answer(299)
    """Stands for the answer that Notion would give."""

    def __init__(self, *answers: Answer) -> None:
        self.pages: dict[str, dict] = {}
        self.shape = json.loads(json.dumps(SHAPE))
        self.sources = [{"id": SOURCE, "name": "Runs"}]
        self.lost = 0
        super().__init__(*(answers or (self.ACCEPT,)))

    def table(self, **changes) -> dict:
        place = {} if "database_id" in changes else {"data_source_id": SOURCE}
        return {"type": "notion", "token": TOKEN, "base_url": self.url, **place, **changes}

    def _take(self, request: Received) -> Answer:
        answer = super()._take(request)
        if answer is not self.ACCEPT:
            return answer
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return refused(401, "unauthorized", "API token is invalid.")
        if request.headers.get("notion-version") != "2025-09-03":
            return refused(400, "missing_version", "Notion-Version header should be defined.")
        return self._reads(request) if request.method == "GET" else self._writes(request)

    def _reads(self, request: Received) -> Answer:
        match request.path.removeprefix("/v1/").split("/"):
            case "users", "me":
                return said({"object": "user", "name": "gpuwarden", "type": "bot"})
            case "databases", database if database == DATABASE:
                return said({"object": "database", "data_sources": self.sources})
            case "data_sources", source if source == SOURCE:
                return said({"object": "data_source", "properties": self.shape})
        return NOT_SHARED

    def _writes(self, request: Received) -> Answer:
        body = json.loads(request.body) if request.body else {}
        match request.method, *request.path.removeprefix("/v1/").split("/"):
            case "POST", "data_sources", source, "query" if source == SOURCE:
                return self._query(body)
            case "POST", "pages":
                return self._create(body, request.body)
            case "PATCH", "pages", page if page in self.pages:
                return self._update(page, body)
            case "PATCH", "blocks", page, "children" if page in self.pages and not faults(Appended, request.body):
                self.pages[page]["children"] += body["children"]
                return said({"object": "list"})
        return NOT_SHARED

    def _query(self, body: dict) -> Answer:
        name, wanted = body["filter"]["property"], body["filter"]["rich_text"]["equals"]
        if name not in self.shape:
            return refused(400, "validation_error", f"Could not find property with name or id: {name}")
        found = [{"id": page} for page, kept in self.pages.items() if plain(kept["properties"].get(name)) == wanted]
        return said({"results": found[: body["page_size"]]})

    def _create(self, body: dict, raw: bytes) -> Answer:
        if bad := self._bad_properties(body["properties"]) or faults(Page, raw, most=BODY_LIMIT):
            return refused(400, "validation_error", bad[0])
        page = f"00000000-0000-4000-8000-{len(self.pages):012}"
        self.pages[page] = {"properties": body["properties"], "children": body["children"]}
        if self.lost:
            self.lost -= 1
            return Answer(200, manner=Manner.CLOSE)
        return said({"object": "page", "id": page, "url": f"https://www.notion.so/{page}"})

    def _update(self, page: str, body: dict) -> Answer:
        if bad := self._bad_properties(body["properties"]):
            return refused(400, "validation_error", bad[0])
        self.pages[page]["properties"] |= body["properties"]
        return said({"object": "page", "id": page})

    def _bad_properties(self, given: dict) -> list[str]:
        bad = [f"{name} is not a property that exists." for name in given.keys() - self.shape.keys()]
        for name in given.keys() & self.shape.keys():
            if self.shape[name]["type"] not in given[name]:
                bad.append(f"{name} is expected to be {self.shape[name]['type']}.")
        options = [option["name"] for option in self.shape.get("Status", {}).get("status", {}).get("options", ())]
        chosen = given.get("Status", {}).get("status", {}).get("name")
        return bad + ([f"Status option {chosen} does not exist."] if chosen and chosen not in options else [])


def plain(value: dict | None) -> str:
    return "".join(piece["text"]["content"] for piece in (value or {}).get("rich_text", ()))


def refused(status: int, code: str, message: str) -> Answer:
    return Answer(status, body=json.dumps({"object": "error", "code": code, "message": message}).encode())


def said(body: dict) -> Answer:
    return Answer(200, body=json.dumps(body).encode())


NOT_SHARED = refused(404, "object_not_found", "Could not find it. Make sure it is shared with your integration.")
