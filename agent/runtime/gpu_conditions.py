"""Asks the rules about GPUs, their driver and Xids, each time that there is something new to judge."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from statistics import median
from types import MappingProxyType

from agent.core import driver_rules, gpu_history, gpu_rules, xid_rules, xids
from agent.core.clock import SECOND
from agent.core.codec import decode
from agent.core.conditions import ConditionState
from agent.core.episodes import Condition, Seen
from agent.core.facts import KernelSeen
from agent.core.gpu import DriverState, GpuIdentity, GpuReading
from agent.core.gpu_history import GpuHistory
from agent.core.gpu_policy import NAMES, GpuPolicy
from agent.core.model import Alert, Severity
from agent.core.xid_rules import XidKey, XidRecord
from agent.runtime.changes import XID_PREFIX, Changes
from agent.runtime.gpu_board import PAUSED, GpuBoard, GpusSeen
from agent.store import meta
from agent.store.database import Database

NAMED_WITHIN = 30 * SECOND
"""How long an Xid waits, at the start, for the first look at the GPUs, which tells which one it is about."""
XIDS_JUDGED_EVERY = 10 * SECOND
"""Milliseconds after which Xids are judged again although nothing has happened: some are over with time."""

NOBODY: Mapping[str, Collection[str]] = MappingProxyType({})


class GpuConditions:
    """The past of every GPU and of every Xid, and what was judged last."""

    def __init__(self, database: Database, board: GpuBoard) -> None:
        self._db = database
        self._board = board
        self._histories: dict[str, GpuHistory] = {}
        self._version = self._data_version = -1
        self._judged_at = 0
        self._policy: GpuPolicy | None = None
        stored = database.read(lambda conn: meta.with_prefix(conn, XID_PREFIX))
        self._xids: dict[XidKey, XidRecord] = {
            key.removeprefix(XID_PREFIX): decode(XidRecord, value) for key, value in stored.items()
        }
        self._stored = dict(self._xids)
        self._show_xids()

    def note(self, changes: Changes) -> None:
        """Let what has become of Xids be stored with the round."""
        changed = {name: record for name, record in self._xids.items() if self._stored.get(name) is not record}
        gone = dict.fromkeys(self._stored.keys() - self._xids.keys())
        changes.xids.update({**changed, **gone})
        self._stored = dict(self._xids)

    def take(self, fact: KernelSeen, at: int) -> GpuIdentity | None:
        """Take in an Xid, from the kernel's log or NVML alike, noticed at `at`; returns its GPU, if it is known."""
        name = xid_rules.key(fact)
        self._xids[name] = xid_rules.take(self._xids.get(name), fact, at)
        gpu = self._at(fact.pci)
        if gpu is not None and fact.xid == xids.OFF_THE_BUS:
            self._histories[gpu.uuid] = replace(self._histories.get(gpu.uuid, GpuHistory()), lost_at=at)
            self._version = -1  # so that it is judged at once, and not at the next look
        self._judged_at = 0
        self._show_xids()
        return gpu

    def resolved(self, alert: Alert, at: int) -> None:
        """A person says that what an alert tells of is dealt with."""
        for name, record in self._xids.items():
            if (record.told_as, str(record.number)) == (alert.labels.get("gpu_uuid"), alert.labels.get("xid")):
                self._xids[name] = replace(record, resolved_at=at)
                self._judged_at = 0

    def seen(
        self, policy: GpuPolicy, node: str, now: int, states: Mapping[str, ConditionState], firing: Iterable[Alert],
        holders: Mapping[str, Collection[str]] = NOBODY,
    ) -> list[Seen]:  # fmt: skip
        """Judge what is new. `firing`: the alerts that are out; `holders`: the jobs that hold each GPU, by its UUID."""
        self._heed_pause()
        gpus = self._board.latest()
        fresh = gpus.version != self._version or policy is not self._policy
        self._version, self._policy = gpus.version, policy
        if not fresh and abs(now - self._judged_at) < XIDS_JUDGED_EVERY:
            return []
        self._judged_at = now
        found = list(self._xids_seen(policy, node, now))
        if fresh and gpus.driver is not None:
            found += driver_rules.look(
                gpus.driver, gpus.readings, node, expected=policy.expected, rules=policy.driver_rules
            )
        if fresh and answers(gpus):
            found += self._devices(gpus, policy, node, now, _severity_of(states), holders)
        if fresh and (answers(gpus) or not policy.watched):
            out = list(_over(firing, node))
            known = {item.condition.fingerprint for item in found} if out else set()
            found += [Seen(over, None) for over in out if over.fingerprint not in known]
        return found

    def _devices(
        self, gpus: GpusSeen, policy: GpuPolicy, node: str, now: int, firing: Callable[[str], Severity | None] | None,
        holders: Mapping[str, Collection[str]],
    ) -> Iterator[Seen]:  # fmt: skip
        for reading in gpus.readings:
            uuid = reading.gpu.uuid
            before = self._histories.get(uuid) or self._from_xids(reading.gpu, policy.boot)
            history = self._histories[uuid] = gpu_history.follow(before, reading, now)
            yield from gpu_rules.look(
                reading, history, now, node, rules=policy.rules, firing=firing, in_job=bool(holders.get(uuid)),
                peers=_of_peers(uuid, gpus.readings, holders),
            )  # fmt: skip

    def _xids_seen(self, policy: GpuPolicy, node: str, now: int) -> Iterator[Seen]:
        for name in list(xid_rules.outlived(self._xids, now, policy.boot)):
            del self._xids[name]
        naming = policy.watched and self._board.latest().driver is None
        for name, record in self._xids.items():
            gpu = self._at(record.pci)
            if gpu is None and naming and now - record.last_at < NAMED_WITHIN:
                continue  # the first look at the GPUs will tell which one it is
            if record.number == xids.OFF_THE_BUS and gpu is not None:
                continue  # the rule `gpu_lost` tells it
            known = record if record.told_as else replace(record, told_as=xid_rules.identity(record, gpu))
            self._xids[name] = known
            seen = xid_rules.look(
                known, node, now, policy.boot, gpu=gpu, overrides=policy.xids, rule=policy.xid_rule
            )
            if seen is not None:
                yield seen

    def _from_xids(self, gpu: GpuIdentity, boot: str) -> GpuHistory:
        """What the kernel said of a GPU before it was first looked at."""
        lost = self._xids.get(f"{gpu.pci}/{xids.OFF_THE_BUS}")
        known = lost is not None and lost.boot == boot and lost.resolved_at is None
        return GpuHistory(lost_at=lost.last_at if lost is not None and known else None)

    def _at(self, pci: str | None) -> GpuIdentity | None:
        """The GPU at an address, if the driver has told of one."""
        return next((item.gpu for item in self._board.latest().readings if item.gpu.pci == pci), None)

    def _show_xids(self) -> None:
        self._board.show_xids(self._xids.values())

    def _heed_pause(self) -> None:
        """Learn, once somebody has committed, whether the driver is to be let go of."""
        version = self._db.data_version()
        if version != self._data_version:
            self._data_version = version
            self._board.paused = bool(self._db.read(lambda conn: meta.get(conn, PAUSED)))


