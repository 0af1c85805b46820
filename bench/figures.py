"""What a benchmark gives: a quantity measured several times, and its line in the table. Measures nothing itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

HEADERS = ("MEASURED", "MEDIAN", "MIN", "MAX", "RUNS", "GOAL", "REMARK")
DIGITS = 3
"""Significant digits shown; more would be noise."""
PERCENT = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity, measured in `values`, one for each run. `goal` is a text: figures are shown, never asserted."""

    what: str
    values: Sequence[float]
    unit: str
    goal: str = ""
    remark: str = ""

    def cells(self) -> tuple[str, ...]:
        """The row as texts in the order of `HEADERS`."""
        spread = (median(self.values), min(self.values), max(self.values))
        shown = (f"{_rounded(value)} {self.unit}" for value in spread)
        return self.what, *shown, str(len(self.values)), self.goal, self.remark


def percentile(values: Iterable[float], percent: int) -> float:
    """The value below which so many percent of the values lie, between the two nearest where it is none of them."""
    return quantiles(values, n=PERCENT, method="inclusive")[percent - 1]


def _rounded(value: float) -> str:
    whole = len(str(int(abs(value))))
    return f"{value:,.{max(0, DIGITS - whole)}f}"
