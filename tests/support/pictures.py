"""Draws how an alert looks in each service, from what the channel really sends: `python -m tests.support.pictures`.

Services show things their own way and change it; the drawings tell what is where, not every shade.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from html import escape
from pathlib import Path

from agent.core import chart_sample
from agent.core.model import AlertType, NotificationKind
from agent.core.samples import full
from tests.channels.adapters import ADAPTERS
from tests.channels.samples import PNG, channel, message
from tests.support import looks_of_mail, looks_of_trackers
from tests.support.clock import START
from tests.support.looks import CHATS, Card

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
CHART = chart_sample.of(AlertType.JOB_FAILED, "")
WIDTH, MARGIN, LINE = 640, 24, 20
SANS, MONO = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif", "ui-monospace, Menlo, Consolas, monospace"
INK, GREY, PALE, BLUE = "#1d1c1d", "#616061", "#f4f4f5", "#1264a3"
READERS = CHATS | {"email": looks_of_mail.email} | {
    name: getattr(looks_of_trackers, name) for name in ("pagerduty", "jira", "linear", "notion", "alertmanager")
}
LOOKS = {"text": "", "small": f'font-size="12" fill="{GREY}"', "link": f'fill="{BLUE}"'}


def sent(name: str) -> object:
    """What the channel sends of the sample of a failed job: the body as JSON, or a mail's page."""
    alert = replace(full(AlertType.JOB_FAILED, "gpu-07", START), test=False)
    told = message(alert, NotificationKind.FIRED, node="gpu-07", chart=CHART)

    def built(url: str, **changes: object) -> object:
        return channel({**ADAPTERS[name].table(url), "link": "https://runs.example.com/{job_id}"}, **changes)

    if name == "email":
        mail = ADAPTERS[name].capture(lambda url: built(url, draw=lambda _: PNG), told, "key")
        return message_from_bytes(mail, policy=policy.default).get_body(("html",)).get_content()
    with ADAPTERS[name].stand_in() as receiver:
        built(receiver.url).send(told, "key")
        (request,) = [request for request in receiver.wait_for(1) if ADAPTERS[name].carries(request)]
    return json.loads(request.body)


def draw(name: str) -> str:
    """The picture of one channel, as SVG."""
    card = READERS[name](sent(name))
    drawn = list(_drawn(card))
    height = drawn[-1][0] + MARGIN
    bar = f'<rect x="1" y="1" width="6" height="{height - 2}" rx="3" fill="{card.colour}"/>' if card.colour else ""
    frame = _box(0.5, 0.5, WIDTH - 1, height - 1, 'fill="#ffffff" stroke="#d0d0d4"')
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{SANS}" font-size="14" fill="{INK}">'
    title = f"<title>A failed job in {name}</title>"
    return "\n".join(filter(None, (head, title, frame, bar, *(line for _, line in drawn), "</svg>\n")))


def _drawn(card: Card) -> Iterator[tuple[int, str]]:
    """Each element with the y at which it ends."""
    y = MARGIN + 12
    yield y, _text(MARGIN, y, card.title, 'font-size="17" font-weight="700"')
    draw_part = {"facts": _facts, "code": _code, "buttons": _buttons, "chart": _chart}
    for kind, what in card.parts:
        for end, element in draw_part[kind](y, what) if kind in draw_part else _lines(y, what, LOOKS[kind]):
            yield end, element
            y = max(y, end)


def _lines(y: int, text: str, looks: str) -> Iterator[tuple[int, str]]:
    for line in textwrap.wrap(text, 80):
        y += LINE + 2
        yield y, _text(MARGIN, y, line, looks)


def _facts(y: int, facts: Iterable[tuple[str, str]]) -> Iterator[tuple[int, str]]:
    for row in _rows(facts):
        y += 2 * LINE
        for column, (label, value) in enumerate(row):
            x = MARGIN + column * (WIDTH - 2 * MARGIN) // 2
            yield y, _text(x, y - 17, label, f'font-size="12" font-weight="600" fill="{GREY}"')
            yield y, _text(x, y, value)


def _rows(facts: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Facts two a row; a long one has a row of its own."""
    row: list[tuple[str, str]] = []
    for label, value in facts:
        if len(value) > 36:
            yield from filter(None, (row, [(label, textwrap.shorten(value, 76, placeholder=" …"))]))
            row = []
        else:
            row.append((label, value))
        if len(row) == 2:
            yield row
            row = []
    if row:
        yield row


def _code(y: int, text: str) -> Iterator[tuple[int, str]]:
    lines = [part for line in text.split("\n") for part in (textwrap.wrap(line, 78) or [""])] if text else []
    height = 12 + 17 * len(lines)
    if lines:
        yield y + 10 + height, _box(MARGIN, y + 10, WIDTH - 2 * MARGIN, height, f'fill="{PALE}"')
    for number, line in enumerate(lines, 1):
        look = f'font-family="{MONO}" font-size="12" xml:space="preserve"'
        yield y, _text(MARGIN + 8, y + 12 + 17 * number, line, look)


def _buttons(y: int, texts: Iterable[str]) -> Iterator[tuple[int, str]]:
    x = MARGIN
    for text in texts:
        width = 24 + 9 * len(text)
        yield y + 42, _box(x, y + 14, width, 30, 'fill="none" stroke="#b0b0b6"')
        yield y + 44, _text(x + 12, y + 34, text, 'font-weight="600"')
        x += width + 8


def _chart(y: int, title: str) -> Iterator[tuple[int, str]]:
    """The courses that the PNG shows, without its axes."""
    width, height = WIDTH - 2 * MARGIN, 120
    yield y + 30, _text(MARGIN, y + 28, title, LOOKS["small"])
    yield y + 40 + height, _box(MARGIN, y + 36, width, height, f'fill="none" stroke="{PALE}"')
    start = CHART.series[0].points[0][0]
    for one, colour in zip(CHART.series, ("#1f77b4", "#ff7f0e"), strict=False):
        points = " ".join(
            f"{MARGIN + width * (x - start) / (CHART.event - start):.0f},{y + 36 + height * (1 - v / CHART.limit):.0f}"
            for x, v in one.points
        )
        yield y, f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _box(x: float, y: float, width: float, height: float, looks: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" {looks}/>'


def _text(x: int, y: int, text: str, looks: str = "") -> str:
    return f'<text x="{x}" y="{y}" {looks}>{escape(text, quote=False)}</text>'


if __name__ == "__main__":
    for name in READERS:
        picture = draw(name)
        (FOLDER / f"channel-{name}.svg").write_text(picture)
        print(f"channel-{name}.svg: {len(picture.encode())} bytes")
