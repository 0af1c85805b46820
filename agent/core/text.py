"""Text for people: cleaning, cutting and writing numbers. Knows no channel's markup."""

import re
from collections.abc import Callable, Sequence

Measure = Callable[[str], int]
"""How long a text is in a channel's own unit. It must never shrink when the text grows."""

CUT = "… (cut)"
"""Stands wherever something was left out at the end."""

_ESCAPE_SEQUENCES = re.compile(r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")

_KIB = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def strip_controls(text: str) -> str:
    """Remove what a terminal or a page would obey: escape sequences, controls but LF and TAB, bidi overrides.

    A lone surrogate, which no encoding accepts, becomes U+FFFD.
    """
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _ESCAPE_SEQUENCES.sub("", text)))


def paragraph(*parts: str) -> str:
    """Join what may be sentences, whoever wrote them: what others follow ends with a full stop at least."""
    ended = (f"{part}." if part[-1:].isalnum() else part for part in parts[:-1])
    return " ".join((*ended, *parts[-1:]))


def utf8(text: str) -> int:
    """Measure in bytes of UTF-8; a lone surrogate counts as the replacement it will be sent as."""
    return len(text.encode("utf-8", "replace"))


def utf16(text: str) -> int:
    """Measure in UTF-16 units, as JavaScript does."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, limit: int, *, measure: Measure = len, mark: str = CUT) -> str:
    """Shorten to `limit` in the unit of `measure`, on a character boundary, with a visible mark.

    To stay inside a limit after escaping, measure the escaped form: `cut(text, 3000, measure=escaped_length)`.
    """
    if measure(text) <= limit:
        return text
    if measure(mark) > limit:
        mark = ""
    shortest, longest = 0, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if measure(text[:middle] + mark) <= limit:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest] + mark


def tail_lines(lines: Sequence[str], limit: int, *, most: int = 20, measure: Measure = len) -> tuple[str, ...]:
    """Keep the last lines, which tell most in a traceback: at most `most` of them, joined by LF within `limit`.

    What was left out before them is counted in a first line of its own.
    """
    if len(lines) <= most and measure("\n".join(lines)) <= limit:
        return tuple(lines)
    room = limit - measure(_left_out(len(lines)))
    kept = 0
    while kept < min(len(lines) - 1, most) and measure("\n".join(lines[len(lines) - kept - 1 :])) < room:
        kept += 1
    if kept == 0:
        return (cut(lines[-1], limit, measure=measure),)
    return (_left_out(len(lines) - kept), *lines[len(lines) - kept :])


def _left_out(count: int) -> str:
    return f"… ({count} lines cut)"


def duration(milliseconds: float) -> str:
    """Write a length of time with its two largest units: `45s`, `12m 07s`, `2h 05m`, `3d 04h`."""
    seconds = max(0, int(milliseconds // 1000))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes == 0:
        return f"{seconds}s"
    if hours == 0:
        return f"{minutes}m {seconds % 60:02d}s"
    if days == 0:
        return f"{hours}h {minutes % 60:02d}m"
    return f"{days}d {hours % 24:02d}h"


def loss(value: float) -> str:
    """Write a loss with four significant digits; `nan` and `inf` as they are."""
    return f"{value:.4g}"


def steps(step: int, total: int | None) -> str:
    """Write progress as `4200/5000`, or the step alone where the total is unknown."""
    return str(step) if total is None else f"{step}/{total}"


def size(count: float) -> str:
    """Write a number of bytes in the largest binary unit that leaves at least 1: `79.2 GiB`."""
    value, unit = float(count), 0
    while abs(value) >= _KIB and unit < len(_UNITS) - 1:
        value, unit = value / _KIB, unit + 1
    return f"{value:.0f} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"
