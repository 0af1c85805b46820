"""Rules about the agent itself: sources that are stuck or failing, channels that cannot deliver, a full state disk."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from agent.core.clock import HOUR, SECOND
from agent.core.episodes import Condition, Seen
from agent.core.model import AlertType, ChannelState, Severity

CHANNEL_FAILS_AT = 3
"""Failures in a row after which the other channels are told; with the back-off that is about 20 s of trouble."""
OF_THE_NETWORK = frozenset({"network", "timeout"})
"""Why channels fail where nobody has answered: no route, no name, no connection, no word in time."""
LEAST_UNREACHABLE = 2
"""Channels that fail so at once before the network is to blame; one by itself may have a provider in trouble."""
NETWORK = "network"
UNREACHABLE = "unreachable"
"""The component of the node's way out, and the rule of a channel that nobody answers on."""
SOURCE_FAILS_AT = 3
"""Looks in a row that raised."""
DEAD_LETTER_MEMORY = HOUR
STATE_DISK_KEEPS = 30 * SECOND
"""A disk that was full is seldom roomy at once; and what was sent past the store is settled by then."""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How a source fares. `busy_for`: seconds that its present look has taken, None between looks."""

    name: str
    deadline: float
    """Seconds after which a look counts as stuck."""
    busy_for: float | None
    failures: int
    """Looks in a row that raised."""
    error: str | None


def sources(healths: Iterable[SourceHealth], node: str) -> list[Seen]:
    """Judge every source."""
    return [_source(health, node) for health in healths]


def channels(
    states: Iterable[ChannelState], dead: Mapping[str, int], configured: Iterable[str], node: str
) -> list[Seen]:
    """Judge every configured channel. `dead`: deliveries that died within the last hour, by channel."""
    known = {state.channel: state for state in states}
    return [_channel(known.get(name, ChannelState(name)), dead.get(name, 0), node) for name in configured]


def network(states: Iterable[ChannelState], asked: Collection[str], node: str) -> Seen:
    """Judge the way out, by the channels that are `asked` to tell such things and lead away from this machine.

    It counts as closed when nobody answers on any of them. What is suspended says nothing: nobody tries it.
    """
    known = {state.channel: state for state in states}
    tried = [state for name in asked if not _suspended(state := known.get(name, ChannelState(name)))]
    closed = len(tried) >= LEAST_UNREACHABLE and all(map(unreachable, tried))
    names = ", ".join(sorted(state.channel for state in tried))
    why = next((state.detail for state in tried if state.detail), "nobody answers")
    condition = Condition(
        type=AlertType.AGENT_DEGRADED,
        identity={"node_id": node, "component": NETWORK},
        title="No channel can be reached",
        message=f"Nobody answered this node on any of its channels ({names}): {why}. Nothing is lost by it.",
        advice="Look at the node's network: routes, DNS, firewall, `[http] proxy`. Try: gpuwarden check --online",
    )
    return Seen(condition, Severity.WARNING if closed else None)


def unreachable(state: ChannelState) -> bool:
    """Whether a channel fails, and as far as its last attempt tells because nobody answers."""
    return state.failures >= CHANNEL_FAILS_AT and state.reason in OF_THE_NETWORK


def state_disk(trouble: str | None, directory: str, node: str) -> Seen:
    """Judge the agent's own storage. `trouble` says what the store refuses, None while it writes."""
    condition = Condition(
        type=AlertType.AGENT_DEGRADED,
        identity={"node_id": node, "component": "state_disk"},
        title="The agent's state disk is full",
        message=f"The agent's storage in {directory} is in trouble: {trouble}. Critical alerts are still sent.",
        advice=f"Free space on the file system of {directory}, or move `[agent] state_dir` to another one.",
    )
    return Seen(condition, Severity.CRITICAL if trouble else None, STATE_DISK_KEEPS)


def _source(health: SourceHealth, node: str) -> Seen:
    stuck = health.busy_for is not None and health.busy_for > health.deadline
    failing = health.failures >= SOURCE_FAILS_AT
    if stuck:
        message = f"Source {health.name!r} has been busy with one look for {health.busy_for:.0f} s."
    else:
        message = f"Source {health.name!r} failed {health.failures} times in a row: {health.error}."
    condition = Condition(
        type=AlertType.AGENT_DEGRADED,
        identity={"node_id": node, "component": health.name},
        title=f"Monitoring of {health.name} is {'stuck' if stuck else 'failing'}",
        message=message,
    )
    return Seen(condition, Severity.WARNING if stuck or failing else None)


def _suspended(state: ChannelState) -> bool:
    return state.reason in SUSPENSIONS and state.paused_until is not None


def _channel(state: ChannelState, dead: int, node: str) -> Seen:
    suspended = _suspended(state)
    failing = state.failures >= CHANNEL_FAILS_AT
    message = f"Channel {state.channel!r} cannot deliver: {state.detail or state.reason}. Its messages wait."
    if not (suspended or failing):
        message = f"Channel {state.channel!r} gave up {dead} deliveries within an hour: see `gpuwarden queue list`."
    condition = Condition(
        type=AlertType.CHANNEL_FAILING,
        identity={"node_id": node, "channel": state.channel},
        title=f"Channel {state.channel} cannot deliver",
        message=message,
        labels={"rule": UNREACHABLE} if unreachable(state) else {},
        advice=SUSPENSIONS.get(state.reason or ""),
    )
    return Seen(condition, Severity.WARNING if suspended or failing or dead else None)


SUSPENSIONS: Mapping[str, str] = {
    "auth_error": "The credential is refused: renew it in the configuration, then reload.",
    "gone": "The address no longer exists: create a new one, then reload.",
    "redirect": "The address redirects, which is not followed: configure the final one.",
    "tls": "The certificate is not trusted: look for a wrong clock, an intercepting proxy, or a missing `ca_file`.",
    "client_error": "The provider refuses the request: check the address and permissions in the configuration.",
}
"""Reasons for which a channel is suspended, with what to do."""
