"""Jira as its REST documentation tells of it, in the Cloud (v3) or a Data Center (v2): one project, one workflow."""

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field

from tests.channels.schemas.base import faults
from tests.channels.schemas.jira import Comment, Issue
from tests.support.standin import Answer, Manner, Received, StandIn

EMAIL, TOKEN = "gpu@example.com", "j1ra-api-t0ken-s3cret-0123456789"


@dataclass
class Kept:
    """An issue as the site shows it."""

    key: str
    fields: dict
    comments: list = field(default_factory=list)
    done: bool = False


class JiraStandIn(StandIn):
    """A site. `screenless`: fields that are on no screen; `lost`: creations whose answer is lost on the way."""

    ACCEPT = Answer(299)
    """Stands for the answer that Jira would give."""

    def __init__(self, *answers: Answer, cloud: bool = True) -> None:
        self.issues: list[Kept] = []
        self.screenless: set[str] = set()
        self.lost = 0
        self.cloud = cloud
        self.workflow = [{"id": "11", "name": "Start", "to": _status("indeterminate")},
                         {"id": "31", "name": "Done", "to": _status("done")}]  # fmt: skip
        super().__init__(*(answers or (self.ACCEPT,)))

    def table(self, **changes) -> dict:
        login = {"email": EMAIL} if self.cloud else {}
        return {"type": "jira", "url": self.url, **login, "token": TOKEN, "project": "OPS", **changes}

    def _take(self, request: Received) -> Answer:
        answer = super()._take(request)
        return self._judged(request) if answer is self.ACCEPT else answer

    def _judged(self, request: Received) -> Answer:
        login = f"Basic {b64encode(f'{EMAIL}:{TOKEN}'.encode()).decode()}" if self.cloud else f"Bearer {TOKEN}"
        if request.headers.get("authorization") != login:
            return Answer(401)
        body = json.loads(request.body) if request.body else {}
        path = request.path.removeprefix(f"/rest/api/{3 if self.cloud else 2}")
        if path == ("/search/jql" if self.cloud else "/search"):
            return self._search(body)
        if path == "/issue":
            return self._create(body, request.body)
        if path == "/myself":
            return _said(200, {"displayName": "GPU agent"})
        if path == "/issue/createmeta/OPS/issuetypes":
            return _said(200, {"issueTypes" if self.cloud else "values": [{"name": "Task"}, {"name": "Bug"}]})
        found = re.fullmatch(r"/issue/([^/]+)/(comment|transitions)", path)
        issue = next((item for item in self.issues if found and item.key == found[1]), None)
        if found is None or issue is None:
            return _said(404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]})
        return self._comment(issue, request) if found[2] == "comment" else self._transition(issue, request.method, body)

    def _search(self, body: dict) -> Answer:
        if not body.get("fields"):
            return Answer(400)
        project, label = re.fullmatch(
            r'project = "(\w+)" AND labels = "([\w-]+)" AND statusCategory != Done', body["jql"]
        ).groups()
        if project != "OPS":
            return _said(400, {"errorMessages": [f"The value '{project}' does not exist for the field 'project'."]})
        found = [item for item in self.issues if not item.done and label in item.fields.get("labels", ())]
        shown = [{"key": item.key, "fields": {"labels": item.fields["labels"]}} for item in found]
        return _said(200, {"issues": shown[: body["maxResults"]]})

    def _create(self, body: dict, raw: bytes) -> Answer:
        refused = dict.fromkeys(body["fields"].keys() & self.screenless, "Field cannot be set. It is on no screen.")
        if body["fields"]["issuetype"]["name"] not in ("Task", "Bug"):
            refused["issuetype"] = "Specify a valid issue type"
        if bad := faults(Issue, raw):
            refused["description"] = bad[0]
        if isinstance(body["fields"]["description"], str) is self.cloud:
            refused["description"] = "Operation value must be an Atlassian Document"
        if refused:
            return _said(400, {"errorMessages": [], "errors": refused})
        self.issues.append(Kept(f"OPS-{len(self.issues) + 1}", body["fields"]))
        if self.lost:
            self.lost -= 1
            return Answer(201, manner=Manner.CLOSE)
        return _said(201, {"id": "10000", "key": self.issues[-1].key, "self": "https://x"})

    def _comment(self, issue: Kept, request: Received) -> Answer:
        if bad := faults(Comment, request.body):
            return _said(400, {"errorMessages": [], "errors": {"comment": bad[0]}})
        issue.comments.append(json.loads(request.body)["body"])
        return _said(201, {"id": "1"})

    def _transition(self, issue: Kept, method: str, body: dict) -> Answer:
        if method == "GET":
            return _said(200, {"transitions": [] if issue.done else self.workflow})
        way = next(item for item in self.workflow if item["id"] == body["transition"]["id"])
        issue.done = way["to"] == _status("done")
        return Answer(204)


def _status(category: str) -> dict:
    return {"statusCategory": {"key": category}}


def _said(status: int, body: dict) -> Answer:
    return Answer(status, body=json.dumps(body).encode())
