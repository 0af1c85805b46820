"""What was to be sent and could not be: whether something that began meanwhile holds it back."""

from dataclasses import replace

from agent.core.model import Delivery, DeliveryState
from agent.core.policy.inhibition import inhibition
from agent.core.policy.model import PASS, Context, Proposal, Verdict
from agent.core.policy.quiet_hours import quiet_hours


def recall(proposal: Proposal, row: Delivery, context: Context, now: int) -> Verdict:
    """Judge a delivery anew that waits for its turn, by itself or in a digest; one on its way is let go.

    What may have arrived stays, or its end would never be told.
    """
    queued = row.state is DeliveryState.QUEUED
    digest = context.digests.get(row.merged_into or "")
    if (queued or (digest is not None and digest.state is DeliveryState.QUEUED)) and not row.uncertain:
        verdict = inhibition(proposal, context, now)
        if verdict is not PASS:
            return replace(verdict, stage="inhibition")
    return replace(quiet_hours(proposal, context, now), stage="quiet_hours") if queued else PASS
