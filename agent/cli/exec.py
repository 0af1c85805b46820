"""`gpuwarden exec`: run a training command as a job that the agent knows from start to end, with its exit code."""

import os
import time
from pathlib import Path

import click

from agent.cli import hand_in
from agent.cli.common import Place, common_options
from agent.cli.hand_in import NotStored
from agent.cli.wrap import NotStarted, Wrapped
from agent.config.errors import ConfigError
from agent.core import handoff, procstat
from agent.core.facts import ProcessEnded, ProcessStarted
from agent.core.handoff import BadHandoff, Handoff
from agent.core.launchers import script_name

NS_PER_MS = 1_000_000


@click.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="[OPTIONS] --", epilog="Example: gpuwarden exec --log run.log -- python3 train.py",
)
@click.option("--name", metavar="N", help="What to call the job; the script's name otherwise.")
@click.option(
    "--log", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Append the output to FILE too, and watch it.",
)
@click.argument("command", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@common_options
@click.pass_context
def exec_command(ctx: click.Context, name: str | None, log: Path | None, command: tuple[str, ...]) -> None:
    """Run a training COMMAND as a tracked job.

    Signals are passed on and the exit code is the command's own, 128+n after signal n. Without --log the command keeps
    the terminal, and only its start and end are known; with it, the output is watched as well.
    """
    if command[0].startswith("-"):
        ctx.fail(f"There is no option {command[0]}; expected --name or --log, then -- and the command.")
    path = None if log is None else log.absolute()
    try:
        output = None if path is None else _open(path)
        held = 0 if output is None else os.fstat(output).st_size
        run = Wrapped(command, os.environ, output)
    except NotStarted as error:
        click.echo(f"gpuwarden: {error}", err=True)
        ctx.exit(error.code)
    report = _Report(ctx.ensure_object(Place), run.pid)
    report.started(name, script_name(command), path, held)
    status = run.wait()
    ended_at = _now()
    run.drain()
    report.ended(status, ended_at)
    run.finish()
    ctx.exit(procstat.exit_code(status)[0])


class _Report:
    """Tells the agent of one process. What goes wrong here is said once, and never stops the command."""

    def __init__(self, place: Place, pid: int) -> None:
        self._place = place
        self._warned = False
        self._process = self._identify(pid)

    def started(self, name: str | None, script: str, log: Path | None, held: int) -> None:
        """Tell of the start, which is now; `held` is how many bytes the log held before."""
        if self._process is not None:
            self._tell(ProcessStarted(
                *self._process, started_at=_now(), name=name or script, command=script,
                log=None if log is None else str(log), log_offset=held, wrapper_pid=os.getpid(),
                pid_namespace=_pid_namespace(),
            ))

    def ended(self, wait_status: int, at: int) -> None:
        """Tell of the end; as the parent we know for sure."""
        if self._process is not None:
            code, signal = procstat.exit_code(wait_status)
            self._tell(ProcessEnded(*self._process, ended_at=at, exit_code=code, signal=signal, reported=True))

    def _identify(self, pid: int) -> tuple[str, int, int] | None:
        """Boot id, pid and start ticks; the child is not waited for yet, so they are its own."""
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            self._warn(error)
            return None
        return boot, pid, procstat.parse(line).start_ticks

    def _tell(self, fact: Handoff) -> None:
        try:
            hand_in.store(hand_in.find(self._place, os.environ), handoff.write(fact), time.time_ns())
        except (NotStored, ConfigError, BadHandoff) as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            click.echo(f"gpuwarden: warning: the agent does not learn of this job: {error}", err=True)


def _open(log: Path) -> int:
    try:
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise click.UsageError(f"--log: {log} cannot be written ({error.strerror}), expected a file") from None


def _pid_namespace() -> int | None:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return None


def _now() -> int:
    return time.time_ns() // NS_PER_MS
