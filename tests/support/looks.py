"""What a service shows of what a channel sends, from above to below, for the drawings of `pictures`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape

COLOURS = {
    "attention": "#c4314b", "warning": "#e8912d", "good": "#2eb67d", "accent": "#36c5f0",
    "red": "#f54a45", "orange": "#ff8800", "blue": "#3370ff", "green": "#34c724",
    "comment": "#7f7f7f", "info": "#2eb67d",
}  # fmt: skip
"""Names that services have for colours."""


@dataclass
class Card:
    """What a service shows, from above to below."""

    title: str
    colour: str | None = None
    parts: list[tuple[str, object]] = field(default_factory=list)
    """("text" | "small" | "code", a text), ("facts", pairs) or ("buttons", texts)."""


def _slack(body: dict) -> Card:
    (attachment,) = body["attachments"]
    card = Card(body["blocks"][0]["text"]["text"], attachment["color"])
    for block in attachment["blocks"]:
        match block:
            case {"fields": fields}:
                pairs = [re.fullmatch(r"\*(.*)\*\n(.*)", item["text"], re.DOTALL).groups() for item in fields]
                card.parts.append(("facts", [(unescape(label), unescape(value)) for label, value in pairs]))
            case {"type": "section", "text": {"text": text}} if text.startswith("```"):
                card.parts.append(("code", unescape(text.strip("`\n"))))
            case {"type": "section", "text": {"text": text}}:
                card.parts.append(("text", unescape(text.replace("*", ""))))
            case {"type": "actions", "elements": buttons}:
                card.parts.append(("buttons", [button["text"]["text"] for button in buttons]))
            case {"type": "context", "elements": [item]}:
                card.parts.append(("small", unescape(item["text"])))
    return card


def _discord(body: dict) -> Card:
    (embed,) = body["embeds"]
    shown, _, after = embed["description"].partition("```")
    code, _, pages = after.partition("```")
    card = Card(_unescaped(embed["title"]), f"#{embed['color']:06x}", [("text", _unescaped(shown.strip()))])
    card.parts.append(("code", code.strip("\n")))
    card.parts += [("link", _unescaped(text)) for text in re.findall(r"^\[(.*)\]\(", pages, re.MULTILINE)]
    card.parts.append(("facts", [(_unescaped(item["name"]), _unescaped(item["value"])) for item in embed["fields"]]))
    card.parts.append(("small", embed["footer"]["text"]))
    return card


def _teams(body: dict) -> Card:
    content = body["attachments"][0]["content"]
    head, *blocks = content["body"]
    card = Card(head["items"][0]["text"], COLOURS[head["style"]])
    for block in blocks:
        text = _unescaped(block.get("text", "")).replace("  \n", "\n")
        if block["type"] == "FactSet":
            card.parts.append(("facts", [(fact["title"], _unescaped(fact["value"])) for fact in block["facts"]]))
        elif "fontType" in block:
            card.parts.append(("code", text))
        else:
            card.parts.append(("small" if block.get("isSubtle") else "text", text))
    card.parts.append(("buttons", [action["title"] for action in content.get("actions", [])]))
    return card


def _feishu(body: dict) -> Card:
    header, elements = body["card"]["header"], body["card"]["elements"]
    card = Card(header["title"]["content"], COLOURS[header["template"]])
    for number, element in enumerate(elements):
        match element:
            case {"fields": fields}:
                card.parts.append(("facts", [tuple(item["text"]["content"].split("\n", 1)) for item in fields]))
            case {"tag": "div", "text": text}:
                after_a_rule = elements[number - 1]["tag"] == "hr"
                card.parts.append(("code" if after_a_rule else "text", text["content"]))
            case {"actions": buttons}:
                card.parts.append(("buttons", [button["text"]["content"] for button in buttons]))
            case {"tag": "note", "elements": [text]}:
                card.parts.append(("small", text["content"]))
    return card


def _telegram(body: dict) -> Card:
    head, _, rest = body["text"].partition("\n")
    before, _, after = rest.partition("<pre>")
    code, _, after = after.partition("</pre>")
    lines = [line for line in after.strip("\n").split("\n") if line]
    card = Card(_untagged(head), None, [("text", _untagged(line)) for line in before.strip("\n").split("\n")])
    card.parts.append(("code", unescape(code)))
    card.parts += [("link" if line.startswith("<a ") else "text", _untagged(line)) for line in lines]
    return card


def _marked(text: str) -> Card:
    """Markdown of DingTalk and WeCom: a title, lines, a quotation of the log, lines."""
    colour = re.search(r'color="(\w+)"', text)
    text = unescape(_unescaped(re.sub(r"</?font[^>]*>|(?<!\\)\*\*|^### ", "", text)))
    head, *lines = [line.strip(" ") for line in text.split("\n") if line.strip()]
    quoted = [line[2:] for line in lines if line.startswith("> ")]
    at = next((number for number, line in enumerate(lines) if line.startswith("> ")), len(lines))
    rest = [line for line in lines[at:] if not line.startswith("> ")]
    card = Card(head, COLOURS.get(colour[1]) if colour else None, [("text", line) for line in lines[:at]])
    card.parts.append(("code", "\n".join(quoted)))
    for line in rest:
        link = re.fullmatch(r"\[(.*)\]\(.*\)", line)
        card.parts.append(("link", link[1]) if link else ("text", line))
    return card


def _ntfy(body: dict) -> Card:
    buttons = [action["label"] for action in body.get("actions", [])]
    return Card(body["title"], None, [*(("text", line) for line in body["message"].split("\n")), ("buttons", buttons)])


def _unescaped(text: str) -> str:
    return re.sub(r"\\([^\w\s])", r"\1", text)


def _untagged(text: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", text))


CHATS: Mapping[str, Callable[[dict], Card]] = {
    "slack": _slack,
    "discord": _discord,
    "teams": _teams,
    "telegram": _telegram,
    "ntfy": _ntfy,
    "feishu": _feishu,
    "dingtalk": lambda body: _marked(body["markdown"]["text"]),
    "wecom": lambda body: _marked(body["markdown"]["content"]),
}
