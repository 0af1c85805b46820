"""`python -m bench [--quick] [NAME...]`: measure, and print one table."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from agent.cli import show
from bench import cpu, drain, gpus, history, latency, memory, processes, report, rest, scan, startup, storm
from bench.daemon import Failed
from bench.figures import HEADERS, Row
from bench.setting import Setting, machine

BENCHMARKS: Mapping[str, Callable[[Setting], list[Row]]] = {
    "memory": memory.measure,
    "startup": startup.measure,
    "cpu": cpu.measure,
    "rest": rest.measure,
    "latency": latency.measure,
    "drain": drain.measure,
    "history": history.measure,
    "processes": processes.measure,
    "gpus": gpus.measure,
    "report": report.measure,
    "scan": scan.measure,
    "storm": storm.measure,
}
FOLDER = Path(__file__).parents[1] / "build"
"""On the disk of the checkout, since that of temporary files may be none."""


@click.command()
@click.option("--quick", is_flag=True, help="Fewer runs and a smaller store.")
@click.argument("names", nargs=-1, type=click.Choice([*BENCHMARKS]))
def bench(names: tuple[str, ...], *, quick: bool) -> None:
    """Measure the agent on this machine: everything, or the benchmarks NAMES."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=FOLDER) as folder:
        setting = Setting(Path(folder), quick, _say)
        try:
            rows = _measure(setting, names or tuple(BENCHMARKS))
        except Failed as error:
            raise click.ClickException(f"the agent did not do its part:\n{error}") from None
    for line in machine():
        click.echo(line)
    show.table(HEADERS, [row.cells() for row in rows])


def _measure(setting: Setting, names: tuple[str, ...]) -> list[Row]:
    _say("compiling")
    with setting.site("first").running():
        pass
    rows = []
    for name in names:
        _say(f"measuring {name}")
        rows += BENCHMARKS[name](setting)
    return rows


def _say(text: str) -> None:
    """Tell how far it is, apart from the table."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    bench(prog_name="python -m bench")
