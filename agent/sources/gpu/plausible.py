"""Values that no GPU can have are none: a broken library must not raise an alert about a GPU that is well."""

from typing import Any

CELSIUS = (-100, 250)
MEGAHERTZ_AT_MOST = 20_000
MILLIWATTS_AT_MOST = 20_000_000
MEMORY_AT_MOST = 1 << 50
ROWS_AT_MOST = 1 << 20
"""Well beyond what there is."""
_MEGA = 1_000_000


def celsius(value: int | None) -> int | None:
    """A temperature, or a margin."""
    return _within(value, *CELSIUS)


def hertz(megahertz: int | None) -> int | None:
    """A clock rate."""
    known = _within(megahertz, 0, MEGAHERTZ_AT_MOST)
    return None if known is None else known * _MEGA


def watts(milliwatts: int | None) -> float | None:
    """A power."""
    known = _within(milliwatts, 0, MILLIWATTS_AT_MOST)
    return None if known is None else known / 1000


def ratio(rates: Any, name: str) -> float | None:
    """A share of time, from a structure of percentages."""
    percent = _within(of(rates, name), 0, 100)
    return None if percent is None else percent / 100


def memory(found: Any) -> Any:
    """A memory structure, if its numbers fit together."""
    return found if found is not None and 0 <= found.used <= found.total <= MEMORY_AT_MOST else None


def of(structure: Any, name: str) -> int | None:
    """A number of a structure that may not be there."""
    value = getattr(structure, name, None)
    return None if value is None else int(value)


def _within(value: int | None, least: int, most: int) -> int | None:
    return value if value is not None and least <= value <= most else None