def answers(gpus: GpusSeen) -> bool:
    """Whether the driver runs, so that what it says of each GPU can be judged."""
    return gpus.driver is not None and gpus.driver.state is DriverState.RUNNING


def _of_peers(uuid: str, readings: Iterable[GpuReading], holders: Mapping[str, Collection[str]]) -> float | None:
    """The median utilisation of all GPUs of the jobs that hold one; None where they hold no other."""
    jobs = set(holders.get(uuid, ()))
    peers = [item for item in readings if not jobs.isdisjoint(holders.get(item.gpu.uuid, ()))]
    known = [item.utilization for item in peers if item.utilization is not None]
    return median(known) if len(peers) > 1 and known else None


def _severity_of(states: Mapping[str, ConditionState]) -> Callable[[str], Severity | None] | None:
    """At which severity the condition of a fingerprint fires; None if none does, which spares making fingerprints."""
    if not any(state.firing for state in states.values()):
        return None

    def firing(fingerprint: str) -> Severity | None:
        state = states.get(fingerprint)
        return state.severity if state is not None and state.firing else None

    return firing


def _over(firing: Iterable[Alert], node: str) -> Iterator[Condition]:
    """The conditions of alerts that these rules raised: of a GPU that was taken out, an Xid of an earlier boot."""
    for alert in firing:
        identity = {key: alert.labels[key] for key in ("gpu_uuid", "rule", "xid") if key in alert.labels}
        if identity.get("rule") in NAMES:
            yield Condition(alert.type, {"node_id": node, **identity}, alert.title, alert.message, gpu=alert.gpu)
