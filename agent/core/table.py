"""A small table for people, whoever draws it: as text here, as HTML in mails."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

UNKNOWN = "-"
"""Stands in a cell for what is not known."""


_NUMBER = re.compile(r"[+-]?\d(?!\d{3}-)")
"""How a number begins, or a length of time or a size; a date is none of them."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows beneath their headers; every row has as many cells. `note` is said beneath it."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, to be set flush right."""
        columns = zip(*self.rows, strict=True)
        return tuple(all(_NUMBER.match(cell) or cell in ("", UNKNOWN) for cell in column) for column in columns)

    def lines(self) -> Iterator[str]:
        """The table as text, in columns."""
        yield self.title
        rows = (self.headers, *self.rows)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        numeric = self.numeric()
        for row in rows if self.rows else ():
            cells = zip(row, widths, numeric, strict=True)
            yield "  " + "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in cells).rstrip()
        if self.note:
            yield f"  {self.note}"
