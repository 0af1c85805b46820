"""`python -m tests.months [--count N] [--from SEED] [--jobs N] [--go-on]`: look for a month that goes wrong.

Every month has a number, and goes the same way again under it: `--from SEED --count 1` repeats one that failed.
"""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context

import click

from tests.months.play import outcome

SHOWN = 5
"""Problems of one month that are shown; there are often hundreds with one cause."""
TOLD_EVERY = 10.0
"""Seconds between two lines about the progress."""

Outcome = tuple[int, list[str]]
"""The number of a month, and what was wrong with it."""


@click.command()
@click.option("--count", default=100, show_default=True, help="How many months to play.")
@click.option("--from", "first", default=0, show_default=True, help="The number of the first one.")
@click.option("--jobs", type=click.IntRange(1), help="How many at a time; by default one for each core.")
@click.option("--go-on", is_flag=True, help="Play all of them, however many fail.")
def months(count: int, first: int, jobs: int | None, go_on: bool) -> None:
    """Play months until all are over or one fails."""
    jobs = min(jobs or len(os.sched_getaffinity(0)), count)
    began = time.monotonic()
    tell_at = began + TOLD_EVERY
    failed: list[int] = []
    with closing(_outcomes(range(first, first + count), jobs)) as outcomes:
        for done, (seed, found) in enumerate(outcomes, 1):
            if found:
                failed.append(seed)
                _show(seed, found)
            if time.monotonic() >= tell_at:
                tell_at += TOLD_EVERY
                rate = done / (time.monotonic() - began)
                click.echo(f"{done} of {count} months, now {seed}: {len(failed)} failed, {rate:.2f} a second")
            if failed and not go_on:
                sys.exit(1)
    took = time.monotonic() - began
    click.echo(f"{count} months, {first} to {first + count - 1}, in {took:.0f} s: {_in_words(failed)}")
    sys.exit(1 if failed else 0)


def _outcomes(seeds: range, jobs: int) -> Iterator[Outcome]:
    """Play the months, several at a time, and give the outcome of one after the other."""
    if jobs == 1:
        yield from zip(seeds, map(outcome, seeds), strict=True)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:  # left early, it begins no more of them
        yield from zip(seeds, pool.map(outcome, seeds), strict=True)


def _show(seed: int, found: list[str]) -> None:
    more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    lines = "".join(f"\n  {problem}" for problem in found[:SHOWN])
    click.echo(f"month {seed} failed; --from {seed} --count 1 repeats it{lines}{more}", err=True)


def _in_words(failed: list[int]) -> str:
    return f"{len(failed)} failed: {', '.join(map(str, failed))}" if failed else "nothing found"


if __name__ == "__main__":
    months()
