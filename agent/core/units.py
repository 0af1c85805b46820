"""Durations and sizes as people type them, to seconds and bytes."""

import re
from collections.abc import Mapping

SECONDS: Mapping[str, float] = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""Seconds in one of each unit of time."""

BYTES: Mapping[str, int] = {
    "": 1, "B": 1,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50, "EiB": 1 << 60,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15, "EB": 10**18,
}  # fmt: skip
"""Bytes in one of each unit of size; the binary units are spelled with an i."""

_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]*)")


def parse_duration(value: str | float) -> float:
    """Read `"30s"`, `"15m"`, `"2h"`, `"3d"` or a number of seconds; returns seconds, never negative.

    Raises ValueError that says what was expected.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        expected = 'a text such as "30s", "15m", "2h" or "3d", or a number of seconds'
        raise ValueError(f"{value!r} is no duration: expected {expected}")  # noqa: TRY004 - pydantic takes no TypeError
    if isinstance(value, str):
        return _duration(value)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{value!r} is no duration: expected a number of seconds that is not negative")
    return float(value)


def parse_size(value: str | int) -> int:
    """Read `"10GiB"`, `"8KiB"`, `"1GB"` or a number of bytes; returns whole bytes.

    Raises ValueError that says what was expected.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        expected = 'a text such as "10GiB" or "8KiB", or whole bytes'
        raise ValueError(f"{value!r} is no size: expected {expected}")  # noqa: TRY004 - pydantic takes no TypeError
    if isinstance(value, str):
        return _size(value)
    if value < 0:
        raise ValueError(f"{value!r} is no size: expected a number of bytes that is not negative")
    return value


def _duration(text: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if not match or match[2] not in SECONDS:
        raise ValueError(f'{text!r} is no duration: expected a number with ms, s, m, h, d or w, such as "15m"')
    return float(match[1]) * SECONDS[match[2]]


def _size(text: str) -> int:
    match = _QUANTITY.fullmatch(text.strip())
    if not match or match[2] not in BYTES:
        raise ValueError(f'{text!r} is no size: expected a number with B, KiB, MiB, GiB or TiB, such as "8KiB"')
    whole, _, fraction = match[1].partition(".")
    unit = BYTES[match[2]]
    return int(whole) * unit + (int(float(f"0.{fraction}") * unit) if fraction else 0)
