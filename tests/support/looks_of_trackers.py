"""What incident services and trackers show of what a channel sends, as `looks` does for chats."""

import re
from html import unescape

from tests.support.looks import Card

CRITICAL = "#c4314b"


def pagerduty(body: dict) -> Card:
    payload = body["payload"]
    details = dict(payload["custom_details"])
    code, advice = details.pop("log", ""), details.pop("advice", "")
    facts = {name: payload[name] for name in ("severity", "source", "component", "group", "class") if name in payload}
    shown = {label: value for label, value in details.items() if label not in ("footer", "alert_id", "alert_type")}
    buttons = [link["text"] for link in body.get("links", [])]
    told = [("code", code), ("text", advice), ("small", details["footer"]), ("buttons", buttons)]
    title, _, sentence = payload["summary"].partition(" · ")
    return Card(title, CRITICAL, [("text", sentence), ("facts", [*facts.items(), *shown.items()]), *told])


def jira(body: dict) -> Card:
    fields = body["fields"]
    card = Card(fields["summary"], None, [("small", f"{fields['issuetype']['name']} · {fields['priority']['name']}")])
    for block in fields["description"]["content"]:
        match block:
            case {"type": "bulletList", "content": items}:
                card.parts.append(("facts", [tuple(_text(item).split(": ", 1)) for item in items]))
            case {"type": "codeBlock"}:
                card.parts.append(("code", _text(block)))
            case {"content": [{"marks": [{"type": "link"}]}]}:
                card.parts.append(("link", _text(block)))
            case _:
                card.parts.append(("text", _text(block)))
    return card


def linear(body: dict) -> Card:
    issue = body["variables"]["input"]
    card = Card(issue["title"], None, [("small", {1: "Urgent", 3: "Medium", 4: "Low"}[issue["priority"]])])
    before, _, rest = issue["description"].partition("```\n")
    code, _, after = rest.partition("\n```")
    lines = [_plain(part) for part in before.strip().split("\n\n")]
    facts = [tuple(line.split(": ", 1)) for line in lines if re.match(r"[A-Z][\w ]{1,14}: ", line)]
    card.parts += [("text", line) for line in lines if tuple(line.split(": ", 1)) not in facts]
    card.parts += [("facts", facts), ("code", code)]
    return Card(card.title, None, [*card.parts, *(("text", _plain(part)) for part in after.strip().split("\n\n"))])


def notion(body: dict) -> Card:
    title = next(item["title"] for item in body["properties"].values() if "title" in item)
    card = Card(_pieces(title), None)
    held = {name: _property(item) for name, item in body["properties"].items() if "title" not in item}
    card.parts.append(("facts", list(held.items())))
    for child in body["children"]:
        kind = child["type"]
        text = _pieces(child[kind]["rich_text"])
        shown = f"• {text}" if kind == "bulleted_list_item" else text
        card.parts.append(("code" if kind == "code" else "text", shown))
    return card


def alertmanager(body: list) -> Card:
    (alert,) = body
    notes = dict(alert["annotations"])
    card = Card(notes.pop("summary"), CRITICAL, [("facts", list(alert["labels"].items()))])
    code = notes.pop("log", "")
    card.parts += [("text", line) for line in notes.pop("description").split("\n")]
    card.parts += [("code", code), *(("text", text) for text in notes.values()), ("link", alert["generatorURL"])]
    return card


def _text(node: dict) -> str:
    return node.get("text", "") + "".join(map(_text, node.get("content", ())))


def _pieces(pieces: list[dict]) -> str:
    return "".join(piece["text"]["content"] for piece in pieces)


def _property(item: dict) -> str:
    ((kind, value),) = item.items()
    match kind:
        case "rich_text":
            return _pieces(value)
        case "date":
            return value["start"]
        case "select" | "status":
            return value["name"]
    return str(value)


def _plain(markdown: str) -> str:
    text = re.sub(r"(?<!\\)\*\*|\]\([^)]*\)|(?<!\\)\[", "", markdown)
    return unescape(re.sub(r"\\([^\w\s])", r"\1", text))
