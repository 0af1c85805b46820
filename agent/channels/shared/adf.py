"""A message in the Atlassian Document Format, which Jira's Cloud takes instead of markup."""

from collections.abc import Iterator, Mapping

from agent.core.message import Message
from agent.core.model import Json, Link

_STRONG: Json = {"type": "strong"}


def document(message: Message) -> dict[str, Json]:
    """Write the whole message; an empty text node would be refused, so none is written."""
    return {"type": "doc", "version": 1, "content": list(_blocks(message))}


def _blocks(message: Message) -> Iterator[Json]:
    yield _paragraph(_text(message.headline, _STRONG))
    if message.body:
        yield _paragraph(_text(message.body))
    facts = [(label, value) for label, value in message.facts if label and value]
    if facts:
        items = (_paragraph(_text(f"{label}: ", _STRONG), _text(value)) for label, value in facts)
        yield {"type": "bulletList", "content": [{"type": "listItem", "content": [item]} for item in items]}
    if message.evidence:
        log = "\n".join(message.evidence) or " "
        yield {"type": "codeBlock", "attrs": {"language": "text"}, "content": [_text(log)]}
    if message.advice:
        yield _paragraph(_text("Advice: ", _STRONG), _text(message.advice))
    for link in message.links:
        yield _paragraph(_linked(link))
    yield _paragraph(_text(message.footer))


def _paragraph(*content: Json) -> Json:
    return {"type": "paragraph", "content": list(content)}


def _text(text: str, *marks: Json) -> dict[str, Json]:
    node: Mapping[str, Json] = {"type": "text", "text": text}
    return {**node, "marks": list(marks)} if marks else dict(node)


def _linked(link: Link) -> Json:
    return _text(link.text or link.url, {"type": "link", "attrs": {"href": link.url}})
