"""What sources report, as text of the metrics page in both formats.

prometheus_client makes the rest of the page. With eight GPUs there are some seven hundred of these lines, and it needs
several times as long for each: they are most of what a scrape costs.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from agent.core import gpu_samples
from agent.core.model import Sample
from agent.runtime.board import Board
from agent.runtime.gpu_board import GpuBoard
from agent.runtime.log import event
from agent.runtime.metrics_catalog import SAMPLES, SUMMED, Kind

PREFIX = "gpuwarden_"
LABELS_KEPT = 4_096
"""Sets of labels that are remembered as text: most are the same at each scrape, and for many families."""
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_NUMBERS: Mapping[float, str] = {math.inf: "+Inf", -math.inf: "-Inf"}

Rows = dict[tuple[str, ...], float]
"""Values by label values, which stand in the order of the family's labels."""

logger = logging.getLogger(__name__)


def text(board: Board, *, openmetrics: bool) -> str:
    """All families that sources report, as they were last seen. Nobody is asked: the GPU driver may not answer."""
    families = _families((*board.samples(), *_gpus(board.gpus)))
    lines = [line for name, rows in families.items() for line in _lines(name, rows, openmetrics=openmetrics)]
    return "".join(f"{line}\n" for line in lines)


def _gpus(board: GpuBoard) -> Iterator[Sample]:
    seen = board.latest()
    yield from gpu_samples.samples(seen.readings, seen.driver)
    yield from gpu_samples.of_xids(board.xids(), seen.readings)


def _families(samples: Iterable[Sample]) -> dict[str, Rows]:
    """Group them by name; of two with equal labels the later counts, since a page may not repeat itself.

    A name that the catalogue does not hold is left out.
    """
    families: dict[str, Rows] = {}
    for sample in samples:
        entry = SAMPLES.get(sample.name)
        if entry is None:
            event(logger, logging.DEBUG, "a sample has no place on the metrics page", sample=sample.name)
            continue
        labels = sample.labels
        key = tuple([labels.get(label, "") for label in entry.labels])
        rows = families.setdefault(sample.name, {})
        rows[key] = sample.value + (rows.get(key, 0.0) if sample.name in SUMMED else 0.0)
    return families


def _lines(name: str, rows: Rows, *, openmetrics: bool) -> Iterator[str]:
    """One family: OpenMetrics names counters and infos without their endings, the older format has no infos."""
    entry = SAMPLES[name]
    kind = "gauge" if entry.kind is Kind.INFO and not openmetrics else entry.kind.value
    family = PREFIX + (name.removesuffix("_total").removesuffix("_info") if openmetrics else name)
    yield f"# HELP {family} {entry.help}"
    yield f"# TYPE {family} {kind}"
    for key, value in rows.items():
        yield f"{PREFIX}{name}{_labels(entry.labels, key)} {_number(value)}"


@lru_cache(maxsize=LABELS_KEPT)
def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Labels as text. The page is UTF-8; a name of a file system need not be."""
    if not names:
        return ""
    shown = (value.encode("utf-8", "replace").decode().translate(_ESCAPES) for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, shown, strict=True)) + "}"


def _number(value: float) -> str:
    return "NaN" if value != value else _NUMBERS.get(value) or repr(float(value))  # noqa: PLR0124 - only NaN differs
