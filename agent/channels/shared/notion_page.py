"""A message as a Notion page: properties of a data source, as far as it has them, and blocks beneath.

Properties are matched by name and type; none is created, and what does not fit is left out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from agent.channels.shared.markup import plain_text
from agent.channels.shared.tracker import summary
from agent.core.message import Message
from agent.core.model import Json, Status
from agent.core.payload import rfc3339
from agent.core.text import cut, utf16

CONTENT_LIMIT = 2_000
"""UTF-16 units of one piece of text; a longer text is several."""
MOST_PIECES, MOST_FACTS, TITLE_LIMIT, OPTION_LIMIT, URL_LIMIT = 8, 40, 200, 100, 2_000

KEY = "alert key"
"""The property, in lower case, by which the page of an alert is found."""

DONE_NAMES = ("resolved", "done", "complete", "completed", "closed")
OPEN_NAMES = ("firing", "open", "in progress", "to do", "not started")
"""Options of a status, which cannot be made by writing them; the first that there is."""
DONE_GROUP, OPEN_GROUP = "complete", "in progress"
"""Notion's own groups of options, for those with other names."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a data source looks like: its title's property, and the others by their name in lower case."""

    title: str
    properties: Mapping[str, Mapping[str, Json]]

    @classmethod
    def read(cls, found: Mapping[str, Json]) -> "Shape | None":
        """Read the `properties` of a data source; None if there is no title among them."""
        title = next((name for name, item in found.items() if item.get("type") == "title"), None)
        if title is None:
            return None
        return cls(title, {name.lower(): {"name": name, **item} for name, item in found.items() if name != title})


BARE = Shape("title", {})
"""A data source of which nothing is known: every title goes by this id too."""


def properties(message: Message, shape: Shape) -> dict[str, Json]:
    """Fill in every property that the data source has and the message knows."""
    filled: dict[str, Json] = {shape.title: {"title": _pieces(cut(summary(message), TITLE_LIMIT))}}
    for name, value in _values(message).items():
        item = shape.properties.get(name)
        write = _WRITERS.get(str(item["type"])) if item else None
        if item is None or write is None or value in (None, ""):
            continue
        written = write(value, item)
        if written is not None:
            filled[item["name"]] = written
    return filled


def blocks(message: Message) -> list[Json]:
    """Write what stands on the page; the plain form is text alone."""
    if message.plain:
        return [_block("paragraph", plain_text(message))]
    return list(_blocks(message))


def news(message: Message) -> list[Json]:
    """Write what is added to a page that is there already."""
    text = "\n".join(filter(None, (message.headline, message.body)))
    return [_block("paragraph", text)]


def _blocks(message: Message) -> Iterator[Json]:
    yield _block("paragraph", "\n".join(filter(None, (message.headline, message.body))))
    for label, value in message.facts[:MOST_FACTS]:
        yield _block("bulleted_list_item", f"{label}: {value}")
    if message.evidence:
        yield _block("code", "\n".join(message.evidence), language="plain text")
    if message.advice:
        yield _block("callout", message.advice)
    for link in message.links:
        if len(link.url) <= URL_LIMIT:
            text = {"content": cut(link.text or link.url, CONTENT_LIMIT, measure=utf16), "link": {"url": link.url}}
            yield {"type": "paragraph", "paragraph": {"rich_text": [{"type": "text", "text": text}]}}
    yield _block("paragraph", message.footer)


def _block(kind: str, text: str, **more: Json) -> Json:
    return {"type": kind, kind: {"rich_text": _pieces(text), **more}}


def _pieces(text: str) -> list[Json]:
    """Cut a text into pieces that Notion takes; rich text is literal, so nothing is escaped."""
    text = cut(text, CONTENT_LIMIT * (MOST_PIECES - 1), measure=utf16)
    pieces = []
    while text:
        piece = cut(text, CONTENT_LIMIT, measure=utf16, mark="")
        pieces.append({"type": "text", "text": {"content": piece}})
        text = text[len(piece) :]
    return pieces


def _values(message: Message) -> dict[str, Json]:
    """What properties of these names hold."""
    alert, job = message.alert, message.alert.job or {}
    over = message.status is Status.RESOLVED
    gpu = (alert.gpu or {}).get("index")
    return {
        KEY: alert.id,
        "status": "Resolved" if over else "Firing",
        "resolved": over,
        "severity": str(message.severity).capitalize(),
        "type": str(alert.type),
        "alert type": str(alert.type),
        "node": alert.labels.get("node"),
        "gpu": None if gpu is None else str(gpu),
        "job": job.get("name") or alert.job_id,
        "job id": alert.job_id,
        "model": job.get("model"),
        "outcome": job.get("state"),
        "final loss": job.get("loss"),
        "loss": job.get("loss"),
        "step": job.get("step"),
        "duration": job.get("duration_seconds"),
        "error": job.get("error"),
        "advice": message.advice,
        "started": rfc3339(alert.starts_at),
        "date": rfc3339(alert.starts_at),
        "ended": None if not over or alert.ends_at is None else rfc3339(alert.ends_at),
        "link": message.links[0].url if message.links else None,
    }


def _status(value: Json, item: Mapping[str, Json]) -> Json:
    """The option that means it, by its name or else by its group; None where there is none."""
    found = item.get("status") or {}
    options = {str(option["name"]).lower(): option for option in found.get("options", ())}
    names, group = (DONE_NAMES, DONE_GROUP) if value == "Resolved" else (OPEN_NAMES, OPEN_GROUP)
    named = next((options[name] for name in names if name in options), None)
    if named is not None:
        return {"status": {"name": named["name"]}}
    ids = next((kind.get("option_ids", ()) for kind in found.get("groups", ()) if kind["name"].lower() == group), ())
    grouped = next((option for option in options.values() if option.get("id") in ids), None)
    return None if grouped is None else {"status": {"name": grouped["name"]}}


def _option(value: Json) -> Json:
    return {"name": cut(str(value).replace(",", " "), OPTION_LIMIT, mark="")}


def _number(value: Json, _: Json) -> Json:
    return {"number": value} if isinstance(value, int | float) else None


def _date(value: Json, _: Json) -> Json:
    return {"date": {"start": value}} if isinstance(value, str) and value[:4].isdigit() and "T" in value else None


_Writer = Callable[[Json, Mapping[str, Json]], Json]
_WRITERS: Mapping[str, _Writer] = {
    "rich_text": lambda value, _: {"rich_text": _pieces(str(value))},
    "select": lambda value, _: {"select": _option(value)},
    "multi_select": lambda value, _: {"multi_select": [_option(value)]},
    "status": _status,
    "number": _number,
    "date": _date,
    "checkbox": lambda value, _: {"checkbox": value} if isinstance(value, bool) else None,
    "url": lambda value, _: {"url": value} if str(value).startswith("http") and len(value) <= URL_LIMIT else None,
}
"""How a value is written into a property of each type; None where it does not fit."""
