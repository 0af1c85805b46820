"""What an alert explains, named in its own text. Bounded: a lost driver or network may explain anything."""

import re
from collections.abc import Iterable
from dataclasses import replace

from agent.core.model import Alert
from agent.core.text import cut

FIELD = "Also affected"
MOST = 8
TITLE_LIMIT = 50
"""Together well within what is shown of one field."""

_MORE = re.compile(r"and (\d+) more")


def naming(alert: Alert, titles: Iterable[str]) -> Alert:
    """The alert that also names these; beyond the first few they are only counted."""
    named = [text for text in alert.fields.get(FIELD, "").split("; ") if text]
    more = int(found[1]) if named and (found := _MORE.fullmatch(named[-1])) else 0
    named = named[:-1] if more else named
    fresh = [title for title in dict.fromkeys(map(_short, titles)) if title not in named]
    room = MOST - len(named)
    more += len(fresh[room:])
    named += fresh[:room]
    return replace(alert, fields={**alert.fields, FIELD: "; ".join([*named, *([f"and {more} more"] if more else [])])})


def _short(title: str) -> str:
    return cut(title.replace("; ", ", "), TITLE_LIMIT)
