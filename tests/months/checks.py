"""What must hold after any month. Each check yields what is wrong, in words."""

from collections import Counter, defaultdict

from agent.core.clock import DAY
from agent.core.model import DeliveryState, NotificationKind, Status
from agent.core.policy.windows import quiet
from tests.months.leaks import leaks
from tests.months.month import RECIPIENTS

GOOD_ENDS = {
    "cooldown", "not_taken", "below_min_severity", "not_matched", "own_trouble", "resolved_before_told",
    "only_ends_alerts", "quiet_hours", "nothing_left", "rejected", "too_old", "silenced_by", "superseded_by",
    "inhibited_by", "grouped_into", "overflow_into", "digested_into", "history_only", "",
}  # fmt: skip
"""Why a delivery may have ended. No limit is among them: it delays and merges, and drops nothing."""
YOUNG = DAY
"""No message is given up for its age before. A digest is as old as its members, which come before it."""


DIGEST = NotificationKind.DIGEST


def outcomes(month):
    """Every alert has come to an end on every channel."""
    rows = month.deliveries
    decided = {(row.alert_id, row.channel) for row in rows}
    for (alert_id,) in month.node.alerts():
        names = [item.name for item in RECIPIENTS if (alert_id, item.name) not in decided]
        yield from (f"{alert_id} is without an outcome on {name}" for name in names)
    for row in rows:
        if row.state.open:
            yield f"{row.kind} of {row.snapshot.type} on {row.channel} is {row.state} ({row.reason}) for ever"


def ends(month):
    """What was not told ended for a reason that is known, and that was so."""
    dead_at = month.dead_at()
    for row in month.deliveries:
        what, reason = f"{row.kind} of {row.snapshot.type} on {row.channel}", (row.reason or "").partition(":")[0]
        if reason not in GOOD_ENDS:
            yield f"{what} ended for {row.reason}"
        elif reason == "rejected" and not {row.id, row.merged_into} & month.refused:
            yield f"{what} was given up as refused, which it never was"
        elif reason == "too_old" and dead_at[row.id] - row.created_at < YOUNG and row.kind is not DIGEST:
            yield f"{what} was given up for its age, after {dead_at[row.id] - row.created_at} ms"
        elif reason == "quiet_hours" and not month.rules.quiet_hours.suppress:
            yield f"{what} was left out by quiet hours that only delay"


def in_order(month):
    """What is over stays over, no episode is told after a later one, and no object is closed that never was open."""
    born = {alert_id: number for number, alert_id in enumerate(month.born())}
    # The end that takes the place of a beginning which could not be sent, or nobody knows whether it was.
    instead = {(row.reason or "").partition(":")[2] for row in month.deliveries}
    for recipient in RECIPIENTS:
        ended, opened, latest = set(), set(), Counter()
        for item in first_times(month.told[recipient.name]):
            if not item.over and item.alert.id in ended:
                yield f"{recipient.name} was told that {item.alert.id} fires after it was told that it is over"
            if not item.over and born[item.alert.id] < latest[item.alert.fingerprint]:
                yield f"{recipient.name} was told that {item.alert.id} fires after a later one of its kind"
            if recipient.stateful and item.over and item.alert.id not in opened and item.row not in instead:
                yield f"{recipient.name} was told of the end of {item.alert.id}, and never of it"
            (ended if item.over else opened).add(item.alert.id)
            latest[item.alert.fingerprint] = max(latest[item.alert.fingerprint], born[item.alert.id])


def held_open(month):
    """Whoever was told that something fires was told that it is over, unless it refused to hear that."""
    refused = {
        (row.alert_id, row.channel)
        for row in month.deliveries
        if row.state is DeliveryState.DEAD and row.kind is NotificationKind.RESOLVED
    }
    for name, told in month.told.items():
        stands = {item.alert.id: item.over for item in told}
        latest = {item.alert.fingerprint: item.over for item in told}
        for alert_id in [alert_id for alert_id, over in stands.items() if not over]:
            alert = month.node.alert(alert_id)
            # Quiet hours that only suppress leave out an end, once a later episode has been told to be over.
            later = month.rules.quiet_hours.suppress and latest[alert.fingerprint]
            if alert.status is Status.RESOLVED and (alert_id, name) not in refused and not later:
                yield f"{name} was never told that {alert.type} {alert_id} is over"


def at_night(month):
    """Nothing is said in quiet hours but what is grave enough, what has waited for a day, and the end of a state."""
    rules = month.rules.quiet_hours
    created = {row.id: row.created_at for row in month.deliveries}
    for recipient in (recipient for recipient in RECIPIENTS if recipient.quiet_hours):
        messages = defaultdict(list)
        for item in month.told[recipient.name]:
            messages[item.at, item.key].append(item)
        for (at, _), items in messages.items():
            grave = rules.bypass is not None and items[0].severity >= rules.bypass
            waited = any(at - created[item.row] >= DAY for item in items)
            ends_state = recipient.stateful and items[0].over
            if quiet(rules.windows, at) and not (grave or waited or ends_state):
                yield f"{recipient.name} was told of {items[0].alert.type} at {at}, in quiet hours"


def doubled(month):
    """A message comes twice only where the agent was killed while it was sent, and no news comes in two digests."""
    for name, told in month.told.items():
        sent = Counter(item.key for item in month.node.channels[name].sent)
        yield from (f"{name} had {key} {times} times" for key, times in sent.items() if times > 1 + month.killed[key])
        digest_of = defaultdict(set)
        for item in told:
            digest_of[item.row].add(item.key)
        yield from (f"{name} had {row} in {len(keys)} messages" for row, keys in digest_of.items() if len(keys) > 1)


def first_times(told):
    """What was told, without what came again since the agent was killed."""
    seen = set()
    for item in told:
        if (item.key, item.row) not in seen:
            seen.add((item.key, item.row))
            yield item


CHECKS = (outcomes, ends, in_order, held_open, at_night, doubled, leaks)
