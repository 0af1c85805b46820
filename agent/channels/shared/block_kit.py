"""A message as Slack shows it: Block Kit with a bar in the colour of the severity, or text alone."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agent.channels.shared.markup import plain_text
from agent.core.message import Message
from agent.core.model import Json, Link, Severity, Status
from agent.core.text import cut, tail_lines

HEADER_LIMIT, SECTION_LIMIT, FIELD_LIMIT, BUTTON_LIMIT, URL_LIMIT = 150, 3_000, 2_000, 75, 3_000
"""Characters, after escaping; a block beyond them is refused whole."""
TEXT_LIMIT = 4_000
"""Characters of the plain text that Slack advises; it cuts at 40,000."""
SUMMARY_LIMIT = 500
"""Characters of the text in a phone's notification."""
MOST_FIELDS, MOST_BUTTONS = 10, 5
FENCE, BROKEN_FENCE = "```", "'''"

COLOURS: Mapping[Severity, str] = {
    Severity.CRITICAL: "#E01E5A",
    Severity.WARNING: "#ECB22E",
    Severity.INFO: "#36C5F0",
}
RESOLVED_COLOUR = "#2EB67D"



def render(message: Message, shown: tuple[Link, ...]) -> dict[str, Json]:
    """Build what both ways into Slack take; `shown` are the links."""
    return plain(message, shown) if message.plain else rich(message, shown)


def escape(text: str) -> str:
    """Escape for `mrkdwn` and `text`: only these three are special, and every mention needs a raw `<`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escaped_length(text: str) -> int:
    return len(escape(text))


def _fit(text: str, limit: int) -> str:
    return escape(cut(text.replace(FENCE, BROKEN_FENCE), limit, measure=_escaped_length))


def rich(message: Message, shown: tuple[Link, ...]) -> dict[str, Json]:
    """Build the message as people see it: a header, and the rest beside a coloured bar."""
    colour = RESOLVED_COLOUR if message.status is Status.RESOLVED else COLOURS[message.severity]
    return {
        "text": _fit("\n".join(filter(None, (message.headline, message.body))), SUMMARY_LIMIT),
        "blocks": [_header(message.headline)],
        "attachments": [{"color": colour, "blocks": list(_details(message, shown))}],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def plain(message: Message, shown: tuple[Link, ...]) -> dict[str, Json]:
    """Build the fallback for a message whose blocks were refused: text alone, with no markup."""
    text = _fit(plain_text(replace(message, links=shown)), TEXT_LIMIT)
    return {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def _header(headline: str) -> Json:
    return {"type": "header", "text": _plain_text(headline, HEADER_LIMIT)}


def _plain_text(text: str, limit: int) -> Json:
    """Plain text takes no escapes and is not parsed for mentions; it is kept from even looking like one."""
    text = text.replace("<", "\u2039").replace(">", "\u203a")
    return {"type": "plain_text", "text": cut(text, limit), "emoji": True}


def _details(message: Message, shown: tuple[Link, ...]) -> Iterator[Json]:
    if message.body:
        yield _section(_fit(message.body, SECTION_LIMIT))
    for start in range(0, len(message.facts), MOST_FIELDS):
        facts = message.facts[start : start + MOST_FIELDS]
        yield {"type": "section", "fields": [_mrkdwn(_fact(label, value)) for label, value in facts]}
    if message.evidence:
        yield _section(_code(message.evidence))
    if message.advice:
        yield _section(f"*Advice:* {_fit(message.advice, SECTION_LIMIT // 2)}")
    buttons = [_button(link) for link in shown if len(link.url) <= URL_LIMIT][:MOST_BUTTONS]
    if buttons:
        yield {"type": "actions", "elements": buttons}
    yield {"type": "context", "elements": [_mrkdwn(_fit(message.footer, FIELD_LIMIT))]}


def _fact(label: str, value: str) -> str:
    label = _fit(label, FIELD_LIMIT // 4)
    return f"*{label}*\n{_fit(value, FIELD_LIMIT // 2)}"


def _code(lines: tuple[str, ...]) -> str:
    """Fence the log lines. A fence protects from nothing but formatting: they are escaped inside it too."""
    harmless = [line.replace(FENCE, BROKEN_FENCE) for line in lines]
    kept = tail_lines(harmless, SECTION_LIMIT - 2 * len(FENCE) - 2, measure=_escaped_length)
    return "\n".join((FENCE, *map(escape, kept), FENCE))


def _section(text: str) -> Json:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _button(link: Link) -> Json:
    return {"type": "button", "text": _plain_text(link.text, BUTTON_LIMIT), "url": link.url}
