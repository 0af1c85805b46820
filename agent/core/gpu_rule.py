"""The numbers of one GPU rule, and what the user may change about them."""

from dataclasses import dataclass, replace

from agent.core.clock import MINUTE
from agent.core.model import AlertType, Severity


@dataclass(frozen=True, slots=True)
class Wish:
    """`[sources.gpu.rules.NAME]`: what the user says about one rule. None keeps what is built in."""

    enabled: bool | None = None
    threshold: float | None = None
    clear: float | None = None
    for_ms: int | None = None
    keep_ms: int | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class GpuRule:
    """How one rule judges: limits in the unit of its own, times in milliseconds. What is None does not apply."""

    title: str
    type: AlertType = AlertType.GPU_DEGRADED
    threshold: float | None = None
    clear: float | None = None
    """The value that must be passed again for it to be over; default: the threshold."""
    for_ms: int = 0
    keep_ms: int = 2 * MINUTE
    severity: Severity | None = None
    """The user's own, for whatever the rule raises."""
    enabled: bool = True
    advice: str | None = None
    unit: str | None = None
    """What the threshold counts; None for a rule that has none."""
    below: bool = False
    """Whether it is values below the threshold that are bad."""

    def over(self, value: float, firing: Severity | None) -> bool:
        """Whether a value is bad; of what fires already, also one that has not passed `clear` again."""
        if self.threshold is None:
            return False
        clear = self.threshold if self.clear is None else self.clear
        limit = clear if firing is not None else self.threshold
        return value < limit if self.below else value > limit

    def adjusted(self, wish: Wish, name: str) -> "GpuRule":
        """Apply what the user wants of this rule. Raises ValueError where it makes no sense."""
        if self.unit is None and (wish.threshold is not None or wish.clear is not None):
            raise ValueError(f"found a threshold for rule {name!r}, expected none: it judges no number")
        threshold = self.threshold if wish.threshold is None else wish.threshold
        clear = self._clear(wish) if wish.clear is None else wish.clear
        if threshold is not None and clear is not None and (clear < threshold if self.below else clear > threshold):
            side = "at least" if self.below else "at most"
            raise ValueError(f"found clear {clear:g} for rule {name!r}, expected {side} its threshold, {threshold:g}")
        return replace(
            self,
            threshold=threshold,
            clear=clear,
            for_ms=self.for_ms if wish.for_ms is None else wish.for_ms,
            keep_ms=self.keep_ms if wish.keep_ms is None else wish.keep_ms,
            severity=self.severity if wish.severity is None else wish.severity,
            # Who names a severity for a rule that is off wants to hear of it.
            enabled=self.enabled or wish.severity is not None if wish.enabled is None else wish.enabled,
        )

    def _clear(self, wish: Wish) -> float | None:
        """The built-in clear value; beside a threshold of the user's own, as far from it as before."""
        if wish.threshold is None or self.clear is None or self.threshold is None:
            return self.clear
        return wish.threshold + self.clear - self.threshold
