"""What a small picture shows, as values: courses over one axis, and where the event is. Draws nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.core.text import cut, strip_controls

TEXT_LIMIT = 60
"""Characters of a title or a name: more does not fit into a small picture."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: its name, and points (x, y) in the order of x."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw. `event`: the x at which it happened; `limit`: the y that cannot be passed, if there is one."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    event: float | None = None
    limit: float | None = None


def cleaned(chart: Chart, clean: Callable[[str], str]) -> Chart:
    """The chart for eyes outside: every text in one line without controls and secrets, and short."""

    def shown(text: str) -> str:
        return cut(" ".join(clean(strip_controls(text)).split()), TEXT_LIMIT, mark="…")

    series = tuple(replace(one, name=shown(one.name)) for one in chart.series)
    return replace(chart, title=shown(chart.title), series=series)
