"""What is held back although it was to be sent already."""

from zoneinfo import ZoneInfo

import pytest

from agent.core.model import AlertType, DeliveryState, NotificationKind
from agent.core.policy.model import Action, Context, Proposal, Rules
from agent.core.policy.recall import recall
from agent.core.policy.windows import QuietHours, Window
from tests.core.values import NOW, alert, delivery, ledger, recipient

CAUSE = alert(id="cause", type=AlertType.AGENT_DEGRADED, fingerprint="c" * 32, labels={"component": "network"})
FAILING = alert(type=AlertType.CHANNEL_FAILING, labels={"rule": "unreachable"})
SIESTA = Rules(quiet_hours=QuietHours((Window("siesta", 12 * 60, 20 * 60, ZoneInfo("UTC")),)))


def recalled(row, *others, rules=None, digest=None):
    digests = {"dlv-d": delivery(kind=NotificationKind.DIGEST, state=digest)} if digest else {}
    context = Context(rules or Rules(), alerts={item.id: item for item in (FAILING, *others)}, digests=digests)
    verdict = recall(Proposal(FAILING, row.kind, recipient(), ledger(), ""), row, context, NOW)
    return verdict.action, verdict.stage


@pytest.mark.parametrize(
    ("row", "digest", "held"),
    [
        (delivery(FAILING), None, True),
        (delivery(FAILING, attempts=7), None, True),
        (delivery(FAILING, uncertain=True), None, False),
        (delivery(FAILING, kind=NotificationKind.RESOLVED), None, False),
        (delivery(FAILING, state=DeliveryState.DEFERRED, merged_into="dlv-d"), DeliveryState.QUEUED, True),
        (delivery(FAILING, state=DeliveryState.DEFERRED, merged_into="dlv-d"), DeliveryState.SENDING, False),
        (delivery(FAILING, state=DeliveryState.SENDING), None, False),
    ],
)
def test_what_nobody_can_have_heard_is_taken_back_once_it_is_explained(row, digest, held):
    assert recalled(row, digest=digest) == (Action.PASS, "quiet_hours" if row.state is DeliveryState.QUEUED else "")
    assert (recalled(row, CAUSE, digest=digest)[0] is Action.SUPPRESS) == held


def test_quiet_hours_hold_what_waits_by_itself():
    assert recalled(delivery(FAILING), rules=SIESTA) == (Action.DEFER, "quiet_hours")
