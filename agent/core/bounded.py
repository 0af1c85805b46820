"""An alert small enough for a row of the outbox, which holds all of it.

Programs, logs and the kernel say as much as they like, and an alert is kept once by itself and once with each of its
deliveries. What does not fit is cut part by part: first what only explains, last what tells alerts apart. The alert
itself says what was cut, and is never lost.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.core.codec import encode
from agent.core.model import Alert, Json
from agent.core.text import cut, tail_lines

LIMIT = 63 * 1024
"""Bytes of an alert as it is stored. A row takes 64 KiB; the rest is for what an alert gains as it ends."""
CUT_SHORT = "Cut short"
"""The field that names the parts of which something is missing."""
SHORTEST = 48
"""Bytes of a text below which entries are left out rather than texts cut any shorter."""
MOST_LINES = 200
"""Lines of evidence kept of what is too large; a message shows twenty."""
_MARK_ROOM = 256
"""Bytes that `CUT_SHORT` takes at most."""


def bounded(alert: Alert) -> Alert:
    """Cut what makes an alert larger than `LIMIT` as far as that takes; one that fits is returned as it is."""
    if encoded(alert) <= LIMIT:
        return alert
    fields = dict(alert.fields)
    before = fields.pop(CUT_SHORT, "").partition(":")[0]
    missing = dict.fromkeys(filter(None, before.split(", ")))
    alert = replace(alert, fields=fields)
    for name, least, shorter in _PARTS:
        excess = encoded(alert) - (LIMIT - _MARK_ROOM)
        own = encoded(getattr(alert, name))
        if excess > 0 and own > least:
            alert = replace(alert, **{name: shorter(getattr(alert, name), max(least, own - excess))})
            missing[name] = None
    said = f"{', '.join(missing)}: it was too large to be kept whole"
    return replace(alert, fields={**alert.fields, CUT_SHORT: said})


def encoded(value: object) -> int:
    """The bytes that a value takes in the store."""
    return len(json.dumps(encode(value), separators=(",", ":")))


def shortened(value: Json, limit: int) -> Json:
    """Make a value encode to at most `limit` bytes, no fewer than `SHORTEST`: its longest texts are cut to one length.

    Where that is not enough, the last entries of an object, and the first ones of a list, are left out.
    """
    excess = encoded(value) - limit
    if excess <= 0:
        return value
    sizes = [encoded(text) for text in _texts(value)]
    lengths = range(SHORTEST, limit + 1)
    saving = bisect_right(lengths, -excess, key=lambda length: -sum(max(0, size - length) for size in sizes))
    value = _with_texts_of(value, lengths[max(0, saving - 1)])
    return value if encoded(value) <= limit else _fewer(value, limit)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.items():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _with_texts_of(value: Json, longest: int) -> Json:
    """Cut every text in it to `longest` bytes, of which a character takes one at least."""
    if isinstance(value, str):
        return cut(value[:longest], longest, measure=encoded)
    if isinstance(value, Mapping):
        return {_with_texts_of(key, longest): _with_texts_of(item, longest) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_texts_of(item, longest) for item in value]
    return value


def _fewer(value: Json, limit: int) -> Json:
    if isinstance(value, Mapping):
        kept = _first(list(value.items()), limit, lambda item: encoded(item[0]) + encoded(item[1]) + 1)
        return dict(kept)
    if isinstance(value, (list, tuple)):
        return _first(list(value)[::-1], limit, encoded)[::-1]
    return None


def _first(items: Sequence[Any], limit: int, measure: Callable[[Any], int]) -> list[Any]:
    """The first of the items that fit, with brackets around them and commas between them."""
    kept, room = [], limit - 2
    for item in items:
        room -= measure(item) + 1
        if room < 0:
            break
        kept.append(item)
    return kept


def _last_lines(lines: Sequence[str], limit: int) -> tuple[str, ...]:
    return tail_lines(lines, limit, most=MOST_LINES, measure=_as_list)


def _as_list(lines: str) -> int:
    """The bytes that lines, given as one text, take as a list: three signs between two of them, not two."""
    return encoded(lines) + lines.count("\n") + 2


def _whole(links: Sequence[Any], limit: int) -> tuple[Any, ...]:
    """Half an address leads nowhere."""
    return tuple(_first(links, limit, encoded))


def _none(_: object, __: int) -> None:
    return None


_PARTS: Sequence[tuple[str, int, Callable[[Any, int], Any]]] = (
    ("evidence", 4_096, _last_lines),
    ("links", 1_024, _whole),
    ("fields", 2_048, shortened),
    ("job", 4_096, shortened),
    ("gpu", 1_024, shortened),
    ("disk", 1_024, shortened),
    ("advice", 1_024, shortened),
    ("message", 3_072, shortened),
    ("labels", 4_096, shortened),
    ("title", 1_024, shortened),
    ("report", 0, _none),
)
"""The parts in the order in which they are cut, the bytes that each keeps in any case, and how it is cut.

A report of `core.report.LIMIT` fits whole beside the least of all others; half of one would make no table.
"""
