"""Every request of the channels, judged by what their vendors publish: types for TypeScript, a schema, card models.

The packages are pinned in `vendor/`, which `install.sh` installs into build/vendor. That a judge sees what is wrong is
shown too: each key that is ever sent is misspelt once, and each value given another type.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from pydantic import BaseModel, JsonValue, ValidationError

from agent.channels.shared.http import Client, HttpSettings
from agent.core import samples
from agent.core.message import Message
from agent.core.model import NotificationKind
from agent.core.references import NOTHING_KNOWN, References
from agent.runtime.clock import SystemClock
from tests.channels.adapters import ADAPTERS
from tests.channels.samples import NASTY, channel, digest_message, message
from tests.channels.test_shared_suite import KEY, everything, tells_digests

VENDOR = Path(__file__).parents[2] / "build" / "vendor"
INSTALLED = VENDOR / "installed"
"""Made by `install.sh` once all is there."""

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not INSTALLED.exists(), reason="needs the vendors' packages: npm, and tests/real/install.sh"),
]

SHAPES = {
    r"slack POST": "SlackWebhook",
    r"slack bot POST /api/chat\.postMessage": "SlackPost",
    r"slack bot POST /api/chat\.update": "SlackUpdate",
    r"discord POST": "DiscordPost",
    r"discord PATCH": "DiscordEdit",
    r"pagerduty POST": "PagerDutyEvent",
    r"linear POST .* issueCreate\(": "LinearIssue",
    r"linear POST .* commentCreate\(": "LinearComment",
    r"linear POST .* issueUpdate\(": "LinearUpdate",
    r"linear POST .* (issueLabels|workflowStates)\(": None,
    r"notion POST \S+/query ": "NotionQuery",
    r"notion POST /v1/pages ": "NotionPage",
    r"notion PATCH /v1/pages/": "NotionUpdate",
    r"notion PATCH /v1/blocks/": "NotionAppend",
    r"jira POST \S+/(issue|comment) ": "JiraDocument",
    r"jira POST \S+/(search/jql|transitions) ": None,
    r"teams POST": "AdaptiveCard",
}
"""Requests, as `CHANNEL METHOD PATH BODY`, with their shape; None where no package has one."""
PARTS = {
    "JiraDocument": lambda body: body["body"] if "body" in body else body["fields"]["description"],
    "AdaptiveCard": lambda body: body["attachments"][0]["content"],
}
"""The part of a body that the shape tells of, where that is not all."""
CHANNELS = sorted({re.split(" [A-Z]", pattern)[0] for pattern in SHAPES})
MORE = {"linear": {"labels": ["gpu"]}}
"""Settings that add to what is sent."""

Judged = tuple[str, JsonValue]
"""A shape's name, and what should be of this shape."""


def stories(name: str) -> Iterator[list[Message]]:
    """An alert of every type, and its end where it has one; a nasty one that gets worse; a digest."""
    for sample in (samples.full, samples.minimal):
        told: dict[tuple[str, bool], list[Message]] = {}
        for what in everything(sample):
            told.setdefault((what.alert.type, what.plain), []).append(what)
        yield from told.values()
    for plain in (False, True):
        yield [message(NASTY, kind, plain=plain) for kind in (NotificationKind.FIRED, NotificationKind.ESCALATED)]
        if tells_digests(name):
            yield [digest_message(plain=plain)]


def sent(name: str, told: Sequence[Message]) -> Iterator[Judged]:
    """Send one story, each message with the references of those before it, and give what left of known shape."""
    known = NOTHING_KNOWN
    with ADAPTERS[name].stand_in() as vendor, closing(Client(HttpSettings(user_agent="test"), SystemClock())) as client:
        made = channel({**ADAPTERS[name].table(vendor.url), **MORE.get(name, {})}, http=client)
        for what in told:
            receipt = made.send(replace(what, references=known), f"{KEY}-{what.kind}")
            known = References(receipt.ref, receipt.job_ref)
        for request in (request for request in vendor.received if request.body):
            line = f"{name} {request.method} {request.path} {request.body.decode()}"
            (shape,) = (shape for pattern, shape in SHAPES.items() if re.match(pattern, line))
            if shape is not None:
                body = json.loads(request.body)
                yield shape, PARTS[shape](body) if shape in PARTS else body


@cache
def everything_sent() -> list[Judged]:
    return [each for name in CHANNELS for told in stories(name) for each in sent(name, told)]


