"""The frame of the command line: which commands there are, the options that all take, and how errors end.

Imports nothing but click and the error class, so that each command pays only for what it uses itself.
"""

import importlib
from collections.abc import Mapping

import click

from agent.cli.common import common_options
from agent.config.errors import ConfigError, suggestion

COMMANDS: Mapping[str, str] = {
    "run": "agent.cli.run:run",
    "check": "agent.cli.check:check",
    "init": "agent.cli.init:init",
    "config": "agent.cli.config:config",
    "status": "agent.cli.status:status",
    "history": "agent.cli.history:history",
    "explain": "agent.cli.explain:explain",
    "queue": "agent.cli.queue:queue",
    "test": "agent.cli.test:test_command",
    "scan": "agent.cli.scan:scan",
    "emit": "agent.cli.emit:emit",
    "exec": "agent.cli.exec:exec_command",
    "gpus": "agent.cli.gpus:gpus",
    "silence": "agent.cli.silence:silence",
    "resolve": "agent.cli.resolve:resolve",
    "report": "agent.cli.report:report",
    "simulate": "agent.cli.simulate:simulate",
    "demo": "agent.cli.demo:demo",
}
"""Where each command lives, in the order of the help page."""

USAGE = 2
"""The exit code for what the user must put right first: usage, configuration, nothing to start on."""


class Refused(click.ClickException):
    """A configuration that cannot be used: every problem on a line of its own, and no traceback."""

    exit_code = USAGE

    def __init__(self, error: ConfigError) -> None:
        super().__init__(str(error))
        self.problems = error.problems

    def show(self, file: object = None) -> None:  # noqa: ARG002 - always the standard error
        """Print the problems."""
        for problem in self.problems:
            click.echo(f"gpuwarden: {problem}", err=True)


class LazyGroup(click.Group):
    """A group that imports a command only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the same everywhere
        """Name the commands, without importing them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import one command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for; of a name that is none, say what may have been meant."""
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS:
            ctx.fail(f"There is no command {name!r}; {suggestion(name, tuple(COMMANDS))}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a configuration that cannot be used ends it with code 2."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise Refused(error) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gpuwarden", message="%(prog)s %(version)s")
@common_options
def gpuwarden() -> None:
    """Watch a GPU training node, and tell people what went wrong: once, at the right time, with the reason."""
