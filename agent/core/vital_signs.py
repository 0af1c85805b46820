"""Whether all is well enough to say so to whoever listens for it: only then does silence mean trouble."""

from collections.abc import Iterable, Iterator

from agent.core.clock import HOUR
from agent.core.model import ChannelState
from agent.core.text import duration

CHANNEL_MAY_FAIL = HOUR
"""How long a channel may be in trouble before nobody should rely on it any more (R-16.2)."""
EVALUATOR_ALIVE = 30.0
"""Seconds without a finished round after which alerts are not being decided."""


def troubles(
    silent_for: float | None, store: str | None, stuck: Iterable[str], channels: Iterable[ChannelState], now: int
) -> Iterator[str]:
    """Say what is wrong; nothing if all is well.

    `silent_for`: seconds since the evaluator finished a round, None before its first; `store`: what it refuses;
    `stuck`: sources whose look does not end; `now` in UTC milliseconds.
    """
    if silent_for is None or silent_for > EVALUATOR_ALIVE:
        yield "alerts are not being decided"
    if store is not None:
        yield f"the store refuses: {store}"
    yield from (f"source {name} is stuck" for name in stuck)
    for state in channels:
        if state.failing_since is not None and now - state.failing_since > CHANNEL_MAY_FAIL:
            yield f"channel {state.channel} has failed for {duration(now - state.failing_since)}"
