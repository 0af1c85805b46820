"""What the agent counts about itself, in a registry of its own, and the metrics page made of it.

Whoever does a thing calls the method named after it; names, labels and help texts of counters stand here alone.
Every combination of labels that is known in advance starts at 0, so that `rate()` sees the first failure.
"""

import platform
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_format

from agent.core.clock import SECOND, Instant
from agent.core.model import TYPES, Alert, DeliveryState, Hold, Severity, Status
from agent.core.policy.decided import Plan
from agent.runtime import metrics_samples
from agent.runtime.board import Board
from agent.runtime.metrics_samples import PREFIX
from agent.runtime.metrics_scrape import ScrapeCollector, Snapshot

FAILURE_REASONS = (
    "other", "client_error", "server_error", "auth_error", "rate_limited", "timeout", "network", "tls", "gone",
    "redirect", "render_error", "too_old", "queue_full",
)  # fmt: skip
"""Why a notification fails: the reasons of `SendError`, and ours."""

SUPPRESSION_REASONS = (
    "silenced_by", "inhibited_by", "quiet_hours", "below_min_severity", "not_taken", "not_matched", "own_trouble",
    "resolved_before_told", "only_ends_alerts", "history_only",
)  # fmt: skip
DEFERRAL_REASONS = (*(str(hold) for hold in Hold), "coalesced", "settling")
DROP_REASONS = ("store_refuses",)

REQUEST_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
DELAY_BUCKETS = (0.1, 0.3, 1, 3, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400)
"""Up to a day: a notification may wait for its provider, or on purpose."""
LOOK_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10)

END = b"# EOF\n"
"""How a page in OpenMetrics ends."""
CHANNEL = ("channel", "integration")


