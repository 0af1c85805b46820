"""Asks the rules, once a round, what is wrong with disks, sources, channels, the agent's own storage and the node."""

from collections.abc import Iterable, Mapping, Sequence

from agent.core import episodes, health_rules, shutdown_rules
from agent.core.clock import MINUTE, SECOND, Instant
from agent.core.codec import decode
from agent.core.conditions import MISSING, ConditionState, Phase, Transition
from agent.core.disk_rules import DiskLimits
from agent.core.episodes import Condition, Seen
from agent.core.facts import Event, KernelSeen
from agent.core.health_rules import SourceHealth
from agent.core.model import ChannelState, Severity
from agent.core.policy.model import Recipient, Rules
from agent.core.policy.taken import refusal
from agent.runtime.board import Board
from agent.runtime.changes import RULE_PREFIX
from agent.runtime.disk_conditions import DiskConditions
from agent.runtime.health import Health
from agent.store import backlog, events, ledger, meta
from agent.store.database import Database
from agent.store.reserve import Reserve

SPACE_SEEN_EVERY = 5 * SECOND
"""How often the room beside the database is looked at."""
RESERVE_RETRIED_EVERY = 30 * SECOND
"""How often the reserve is put back, once it was given up."""


class Conditions:
    """The state of every condition by fingerprint, and one step of all of them."""

    def __init__(self, database: Database, board: Board, reserve: Reserve) -> None:
        self._db = database
        self._board = board
        self._reserve = reserve
        self._reserve_tried_at = 0
        self._space_seen_at = 0
        self._space_trouble: str | None = None
        self._disks = DiskConditions(board, self._written_since)
        self._well = False
        """Whether no condition was anything but inactive at the last round."""
        self._channels_seen: tuple[Mapping[str, ChannelState], Mapping[str, int]] = ({}, {})
        self._channels_version = -1
        self._channels_at = 0
        self.standing: list[Condition] = []
        """What was found wrong at the last step, with the words for how it stands."""
        stored = database.read(lambda conn: meta.with_prefix(conn, RULE_PREFIX))
        self.states: Mapping[str, ConditionState] = {
            key.removeprefix(RULE_PREFIX): decode(ConditionState, value) for key, value in stored.items()
        }

    def hear(self, fact: KernelSeen, at: int) -> None:
        """Take in what the kernel wrote of a disk, noticed at `at` (UTC milliseconds)."""
        self._disks.hear(fact, at)

    @property
    def turning(self) -> bool:
        """Whether a condition is about to fire or to end, once it has held for long enough."""
        return any(state.phase in (Phase.PENDING, Phase.CLEARING) for state in self.states.values())

    def step(
        self, now: Instant, node: str, recipients: Sequence[Recipient], rules: Rules, disk: DiskLimits | None,
        others: Sequence[Seen] = (),
    ) -> list[tuple[Condition, Transition]]:
        """Judge what the board and the store show at `now`, and what `others` have seen; the states move on."""
        disks = self._disks.seen(disk, node, now.wall, self.states, again=not self._well)
        seen = [*self._seen(now, node, recipients, rules), *disks, *others]
        if self._well and all(item.observed is None or item.observed is MISSING for item in seen):
            self.standing = []
            return []  # as in nearly every round: all was well, and is
        known = {mark: state for mark, state in self.states.items() if state.phase is not Phase.INACTIVE}
        self.states, changes = episodes.advance(known, seen, now.wall)
        self._well = all(state.phase is Phase.INACTIVE for state in self.states.values())
        self.standing = [item.condition for item in seen if isinstance(item.observed, Severity)]
        return changes

    def _written_since(self, at: int) -> list[Event]:
        return self._db.read(lambda conn: events.since(conn, KernelSeen, at))

    def _seen(self, now: Instant, node: str, recipients: Sequence[Recipient], rules: Rules) -> list[Seen]:
        channels, dead = self._channels(now.wall)
        names = [item.name for item in recipients]
        cut_off = any(map(health_rules.unreachable, channels.values()))
        asked = _asked(recipients, rules, node) if cut_off else ()
        return [
            *health_rules.sources((_source(item, now) for item in self._board.healths() if item.source), node),
            *health_rules.channels(channels.values(), dead, names, node),
            health_rules.network(channels.values(), asked, node),
            *shutdown_rules.look(self._board.samples_of("shutdown"), node, now.wall),
            health_rules.state_disk(self._storage_trouble(now.wall), str(self._db.path.parent), node),
        ]

    def _channels(self, now: int) -> tuple[Mapping[str, ChannelState], Mapping[str, int]]:
        """How channels fare, read again only if somebody has committed, or a minute has passed, since the last look."""
        version = self._db.data_version()
        if version != self._channels_version or now - self._channels_at >= MINUTE:
            since = now - health_rules.DEAD_LETTER_MEMORY
            self._channels_seen = self._db.read(
                lambda conn: (ledger.channel_states(conn), backlog.dead_since(conn, since))
            )
            self._channels_version, self._channels_at = version, now
        return self._channels_seen

    def _storage_trouble(self, now: int) -> str | None:
        trouble = self._board.store_trouble()
        if trouble is not None:
            return trouble.text
        if now - self._space_seen_at >= SPACE_SEEN_EVERY:
            self._space_seen_at = now
            self._space_trouble = self._look_for_space(now)
        return self._space_trouble

    def _look_for_space(self, now: int) -> str | None:
        if self._reserve.present:
            return "next to no space is left" if self._reserve.tight else None
        if now - self._reserve_tried_at >= RESERVE_RETRIED_EVERY:
            self._reserve_tried_at = now
            if self._reserve.restore():
                return None
        return "no space is left but the reserve, which is in use"


def _asked(recipients: Iterable[Recipient], rules: Rules, node: str) -> Sequence[str]:
    """The channels that lead away from this machine and are told when another fails: by that they are tried."""
    trouble = (health_rules.network((), (), node), *health_rules.channels((), {}, ("another",), node))
    alerts = [episodes.begin(item.condition, Severity.WARNING, 0) for item in trouble]
    return [
        item.name for item in recipients
        if item.remote and not any(refusal(item, alert, rules) for alert in alerts)
    ]  # fmt: skip


def _source(health: Health, now: Instant) -> SourceHealth:
    busy = health.running_for(now) or None
    return SourceHealth(health.name, health.deadline, busy, health.errors, health.last_error)
