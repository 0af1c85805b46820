"""The order of policy, readable in one list: the first stage that does not pass a proposal on decides."""

from dataclasses import replace

from agent.core.model import NotificationKind
from agent.core.policy.clock_set import clock_set
from agent.core.policy.coalesce import coalesce
from agent.core.policy.cooldown import cooldown
from agent.core.policy.grouping import grouping
from agent.core.policy.inhibition import inhibition
from agent.core.policy.model import PASS, Action, Context, Proposal, Stage, Verdict
from agent.core.policy.one_failure import one_failure
from agent.core.policy.quiet_hours import quiet_hours
from agent.core.policy.rate_limit import rate_limit
from agent.core.policy.room import room
from agent.core.policy.silence import silence
from agent.core.policy.taken import taken
from agent.core.policy.unreachable import unreachable

STAGES: tuple[Stage, ...] = (
    inhibition, silence, taken, one_failure, room, unreachable, cooldown, quiet_hours, clock_set, grouping,
    rate_limit, coalesce,
)  # fmt: skip
"""The stages of `docs/architecture.md`, in their order; a new one is a file and a place in this list."""


OF_A_WHOLE = frozenset({grouping, rate_limit, coalesce})
"""Stages that judge a message: what is gathered for one is not held back again by itself."""


def judge(proposal: Proposal, context: Context, now: int) -> Verdict:
    """Run the stages; the verdict carries the name of the stage that gave it. A report is never part of a digest."""
    alone = (Action.PASS, Action.GATHER) if proposal.kind is NotificationKind.REPORT else (Action.PASS,)
    due = PASS
    for stage in STAGES:
        if due is not PASS and stage in OF_A_WHOLE:
            continue
        verdict = stage(proposal, context, now)
        if verdict.action is Action.GATHER and verdict.action not in alone:
            due = replace(verdict, stage=stage.__name__)
        elif verdict.action not in alone:
            return replace(verdict, stage=stage.__name__)
    return due
