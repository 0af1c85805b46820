"""What a report tells of the channels: how each fared, what was held back there, and what nobody was told."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.core.model import DeliveryState, Json
from agent.core.reasons import words

MOST_CHANNELS, MOST_REASONS = 16, 12
CHOSEN = frozenset({"not_taken", "below_min_severity", "not_matched", "own_trouble", "only_ends_alerts"})
"""Reasons that the user's own configuration gives every day; nothing to report."""
TOLD_ELSEWHERE = frozenset({"superseded_by", "digested_into", "nothing_left"})
"""Reasons of what another message tells."""

Held = tuple[str, str, int]
"""Channel, reason code and how often something was held back there."""


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """How many notifications of the period ended on a channel in one state for one reason, and with how many tries."""

    channel: str
    channel_type: str
    state: DeliveryState
    reason: str
    """A code without what it points to; empty where there is none."""
    count: int
    repeated: int
    """How many of them took more than one attempt."""


def channels(counts: Sequence[DeliveryCount]) -> list[dict[str, Json]]:
    """How each channel fared, in the order of their names."""
    return [_channel([item for item in counts if item.channel == name]) for name in sorted({i.channel for i in counts})]


def most_telling(found: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
    """Of too many channels those with the most trouble, then the busiest, still in order."""
    ranked = sorted(found, key=lambda item: (item["dead"], item["waiting"], item["delivered"]), reverse=True)
    kept = {item["channel"] for item in ranked[:MOST_CHANNELS]}
    return [item for item in found if item["channel"] in kept]


def reasons(found: Iterable[Held]) -> list[dict[str, Json]]:
    """Put reasons into words, the commonest first."""
    return [
        {"channel": channel, "reason": code, "explanation": words(code), "count": count}
        for channel, code, count in sorted(found, key=lambda item: -item[2])[:MOST_REASONS]
    ]


def left_out(counts: Sequence[DeliveryCount]) -> Iterator[Held]:
    """What nobody was told, but for what the configuration rules out anyway."""
    untold = (DeliveryState.SUPPRESSED, DeliveryState.DEAD)
    for item in counts:
        told = item.state not in untold or item.reason in TOLD_ELSEWHERE
        if not told and item.reason not in CHOSEN:
            yield item.channel, item.reason or str(item.state), item.count


def _channel(own: Sequence[DeliveryCount]) -> dict[str, Json]:
    states: Counter[DeliveryState] = Counter()
    for item in own:
        states[item.state] += item.count
    return {
        "channel": own[0].channel,
        "type": own[0].channel_type,
        "delivered": states[DeliveryState.DELIVERED],
        "repeated": sum(item.repeated for item in own if item.state is DeliveryState.DELIVERED),
        "digested": states[DeliveryState.DIGESTED],
        "waiting": sum(count for state, count in states.items() if state.open),
        "dead": states[DeliveryState.DEAD],
    }
