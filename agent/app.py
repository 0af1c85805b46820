"""Wires: from accepted settings to what the evaluator and the views are given. Computes nothing.

Sources are built by `source_wiring`, channels by `channel_wiring`.
"""

import os
from collections.abc import Mapping
from dataclasses import replace

from agent import described, reporting
from agent.channel_wiring import channel_types, config_class, recipients
from agent.config.load import Loaded
from agent.config.schema import Schema
from agent.config.zones import resolve
from agent.core.clock import SECOND
from agent.core.disk_rules import DiskLimits
from agent.core.policy.model import Rules
from agent.core.redact import Redactor
from agent.gpus import policy_of
from agent.runtime.evaluator_settings import Settings
from agent.runtime.showing import Showing
from agent.sources import proc
from agent.sources.disk import Config as DiskConfig
from agent.sources.gpu.settings import Config as GpuConfig
from agent.sources.kernel import Config as KernelConfig
from agent.sources.logs.watcher import Config as LogsConfig
from agent.sources.mounts import Reach
from agent.sources.processes.source import Config as ProcessesConfig


def schema() -> Schema:
    """The settings classes of sources and channels, for the configuration to be read by."""
    return Schema(
        sources={
            "gpu": GpuConfig, "disk": DiskConfig, "logs": LogsConfig, "kernel": KernelConfig,
            "processes": ProcessesConfig,
        },
        channel_types=channel_types(),
        channel_config=config_class,
        may_touch=Reach().file,
    )


def rules(loaded: Loaded) -> Rules:
    """The user's wishes about alerts as the policy sees them."""
    settings = loaded.settings
    return replace(
        settings.rules(),
        quiet_hours=settings.quiet_hours.rule(lambda name: resolve(name or settings.agent.timezone, os.environ)),
        rate_limit=settings.rate_limit.rule(),
        grouping=settings.grouping.rule(),
        reports=reporting.takers(loaded, recipients(loaded)),
    )


def evaluator_settings(loaded: Loaded) -> Settings:
    """What the evaluator needs of the configuration."""
    settings = loaded.settings
    disk = settings.source("disk", DiskConfig)
    return Settings(
        node=settings.agent.node,
        recipients=recipients(loaded),
        rules=rules(loaded),
        pid_namespace=proc.pid_namespace(),
        labels=settings.agent.labels,
        clean=Redactor(loaded.secrets).clean,
        disk=_disk_limits(disk) if disk.enabled else None,
        gpu=policy_of(settings.source("gpu", GpuConfig)),
        describe=lambda job: described.complete(job, loaded),
        stall=lambda job: described.stall_limits(job, loaded),
    )


def showing(loaded: Loaded, environ: Mapping[str, str]) -> Showing:
    """What the configuration says about showing alerts to who asks."""
    agent = loaded.settings.agent
    return Showing(
        agent.node, recipients(loaded), Redactor(loaded.secrets), resolve(agent.timezone, environ),
        agent.include_paths, rules(loaded).quiet_hours,
    )  # fmt: skip


def fixed_changes(before: Loaded, after: Loaded) -> tuple[str, ...]:
    """The settings that differ and that only a new start can change."""
    old, new = before.settings, after.settings
    pairs = {
        "agent.node": (old.agent.node, new.agent.node),
        "agent.state_dir": (old.agent.state_dir, new.agent.state_dir),
        "agent.spool_dir": (old.agent.spool_dir, new.agent.spool_dir),
        "agent.log_format": (old.agent.log_format, new.agent.log_format),
        "server": (old.server, new.server),
    }
    return tuple(key for key, (one, other) in pairs.items() if one != other)


def _disk_limits(disk: DiskConfig) -> DiskLimits:
    return DiskLimits(
        disk.warn_percent, disk.critical_percent, disk.clear_margin, disk.inodes, disk.forecast,
        for_ms=round(disk.for_ * SECOND),
    )
