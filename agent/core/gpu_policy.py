"""How the user wants GPUs to be judged: every rule by its name, with the built-in numbers or the user's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.core import driver_rules, gpu_rules, xid_rules
from agent.core.gpu_rule import GpuRule, Wish
from agent.core.model import Severity

NAMES: Mapping[str, GpuRule] = {**gpu_rules.RULES, **driver_rules.RULES, xid_rules.NAME: xid_rules.RULE}
"""Every rule that may stand under `[sources.gpu.rules]`."""


@dataclass(frozen=True, slots=True)
class GpuPolicy:
    """What a round needs to judge GPUs."""

    rules: Mapping[str, GpuRule] = field(default_factory=lambda: gpu_rules.RULES)
    """Of single devices."""
    driver_rules: Mapping[str, GpuRule] = field(default_factory=lambda: driver_rules.RULES)
    xid_rule: GpuRule = xid_rules.RULE
    xids: Mapping[int, Severity] = field(default_factory=dict)
    """The user's own severity of single Xids."""
    expected: int | None = None
    """How many GPUs the user says there are."""
    watched: bool = True
    """Whether anything looks at GPUs at all."""
    boot: str = ""
    """The present boot: what the kernel said of a GPU is over with the next one."""


def policy(
    wishes: Mapping[str, Wish], xids: Mapping[int, Severity], expected: int | None, boot: str, *, watched: bool
) -> GpuPolicy:
    """Apply the user's wishes, by the rule's name. Raises ValueError for one that a rule cannot fulfil."""
    adjusted = {name: rule.adjusted(wishes[name], name) if name in wishes else rule for name, rule in NAMES.items()}
    return GpuPolicy(
        {name: adjusted[name] for name in gpu_rules.RULES},
        {name: adjusted[name] for name in driver_rules.RULES},
        adjusted[xid_rules.NAME], xids, expected, watched, boot,
    )  # fmt: skip
