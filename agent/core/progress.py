"""How far a training run is, read from what frameworks print: as printed, never guessed.

The patterns are `progress.toml`; a new framework is a new table there.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources

from agent.core.facts import Activity, Progress
from agent.core.model import Json
from agent.core.patterns import Marker, Output, Pattern, Table

_SHORT: Mapping[str, str] = {
    "BAR": (
        r"(?P<step>\d{1,15})/ ?(?P<total>\d{1,15}|\?) "
        r"\[(?:\d{1,5} days?, )?\d[\d:]{1,15}<(?:\d{1,5} days?, )?[\d:?]{1,15}"
        r"(?:, {1,8}(?:(?P<throughput>[\d.]{1,15}) ?(?:it|steps?|batch|batches)/s"
        r"|(?P<pace>[\d.]{1,15}) ?s/(?:it|step|batch)"
        r"|\?it/s|[\d.?]{1,15} ?[\w ]{1,16}/s|[\d.?]{1,15}s/\w{1,16}))?\]?"
    ),
    "NUMBER": r"[-+]?(?:\d{1,15}(?:\.\d{0,30})?(?:[eE][-+]?\d{1,4})?|[nN]a[nN]|[iI]nf(?:inity)?)(?!\w|[.]\d)",
}
"""What is written in capitals in the patterns that come with the agent, and what it stands for."""
GROUPS = frozenset({"step", "total", "epoch", "loss", "throughput"})
"""The named groups that a user's pattern may have."""


def parse(text: str) -> Progress | None:
    """Read the training progress that a cleaned line shows; None if it shows none."""
    found = builtin().find(text)
    return found.progress if found is not None and found.trains else None


def same(one: Progress | None, other: Progress | None) -> bool:
    """Whether two readings show the same numbers; unlike `==`, one nan is another, and a framework's name is none."""
    if one is other or one is None or other is None:
        return one is other
    losses = one.loss == other.loss or (one.loss != one.loss and other.loss != other.loss)
    return losses and replace(one, loss=None, framework=None) == replace(other, loss=None, framework=None)


@cache
def builtin() -> Table:
    """Load the patterns that come with the agent."""
    text = resources.files("agent.core").joinpath("progress.toml").read_text("utf-8")
    for name, pattern in _SHORT.items():
        text = text.replace(name, pattern)
    tables = tomllib.loads(text)
    markers = (
        Marker(str(table["name"]), tuple(table["texts"]), table.get("over", False)) for table in tables["framework"]
    )
    outputs = (Output(str(table["pattern"]), tuple(table["hints"])) for table in tables["output"])
    return Table(tuple(map(from_table, tables["progress"])), tuple(markers), tuple(outputs))


def from_table(table: Mapping[str, Json]) -> Pattern:
    """Build a pattern from a table."""
    losses = table.get("loss", ())
    return Pattern(
        id=str(table["id"]),
        pattern=str(table["pattern"]),
        hints=tuple(table.get("hints", ())),
        framework=table.get("framework"),
        unless=table.get("unless"),
        needs=table.get("needs"),
        bar=table.get("bar", False),
        weak=table.get("weak", False),
        stepless=table.get("stepless", False),
        losses=(losses,) if isinstance(losses, str) else tuple(losses),
        names=tuple(table.get("names", ())),
        activity=Activity(table["activity"]) if "activity" in table else None,
        besides=table.get("besides", False),
        near=table.get("near"),
    )


def own(name: str, pattern: str) -> Pattern:
    """Build a user's pattern. Raises ValueError that names the id if it does not compile or names unknown groups."""
    built = from_table({"id": name, "pattern": pattern})
    try:
        groups = built.groups
    except re.error as error:
        place = "" if error.pos is None else f" at position {error.pos}"
        raise ValueError(f"progress {name!r}: the pattern does not compile: {error.msg}{place}") from None
    if not groups or not groups <= GROUPS:
        wrong = ", ".join(sorted(groups - GROUPS)) or "none"
        raise ValueError(f"progress {name!r}: expected named groups out of {', '.join(sorted(GROUPS))}; found {wrong}")
    return built
