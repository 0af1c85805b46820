"""The process in which a chart is drawn: reads it from standard input, writes a PNG, and is gone."""

import json
import sys
from collections.abc import Mapping
from typing import BinaryIO

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from agent.core.model import Json

INCHES, DOTS = (6.0, 2.4), 100
"""600 by 240 pixels: as wide as a mail, and legible in a chat on a phone."""
INK, PALE, EVENT = "#3f3f46", "#e4e4e7", "#e01e5a"
STYLE: Mapping[str, Json] = {
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.size": 8, "axes.titlesize": 9, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip


def main() -> None:
    """Draw what standard input describes."""
    with mpl.rc_context(STYLE):
        draw(json.load(sys.stdin), sys.stdout.buffer)


def draw(chart: Mapping[str, Json], out: BinaryIO) -> None:
    """Draw a `core.chart.Chart`, given as JSON."""
    figure = Figure(INCHES, DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=chart["title"], xlabel=chart["x_label"], ylabel=chart["y_label"])
    axes.grid(color=PALE, linewidth=0.6)
    lines = [axes.plot(*zip(*one["points"], strict=True), linewidth=1.4)[0] for one in chart["series"]]
    if chart["event"] is not None:
        axes.axvline(chart["event"], color=EVENT, linewidth=1, linestyle="--")
    if chart["limit"] is not None:
        axes.axhline(chart["limit"], color=INK, linewidth=0.8, linestyle=":")
        axes.set_ylim(0, chart["limit"] * 1.05)
    if len(lines) > 1 or chart["limit"] is not None:
        # a name that begins with an underscore would be left out
        axes.legend(lines, [f" {one['name']}" for one in chart["series"]], loc="best", fontsize=7, frameon=False)
    figure.savefig(out, format="png")


if __name__ == "__main__":
    main()
