"""`python -m tests.fuzz [--minutes M] [--seed S]`: look for bytes and rotations that the log watcher stumbles over.

Every round has a number, and does the same again under it: `--seed S --rounds 1` repeats one that failed.
"""

import tempfile
import time
from functools import cache
from pathlib import Path
from random import Random

import click

from agent.sources.logs import engine, rules
from tests.fuzz import scanning, tailing


@click.command()
@click.option("--minutes", default=3.0, show_default=True, help="How long to go on.")
@click.option("--rounds", type=int, help="How many rounds to play at most.")
@click.option("--seed", default=1, show_default=True, help="The number of the first round.")
def fuzz(minutes: float, rounds: int | None, seed: int) -> None:
    """Play rounds until the time is over or one fails."""
    until, number = time.monotonic() + 60 * minutes, seed
    while time.monotonic() < until and (rounds is None or number < seed + rounds):
        try:
            play(number)
        except Exception:
            click.echo(f"round {number} failed; --seed {number} --rounds 1 repeats it", err=True)
            raise
        number += 1
    click.echo(f"{number - seed} rounds of scanner and tailer, {seed} to {number - 1}: nothing found")


def play(number: int) -> None:
    """Play one round of each. Raises what it found."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        scanning.play(Random(number), _rules(), Path(folder))
        for name in Path(folder).iterdir():
            name.unlink()
        tailing.play(Random(number), Path(folder))


@cache
def _rules() -> rules.Rules:
    # To compile the patterns takes longer than a round, and every restart of the tailer would do it again.
    rules.build = cache(engine.build)
    return rules.rules()


if __name__ == "__main__":
    fuzz()
