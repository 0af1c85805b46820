"""When no agent looked: the gaps between the lives of agents."""

from collections.abc import Iterable, Iterator

from agent.core.clock import SECOND

SIGN_EVERY = 60 * SECOND
"""How often a living agent gives a sign, which is stored."""
UNNOTICED = SIGN_EVERY + 30 * SECOND
"""A silence up to this long is none: a sign may be late."""

Span = tuple[int, int]
"""From and until, UTC milliseconds."""


def gaps(lives: Iterable[Span], since: int, until: int) -> Iterator[Span]:
    """When nobody lived between `since` and `until`. `lives`: beginning and last sign of each, in order."""
    seen = since
    for began, last in lives:
        if began - seen > UNNOTICED:
            yield seen, min(began, until)
        seen = max(seen, last)
    if until - seen > UNNOTICED:
        yield seen, until
