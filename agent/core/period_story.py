"""Why something, or nothing, arrived in a period: in plain words, channel by channel.

Pure: values in, lines out. Alerts must be presentable already. Quiet hours are told as the present configuration has
them, since a former one is not kept.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo

from agent.core import story
from agent.core.lives import Span, gaps
from agent.core.local_time import local
from agent.core.model import Alert, Attempt, ChannelState, Decision, Delivery, DeliveryState, Silence
from agent.core.policy.windows import Window, occurrences
from agent.core.reasons import words
from agent.core.story import clock

MOST_LINES = 60
"""Lines of one channel; the rest is counted."""
TWO_DAYS = timedelta(days=2)
NOTHING = "Nothing was told, held back or left out here."


@dataclass(frozen=True, slots=True)
class PeriodFacts:
    """What is known of a period. Everything is in its own order; times are UTC milliseconds."""

    since: int
    until: int
    alerts: Mapping[str, Alert]
    """Every alert that the rest speaks of, by id."""
    decisions: Sequence[Decision] = ()
    """Those of the period."""
    attempts: Sequence[tuple[Attempt, Delivery]] = ()
    """Those of the period, each with its delivery."""
    waiting: Sequence[Delivery] = ()
    """What was owed before the period and neither told nor given up within it."""
    lasting: Sequence[Alert] = ()
    """What fired before the period and in it."""
    lives: Sequence[Span] = ()
    silences: Sequence[Silence] = ()
    channels: Mapping[str, str] = field(default_factory=dict)
    """The configured channels with their types."""
    states: Mapping[str, ChannelState] = field(default_factory=dict)
    """How the channels stand now."""


def tell(facts: PeriodFacts, windows: Iterable[Window], zone: tzinfo) -> list[str]:
    """Tell the whole period; times of day are those of `zone`."""
    lines = [f"From {clock(facts.since, zone)} to {clock(facts.until, zone)}; times are {zone}."]
    lines += _circumstances(facts, windows, zone)
    if not (facts.decisions or facts.attempts or facts.waiting):
        lines.append("Nothing happened that anybody could have been told of.")
    channels = dict(facts.channels) | {row.channel: row.channel_type for _, row in facts.attempts}
    channels |= {item.channel: "" for item in facts.decisions if item.channel and item.channel not in channels}
    for channel, kind in channels.items():
        lines += ["", f"{channel} ({kind})" if kind else channel, *_channel(channel, facts, zone)]
    return lines


def quiet(windows: Iterable[Window], since: int, until: int) -> list[tuple[Window, Span]]:
    """The nights of these windows that touch a period."""
    return [
        (window, (night.start, night.end))
        for window in windows
        for night in occurrences(window, local(since, window.zone).date() - TWO_DAYS, local(until, window.zone).date())
        if night.start < until and night.end > since
    ]


def down(facts: PeriodFacts) -> list[Span]:
    """When no agent ran, as far as agents are remembered."""
    first = facts.lives[0][0] if facts.lives else facts.until
    return list(gaps(facts.lives, max(facts.since, first), facts.until))


def _circumstances(facts: PeriodFacts, windows: Iterable[Window], zone: tzinfo) -> Iterator[str]:
    """What kept the whole agent from looking or telling."""
    if not facts.lives:
        yield "No sign of an agent is stored from that time or before it: none ran yet, or it is too long ago."
    elif facts.lives[0][0] > facts.since:
        yield f"The first agent that is remembered began at {clock(facts.lives[0][0], zone)}."
    for begin, end in down(facts):
        yield (
            f"No agent ran from {clock(begin, zone)} to {clock(end, zone)}: nothing was looked at and nothing sent; "
            "what logs and the spool held was read afterwards."
        )
    for window, (begin, end) in quiet(windows, facts.since, facts.until):
        where = "all channels" if window.channels is None else ", ".join(sorted(window.channels))
        yield f'Quiet hours "{window.name}" from {clock(begin, zone)} to {clock(end, zone)}, on {where}.'
    for item in facts.silences:
        what = f"alert {item.alert_id}" if item.alert_id else ", ".join(f"{k}={v}" for k, v in item.match.items())
        comment = f": {item.comment}" if item.comment else ""
        span = f"from {clock(item.starts_at, zone)} to {clock(item.ends_at, zone)}"
        yield f"Silence {item.id} by {item.author}{comment} covered {what} {span}."
    for alert in facts.lasting:
        over = f" until {clock(alert.ends_at, zone)}" if alert.ends_at is not None else ""
        yield f"{alert.title} had fired since {clock(alert.starts_at, zone)}{over}: see gpuwarden explain {alert.id}"


def _channel(channel: str, facts: PeriodFacts, zone: tzinfo) -> list[str]:
    told = sorted(_entries(channel, facts, zone), key=lambda entry: entry[0])
    lines = [f"  {clock(at, zone)}  {text}" for at, text in told[:MOST_LINES]]
    if len(told) > MOST_LINES:
        lines.append(f"  and {len(told) - MOST_LINES} more")
    lines += [f"  {_still(row, facts, zone)}" for row in facts.waiting if row.channel == channel]
    state = facts.states.get(channel)
    if state is not None and state.failing_since is not None and state.failing_since < facts.until:
        detail = f": {state.detail}" if state.detail else ""
        lines.append(f"  It could not deliver from {clock(state.failing_since, zone)} on, and still cannot{detail}.")
    return lines or [f"  {NOTHING}"]


def _entries(channel: str, facts: PeriodFacts, zone: tzinfo) -> Iterator[story.Entry]:
    for decision in facts.decisions:
        if decision.channel in (channel, None):
            yield decision.at, f"{_title(decision.alert_id, facts)}: {story.verdict(decision, zone)}"
    for attempt, row in facts.attempts:
        if row.channel == channel:
            outcome = story.tried(attempt, row, zone)
            yield attempt.started_at, f"{_title(row.alert_id, facts)}: {outcome[:1].lower()}{outcome[1:]}"


def _still(row: Delivery, facts: PeriodFacts, zone: tzinfo) -> str:
    """What waited all the while, and why as far as that is known now."""
    why = words(row.reason) if row.reason and row.state is DeliveryState.DEFERRED else "for its turn"
    return f"Waited all the while, since {clock(row.created_at, zone)}: {_title(row.alert_id, facts)} ({why})."


def _title(alert_id: str, facts: PeriodFacts) -> str:
    alert = facts.alerts.get(alert_id)
    if alert is None:
        return f"alert {alert_id}"
    return alert.title
