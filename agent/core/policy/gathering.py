"""News that is due together with other news: it comes in a digest, unless it is alone, and a digest takes one token."""

from dataclasses import replace

from agent.core.model import Delivery, Hold
from agent.core.policy import rate_limit, traffic
from agent.core.policy.clock_set import MOST_SINGLE
from agent.core.policy.delivery import address_digest, waiting_digest
from agent.core.policy.model import PASS, Action, Context, Verdict
from agent.core.policy.pipeline import judge
from agent.core.policy.settling import News, Settling

Key = tuple[Hold, str, str]
"""Why it was held, on which channel, and with whom."""


class Gathering:
    """What one round gathers, until all of it is told together."""

    def __init__(self, settling: Settling, context: Context, now: int, busy: frozenset[tuple[str, str]]) -> None:
        """`busy`: fingerprints and channels with a delivery that is about to be sent."""
        self._settling = settling
        self._context = context
        self._now = now
        self._busy = busy
        self._gathered: dict[Key, list[News]] = {}

    def take(self, news: News, verdict: Verdict) -> None:
        """Do as the verdict on some news says: keep it to be told together, or settle it."""
        if verdict.action is Action.GATHER:
            self._keep(news, verdict)
        else:
            self._settling.settle(news, verdict)

    def tell_together(self) -> None:
        """Send what was gathered; what finds no token then joins what waits for the overflow digest, the last to go."""
        self._part_few()
        for hold in (hold for hold in Hold if hold is not Hold.RATE_LIMIT):
            for key in [key for key in self._gathered if key[0] is hold]:
                self._tell(self._gathered.pop(key), key)
        for key, batch in self._gathered.items():
            self._send(batch, key)

    def _part_few(self) -> None:
        """Let each go its own way where a step of the clock has made few due at once."""
        calm = replace(self._context, clock_set=False)
        for key in [key for key in self._gathered if key[0] is Hold.CLOCK_SET]:
            if len(self._gathered[key]) <= MOST_SINGLE:
                for news in self._gathered.pop(key):
                    self.take(news, judge(news.proposal, calm, self._now))

    def _keep(self, news: News, verdict: Verdict) -> None:
        proposal = news.proposal
        if proposal.recipient.stateful:
            self._settling.settle(news, PASS)  # it holds one object for each alert, and none for a digest
            return
        if (proposal.alert.fingerprint, proposal.recipient.name) in self._busy:
            return  # an earlier message about it is about to be sent, which none may overtake
        key = (Hold(verdict.reason), proposal.recipient.name, verdict.group)
        self._gathered.setdefault(key, []).append(news)
        if key[0] is Hold.RATE_LIMIT:
            traffic.hurry(self._context, proposal, self._now)

    def _tell(self, batch: list[News], key: Key) -> None:
        """Send a batch if there is a token for it, which its gravest member asks for."""
        lead = max(batch, key=lambda news: news.proposal.alert.severity)
        verdict = rate_limit.rate_limit(lead.proposal, self._context, self._now)
        if verdict.action is Action.PASS:
            self._send(batch, key)
            return
        for news in batch:
            if verdict.action is Action.GATHER:
                self._keep(news, verdict)
            else:
                self._settling.settle(news, replace(verdict, stage="rate_limit"))

    def _send(self, batch: list[News], key: Key) -> None:
        """Tell a batch in a digest, which may be one that waits already; one alone is told as itself."""
        hold, channel, group = key
        waiting = waiting_digest(self._context.digests.values(), channel)
        if waiting is None and len(batch) == 1:
            self._settling.settle(batch[0], PASS)
            return
        digest = waiting or self._digest(batch)
        if waiting is None:
            self._settling.plan.inserts.append(digest)
            self._settling.count(batch[0].proposal, group if hold is Hold.GROUPING else None)
        for news in batch:
            self._settling.settle(news, Verdict(Action.MERGE, hold, stage=hold, merged_into=digest.id))

    def _digest(self, batch: list[News]) -> Delivery:
        lead = max(batch, key=lambda news: news.proposal.alert.severity).proposal
        return address_digest(
            lead.alert, lead.alert.severity, map(self._settling.row_id, batch), channel=lead.recipient.name,
            channel_type=lead.recipient.type, at=self._now,
        )  # fmt: skip
