"""Stage: inhibition. What another alert explains is not told by itself, as long as that one fires.

The table is the whole of it. A source must fire, an alert that is on both sides of a row explains nothing there, and
of the labels that must be equal at least one must be there.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent.core.clock import MINUTE
from agent.core.health_rules import NETWORK, UNREACHABLE
from agent.core.model import TYPES, Alert, AlertType, DeliveryState, NotificationKind, Severity, Status
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict
from agent.core.shutdown_rules import NODE, SHUTDOWN

SETTLES_IN = MINUTE
"""How long what was explained must go on by itself before it is told: the usual `for` of a rule, once more."""
SETTLING = "settling"


@dataclass(frozen=True, slots=True)
class Which:
    """Some alerts: of these types, with one of these values of the label `rule` or `component`, at these severities."""

    types: frozenset[AlertType]
    rules: frozenset[str] | None = None
    severities: frozenset[Severity] = frozenset(Severity)
    having: str | None = None
    """The label that they must have."""
    but: frozenset[str] = frozenset()
    """Not these, by the same label."""

    def fits(self, alert: Alert) -> bool:
        """Whether an alert is one of them."""
        if alert.type not in self.types or alert.severity not in self.severities:
            return False
        if self.having is not None and not _values(alert, self.having):
            return False
        rule = alert.labels.get("rule", alert.labels.get("component", ""))
        return (self.rules is None or rule in self.rules) and rule not in self.but


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: what explains what, where these labels are equal; none means anywhere on the node."""

    source: Which
    target: Which
    equal: tuple[str, ...] = ()

    def explains(self, source: Alert, target: Alert) -> bool:
        """Whether the source explains the target."""
        if not self.source.fits(source) or not self.target.fits(target) or self.source.fits(target):
            return False
        pairs = [(_values(source, name), _values(target, name)) for name in self.equal]
        return all(one == other or one & other for one, other in pairs) and (not pairs or any(one for one, _ in pairs))


_CRITICAL, _LESS = frozenset({Severity.CRITICAL}), frozenset({Severity.WARNING, Severity.INFO})
_CONDITIONS = frozenset(kind for kind, traits in TYPES.items() if traits.condition)
_LASTING = frozenset({AlertType.DISK_WARNING, AlertType.GPU_ERROR, AlertType.GPU_DEGRADED, AlertType.GPU_IDLE,
                      AlertType.TIMEOUT_WARNING, AlertType.LOSS_ANOMALY})  # fmt: skip
_OF_A_GPU = frozenset({AlertType.GPU_ERROR, AlertType.GPU_DEGRADED, AlertType.GPU_IDLE})
_GONE = frozenset({"gpu_lost", "gpu_reset_required", "xid"})
_ALL_GONE = frozenset({"driver_unresponsive", "driver_lost", "gpus_gone"})

TABLE: tuple[Row, ...] = (
    Row(Which(_OF_A_GPU, _GONE, _CRITICAL), Which(_OF_A_GPU), ("gpu_uuid",)),
    Row(Which(_OF_A_GPU, _ALL_GONE), Which(_OF_A_GPU)),
    Row(Which(_OF_A_GPU, _ALL_GONE), Which(frozenset({AlertType.AGENT_DEGRADED}), frozenset({"gpu"}))),
    Row(Which(frozenset({AlertType.DISK_WARNING}), None, _CRITICAL),
        Which(frozenset({AlertType.DISK_WARNING}), None, _LESS), ("mountpoint",)),
    *(Row(Which(frozenset({kind}), None, _CRITICAL), Which(frozenset({kind}), None, _LESS),
          ("gpu_uuid", "mountpoint", "job")) for kind in sorted(_LASTING)),
    Row(Which(frozenset({AlertType.GPU_OOM, AlertType.HOST_OOM, AlertType.JOB_FAILED})),
        Which(frozenset({AlertType.TIMEOUT_WARNING})), ("job",)),
    Row(Which(_OF_A_GPU, _GONE, _CRITICAL), Which(frozenset({AlertType.TIMEOUT_WARNING})), ("gpu",)),
    Row(Which(_OF_A_GPU, _ALL_GONE), Which(frozenset({AlertType.TIMEOUT_WARNING}), having="gpu")),
    Row(Which(frozenset({AlertType.DISK_WARNING}), frozenset({"stat_timeout"})),
        Which(frozenset({AlertType.AGENT_DEGRADED}), frozenset({"disk"}))),
    Row(Which(frozenset({AlertType.AGENT_DEGRADED}), frozenset({NETWORK})),
        Which(frozenset({AlertType.CHANNEL_FAILING}), frozenset({UNREACHABLE}))),
    Row(Which(frozenset({AlertType.AGENT_DEGRADED}), frozenset({SHUTDOWN})), Which(_CONDITIONS, but=frozenset({NODE}))),
)  # fmt: skip
"""What explains what (alerting reference, 11.3)."""


def inhibition(proposal: Proposal, context: Context, now: int) -> Verdict:
    """Suppress what another alert explains; what goes on after that one is over is told a little later."""
    if proposal.kind is NotificationKind.RESOLVED:
        return PASS
    source = context.once("inhibition", lambda: Sources(context.alerts.values())).explaining(proposal.alert)
    if source is not None:
        return Verdict(Action.SUPPRESS, f"inhibited_by:{source.id}")
    before = proposal.previous
    if before is None:
        return PASS
    if before.state is DeliveryState.SUPPRESSED and (before.reason or "").startswith("inhibited_by:"):
        return Verdict(Action.DEFER, SETTLING, now + SETTLES_IN)
    waits = before.reason == SETTLING and now < before.next_at <= now + SETTLES_IN
    return Verdict(Action.DEFER, SETTLING, before.next_at) if waits else PASS


class Sources:
    """The alerts of a round that may explain others, found by the row of the table and what must be equal."""

    def __init__(self, alerts: Iterable[Alert]) -> None:
        self._found: dict[tuple[int, str, str], list[Alert]] = defaultdict(list)
        for alert in alerts:
            if alert.status is Status.RESOLVED:
                continue
            for number, row in enumerate(TABLE):
                if row.source.fits(alert):
                    for name, value in _marks(row, alert):
                        self._found[number, name, value].append(alert)

    def explaining(self, alert: Alert) -> Alert | None:
        """The alert that explains this one; None if there is none."""
        for number, row in enumerate(TABLE):
            if row.target.fits(alert):
                candidates = (other for mark in _marks(row, alert) for other in self._found.get((number, *mark), ()))
                found = next((o for o in candidates if o.id != alert.id and row.explains(o, alert)), None)
                if found is not None:
                    return found
        return None


def _marks(row: Row, alert: Alert) -> Iterator[tuple[str, str]]:
    """The names and values of what must be equal, one of which source and target share; anything goes without."""
    if not row.equal:
        yield "", ""
    for name in row.equal:
        for value in sorted(_values(alert, name)):
            yield name, value


def _values(alert: Alert, name: str) -> frozenset[str]:
    """What an alert has of a label, if anything; `gpu` are the indices of its GPU, or of those its job holds."""
    if name == "gpu":
        held = (alert.job or {}).get("gpus")
        indices = [(alert.gpu or {}).get("index"), *(held if isinstance(held, list | tuple) else ())]
        return frozenset(str(index) for index in indices if index is not None)
    value = alert.job_id or alert.labels.get("job", "") if name == "job" else alert.labels.get(name, "")
    return frozenset({value} if value else ())