def judged(given: Sequence[Judged]) -> list[str]:
    """What the vendors find wrong with each; "" where they find nothing."""
    found: dict[int, str] = {}
    judges = {"JiraDocument": documents, "AdaptiveCard": cards}
    for judge in (documents, cards, typed):
        own = [n for n, (shape, _) in enumerate(given) if judges.get(shape, typed) is judge]
        found |= zip(own, judge([given[n] for n in own]), strict=True)
    return [found[n] for n in range(len(given))]


def typed(given: Sequence[Judged]) -> list[str]:
    """Let TypeScript's compiler read a file with a value a line; the types stand in `vendor/shapes.ts`."""
    lines = [f"({json.dumps(value)} satisfies vendor.{shape});" for shape, value in given]
    (VENDOR / "sent.ts").write_text("\n".join(['import type * as vendor from "./shapes";', *lines, ""]))
    compiler = ("node_modules/.bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext")
    said = run(*compiler, "--target", "es2022", "sent.ts", may_fail=True)
    errors = dict(re.findall(r"^sent\.ts\((\d+),\d+\): (.*)", said, re.MULTILINE))
    assert "error" not in re.sub(r"^sent\.ts\(\d+.*", "", said, flags=re.MULTILINE), said
    return [errors.get(str(number), "") for number in range(2, len(given) + 2)]


def documents(given: Sequence[Judged]) -> list[str]:
    return json.loads(run("node", "adf.mjs", told=json.dumps([value for _, value in given])))


def cards(given: Sequence[Judged]) -> list[str]:
    return ["; ".join(card_faults(value)) for _, value in given]


def card_faults(value: JsonValue) -> Iterator[str]:
    """What is wrong with an element of a card. Its model takes any key, and for what is in it any element."""
    model = card_models().get(str(value.get("type")))
    if model is None:
        yield f"no element of the type {value.get('type')}"
        return
    try:
        yield from unknown(model.model_validate(value, strict=True))
    except ValidationError as error:
        yield str(error)


def unknown(part: object) -> Iterator[str]:
    """The keys that a part of a card has and its model has not."""
    if isinstance(part, list):
        yield from chain.from_iterable(map(unknown, part))
    elif isinstance(part, BaseModel) and not type(part).model_fields:  # any element: judged by its own type
        yield from card_faults(part.model_extra)
    elif isinstance(part, BaseModel):
        yield from part.model_extra.keys() - {"$schema"}  # the models' "schema"
        yield from chain.from_iterable(unknown(item) for _, item in part if isinstance(item, (list, BaseModel)))


@cache
def card_models() -> dict[str, type[BaseModel]]:
    """The vendor's model of each element, by its type."""
    sys.path.append(str(VENDOR / "python"))
    from microsoft_teams.cards import core

    models = [item for item in vars(core).values() if isinstance(item, type) and issubclass(item, BaseModel)]
    return {model.model_fields["type"].default: model for model in models if "type" in model.model_fields}


def run(*command: str, told: str = "", may_fail: bool = False) -> str:
    done = subprocess.run(command, cwd=VENDOR, input=told, capture_output=True, text=True, timeout=100)
    assert may_fail or done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def spoilt(value: JsonValue, at: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Every way to misspell one key, or to put an object in the place of one simple value, with where that was."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{at}.{key} misspelt", {(f"{key}x" if name == key else name): value[name] for name in value}
            yield from ((where, {**value, key: bad}) for where, bad in spoilt(item, f"{at}.{key}"))
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from ((where, [*value[:n], bad, *value[n + 1 :]]) for where, bad in spoilt(item, f"{at}[]"))
    else:
        yield f"{at} of another type", {"never": "so"}


FREE = (
    r"Notion\w+\.properties\.[^.]+ misspelt",  # the names of the user's own properties
    r"SlackPost\.metadata\.event_payload\.",
    r"PagerDutyEvent\.payload\.custom_details\.",
    r"AdaptiveCard\.\$schema of another type",  # the models name this key otherwise
)
"""Where a vendor takes any name, or any value."""


def test_the_vendors_take_everything_that_is_sent() -> None:
    given = everything_sent()
    assert {shape for shape, _ in given} == set(filter(None, SHAPES.values()))
    wrong = {f"{shape}: {fault}": value for (shape, value), fault in zip(given, judged(given), strict=True) if fault}
    assert wrong == {}


def test_the_vendors_refuse_every_misspelt_key_and_every_other_type() -> None:
    ways = {f"{shape}{where}": (shape, bad) for shape, value in everything_sent() for where, bad in spoilt(value)}
    taken = [way for way, fault in zip(ways, judged(list(ways.values())), strict=True) if not fault]
    assert [way for way in taken if not any(re.match(free, way) for free in FREE)] == []
