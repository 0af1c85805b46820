"""`gpuwarden run`: the daemon, in the foreground."""

import os
import sys

import click

from agent.cli.common import Place, common_options

USAGE = 2


@click.command()
@common_options
@click.pass_context
def run(ctx: click.Context) -> None:
    """Watch this node until stopped.

    SIGTERM and Ctrl-C end it cleanly; SIGHUP loads the configuration again. Ends with 2 if there is nothing to start
    on: a bad configuration, a port in use, a state directory that cannot be used or is another agent's.
    """
    if not sys.platform.startswith("linux"):
        raise Unstartable(f"`run` needs Linux (pidfd, inotify, /proc); `check` and `test` work on {sys.platform} too")
    # Deferred: what only the daemon needs would slow every other command down.
    from agent import daemon

    given = ctx.ensure_object(Place)
    try:
        daemon.run(daemon.Place(given.config, given.state_dir, dict(os.environ)))
    except daemon.Unstartable as reason:
        raise Unstartable(str(reason)) from None


class Unstartable(click.ClickException):
    """The daemon has nothing to start on."""

    exit_code = USAGE

    def show(self, file: object = None) -> None:  # noqa: ARG002 - always the standard error
        """Print why."""
        click.echo(f"gpuwarden: {self.message}", err=True)