class Metrics:
    """Counts, and shows everything on one page. `dropped_lines` is how much of the log was lost."""

    def __init__(
        self,
        version: str,
        board: Board,
        snapshot: Callable[[], Snapshot],
        dropped_lines: Callable[[], int] = lambda: 0,
    ) -> None:
        # Series of creation times would double the page. The library's switch is untyped.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._board = board
        self._channels: Mapping[str, str] = {}
        self._make_alert_metrics()
        self._make_channel_metrics()
        self._make_own_metrics()
        build = {"version": version, "python": platform.python_version()}
        Info(f"{PREFIX}build", "The running agent.", registry=self._registry).info(build)
        self._registry.register(ScrapeCollector(board, snapshot, lambda: self._channels, dropped_lines))

    def init_channels(self, channels: Mapping[str, str]) -> None:
        """Start every series of these channels (name to type) at 0; earlier channels keep what they counted."""
        self._channels = dict(channels)
        for channel in channels.items():
            for counter in (self._ended, self._requests, self._failed_requests):
                counter.labels(*channel)
            for reason in FAILURE_REASONS:
                self._given_up.labels(*channel, reason)
            self._latency.labels(channel[0])
            self._digested.labels(channel[0])
            self._delay.labels(channel[0])

    def alert_event(self, alert: Alert) -> None:
        """An alert was raised, changed or ended."""
        self._alert_events.labels(alert.type.value, str(alert.severity), alert.status.value).inc()

    def planned(self, plan: Plan) -> None:
        """A round of policy held notifications back."""
        outcomes = [(row.state, row.reason) for row in plan.inserts]
        outcomes += [(change.state, change.reason) for change in plan.changes]
        for row in plan.inserts:
            if row.state is DeliveryState.DEAD:
                self.given_up(row.channel, row.channel_type, _kind(row.reason))
        counters = {DeliveryState.SUPPRESSED: self._suppressed, DeliveryState.DEFERRED: self._deferred}
        for state, reason in outcomes:
            if state in counters:
                counters[state].labels(_kind(reason)).inc()

    def attempted(self, channel: str, integration: str, seconds: float) -> None:
        """One request was made, however it ended."""
        self._requests.labels(channel, integration).inc()
        self._latency.labels(channel).observe(seconds)

    def delivered(self, channel: str, integration: str, delay: float) -> None:
        """A notification was accepted, `delay` seconds after it was decided."""
        self._ended.labels(channel, integration).inc()
        self._delay.labels(channel).observe(delay)

    def digested(self, channel: str, count: int) -> None:
        """So many notifications were told by a digest."""
        self._digested.labels(channel).inc(count)

    def failed(self, channel: str, integration: str, reason: str, *, dead: bool) -> None:
        """One request failed; `dead` if the notification is given up with it."""
        self._failed_requests.labels(channel, integration).inc()
        if dead:
            self.given_up(channel, integration, reason)

    def given_up(self, channel: str, integration: str, reason: str) -> None:
        """A notification became a dead letter."""
        self._ended.labels(channel, integration).inc()
        self._given_up.labels(channel, integration, reason).inc()

    def looked(self, collector: str, seconds: float) -> None:
        """A source looked at the outside."""
        self._looks.labels(collector).observe(seconds)

    def heartbeat(self, now: Instant) -> None:
        """The heartbeat's URL heard that all is well."""
        self._heartbeat_at.set(now.wall / SECOND)

    def clock_jumped(self) -> None:
        """The wall clock was set."""
        self._clock_jumps.inc()

    def reloaded(self, now: Instant, *, successful: bool) -> None:
        """The configuration was loaded, at the start or later."""
        self._reload_ok.set(successful)
        if successful:
            self._reload_at.set(now.wall / SECOND)

    def page(self, *, openmetrics: bool = False) -> tuple[bytes, str]:
        """The page and its content type, as Prometheus text or as OpenMetrics."""
        samples = metrics_samples.text(self._board, openmetrics=openmetrics).encode()
        if openmetrics:
            page: bytes = openmetrics_format.generate_latest(self._registry)  # type: ignore[no-untyped-call]
            return page.removesuffix(END) + samples + END, openmetrics_format.CONTENT_TYPE_LATEST
        return generate_latest(self._registry) + samples, CONTENT_TYPE_PLAIN_0_0_4

    def _make_alert_metrics(self) -> None:
        self._alert_events = self._counter(
            "alert_events", "Alerts that were raised, changed or ended.", ("alert_type", "severity", "event")
        )
        for alert_type, traits in TYPES.items():
            for severity in Severity:
                for status in (Status.FIRING, Status.RESOLVED) if traits.condition else (Status.EVENT,):
                    self._alert_events.labels(alert_type.value, str(severity), status.value)
        self._suppressed = self._by_reason(
            "notifications_suppressed", "Notifications that were left out, by reason.", SUPPRESSION_REASONS
        )
        self._deferred = self._by_reason(
            "notifications_deferred", "Notifications that were put off, by reason.", DEFERRAL_REASONS
        )
        self._by_reason(
            "notifications_dropped", "Notifications that were lost; must stay 0.", DROP_REASONS
        )

    def _make_channel_metrics(self) -> None:
        self._ended = self._counter("notifications", "Notifications that were delivered or given up.", CHANNEL)
        self._digested = self._counter(
            "notifications_digested", "Notifications that were told as part of a digest.", ("channel",)
        )
        self._given_up = self._counter(
            "notifications_failed", "Notifications that were given up, by reason.", (*CHANNEL, "reason")
        )
        self._requests = self._counter("notification_requests", "Attempts to notify, with retries.", CHANNEL)
        self._failed_requests = self._counter("notification_requests_failed", "Attempts that failed.", CHANNEL)
        self._latency = self._histogram(
            "notification_latency_seconds", "How long an attempt took.", ("channel",), REQUEST_BUCKETS
        )
        self._delay = self._histogram(
            "notification_delay_seconds", "From the decision to the provider's acceptance.", ("channel",), DELAY_BUCKETS
        )

    def _make_own_metrics(self) -> None:
        self._looks = self._histogram(
            "collect_duration_seconds", "How long a collector's look took.", ("collector",), LOOK_BUCKETS
        )
        self._clock_jumps = self._counter("clock_jumps", "How often the wall clock was set.")
        self._reload_ok = self._gauge(
            "config_last_reload_successful", "Whether the configuration was last loaded without error."
        )
        self._heartbeat_at = self._gauge(
            "heartbeat_last_success_timestamp_seconds", "When the heartbeat's URL last heard that all is well."
        )
        self._reload_at = self._gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration was last loaded without error."
        )

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(PREFIX + name, text, registry=self._registry)

    def _histogram(
        self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(PREFIX + name, text, labels, registry=self._registry, buckets=buckets)

    def _by_reason(self, name: str, text: str, reasons: tuple[str, ...]) -> Counter:
        counter = self._counter(name, text, ("reason",))
        for reason in reasons:
            counter.labels(reason)
        return counter


def _kind(reason: str | None) -> str:
    """A reason as a label: without the id that may follow its colon."""
    return (reason or "other").partition(":")[0]
