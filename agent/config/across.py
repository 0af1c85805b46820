"""What only shows when several tables are looked at together: names that lead nowhere, silence without an end."""

from collections.abc import Iterator, Mapping, Sequence

from agent.config.errors import Problem, suggestion
from agent.config.layers import Layer, problem_at
from agent.config.settings import Settings
from agent.config.zones import resolve
from agent.core.clock import DAY
from agent.core.model import AlertType
from agent.core.policy.windows import QuietHours, release

ANY_TIME = 20_000 * DAY
"""Some instant of 2024: whether a schedule ever ends does not depend on which."""


def problems(settings: Settings, layers: Sequence[Layer], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Find what no table shows by itself."""
    yield from _same_names(settings, layers)
    yield from _unknown_channels(settings, layers)
    quiet = settings.quiet_hours.rule(lambda name: resolve(name or settings.agent.timezone, environ))
    if quiet.bypass is None:
        yield from _endless(settings, quiet, layers)


def _same_names(settings: Settings, layers: Sequence[Layer]) -> Iterator[Problem]:
    names = [window.name for window in settings.quiet_hours.window]
    for number, name in enumerate(names):
        if name in names[:number]:
            text = f"found a second window named {name!r}, expected a name of its own for each"
            yield problem_at(layers, ("quiet_hours", "window", number), text)


def _unknown_channels(settings: Settings, layers: Sequence[Layer]) -> Iterator[Problem]:
    known = tuple(settings.channels)
    for number, window in enumerate(settings.quiet_hours.window):
        for place, name in enumerate(window.channels or ()):
            if name not in known:
                key = ("quiet_hours", "window", number, "channels", place)
                yield problem_at(layers, key, f'found "{name}", which is no channel; {suggestion(name, known)}')


def _endless(settings: Settings, quiet: QuietHours, layers: Sequence[Layer]) -> Iterator[Problem]:
    for name, config in settings.channels.items():
        keeps = getattr(config, "quiet_hours", True) and getattr(config, "enabled", True)
        always = keeps and all(release(quiet.of(name, kind), ANY_TIME) is None for kind in AlertType)
        if always:
            text = f"channel {name!r} would be quiet for ever, expected a gap, or bypass_severity"
            yield problem_at(layers, ("quiet_hours", "window"), text)
