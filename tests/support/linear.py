"""Linear's GraphQL interface as its documentation tells of it: one team, its states and labels, issues by id."""

import json
import re

from tests.channels.schemas.base import faults
from tests.channels.schemas.linear import Call
from tests.support.standin import Answer, Manner, Received, StandIn

KEY = "lin_api_S3cretS3cretS3cretS3cretS3cret0123"
TEAM = "9cfb482a-81e3-4154-b5b9-2c805e70a02d"


class LinearStandIn(StandIn):
    """A workspace. `issues` and `comments` by id; `lost`: creations whose answer is lost on the way."""

    ACCEPT = Answer(299)
    """Stands for the answer that Linear would give."""

    def __init__(self, *answers: Answer, token: str = KEY) -> None:
        self.issues: dict[str, dict] = {}
        self.comments: dict[str, dict] = {}
        self.states = [{"id": "state-done", "position": 3.0}, {"id": "state-shipped", "position": 7.0}]
        self.labels = {"gpu": "label-gpu", "infra": "label-infra"}
        self.lost = 0
        self._token = token
        super().__init__(*(answers or (self.ACCEPT,)))

    def table(self, **changes) -> dict:
        return {"type": "linear", "api_key": self._token, "team_id": TEAM, "base_url": self.url, **changes}

    def _take(self, request: Received) -> Answer:
        answer = super()._take(request)
        return self._judged(request) if answer is self.ACCEPT else answer

    def _judged(self, request: Received) -> Answer:
        expected = self._token if self._token.startswith("lin_api_") else f"Bearer {self._token}"
        if request.path != "/graphql" or request.headers.get("authorization") != expected:
            return refused("authentication error", "Authentication required, not authenticated", status=401)
        call = json.loads(request.body)
        field = re.search(r"\{\s*(\w+)", call["query"].partition(")")[2] or call["query"])[1]
        return getattr(self, f"_{field}")(call["variables"], request.body)

    def _viewer(self, _variables: dict, _raw: bytes) -> Answer:
        return said({"viewer": {"id": "u", "name": "GPU agent", "organization": {"urlKey": "vision"}}})

    def _team(self, variables: dict, _raw: bytes) -> Answer:
        if variables["team"] != TEAM:
            return refused("invalid input", "Entity not found: Team")
        return said({"team": {"id": TEAM, "name": "Vision"}})

    def _issueLabels(self, variables: dict, _raw: bytes) -> Answer:  # noqa: N802 - Linear's name
        nodes = [{"id": self.labels[name], "name": name} for name in variables["names"] if name in self.labels]
        return said({"issueLabels": {"nodes": nodes}})

    def _workflowStates(self, _variables: dict, _raw: bytes) -> Answer:  # noqa: N802 - as above
        return said({"workflowStates": {"nodes": self.states}})

    def _issueCreate(self, variables: dict, raw: bytes) -> Answer:  # noqa: N802 - as above
        issue = variables["input"]
        if bad := faults(Call, raw):
            return refused("invalid input", f"Argument Validation Error: {bad[0]}")
        if issue["teamId"] != TEAM:
            return refused("invalid input", "Entity not found: Team - Could not find referenced Team.")
        if issue["id"] in self.issues:
            return refused("invalid input", "conflict on insert of Issue: the id already exists")
        self.issues[issue["id"]] = dict(issue)
        if self.lost:
            self.lost -= 1
            return Answer(200, manner=Manner.CLOSE)
        made = {"id": issue["id"], "identifier": f"VIS-{len(self.issues)}", "url": "https://linear.app/x"}
        return said({"issueCreate": {"success": True, "issue": made}})

    def _commentCreate(self, variables: dict, raw: bytes) -> Answer:  # noqa: N802 - as above
        comment = variables["input"]
        if bad := faults(Call, raw):
            return refused("invalid input", f"Argument Validation Error: {bad[0]}")
        if comment["issueId"] not in self.issues:
            return refused("invalid input", "Entity not found: Issue - Could not find referenced Issue.")
        if comment["id"] in self.comments:
            return refused("invalid input", "conflict on insert of Comment: the id already exists")
        self.comments[comment["id"]] = comment
        return said({"commentCreate": {"success": True}})

    def _issueUpdate(self, variables: dict, _raw: bytes) -> Answer:  # noqa: N802 - as above
        if variables["id"] not in self.issues:
            return refused("invalid input", "Entity not found: Issue")
        self.issues[variables["id"]] |= variables["input"]
        return said({"issueUpdate": {"success": True}})


def refused(kind: str, message: str, *, status: int = 200, code: str = "INPUT_ERROR") -> Answer:
    error = {"message": message, "extensions": {"type": kind, "code": code, "userError": True}}
    return Answer(status, body=json.dumps({"errors": [error], "data": None}).encode())


def said(data: dict) -> Answer:
    return Answer(200, body=json.dumps({"data": data}).encode())
