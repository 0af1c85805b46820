"""The shapes of several lines that a signature may name."""

from collections.abc import Callable, Mapping

from agent.core.block import Block
from agent.core.elastic import Summary
from agent.core.losses import Records
from agent.core.tracebacks import Traceback

BLOCKS: Mapping[str, Callable[[str], Block]] = {"traceback": Traceback, "torchrun": Summary, "records": Records}
"""Each is begun with the line that the signature recognised."""
WATCHING = frozenset({"records"})
"""Shapes that only watch: their lines may mean something else besides."""
