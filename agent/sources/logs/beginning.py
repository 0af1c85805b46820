"""Where the last run begins in a log that is found while a program already writes to it.

A program that opened its log to append may have found other runs there, and nothing tells how long it was then. So the
last part of it is read once, for that alone: a start marker there begins the run, or else the end of the run before.
What ended in an error or well, with nothing after it, is taken for an earlier run's: the program lives.
"""

import os
from collections.abc import Iterable, Iterator

from agent.core.facts import FindingKind, LogFinding, Role, TrainingSeen
from agent.core.runs import Awaited
from agent.sources.logs.recogniser import Place
from agent.sources.logs.rules import Rules
from agent.sources.logs.scanner import LogScanner
from agent.sources.logs.tailer import READ_AT_ONCE, Inode, Tail

LOOK_BACK = 1024 * 1024
"""Bytes at the end of a log within which the beginning of its last run is looked for."""


def find_beginning(rules: Rules, path: str, status: os.stat_result) -> int:
    """Find the offset at which to begin to read; that of `LOOK_BACK` where nothing shows. Raises Unreadable."""
    size = status.st_size
    start = max(0, size - LOOK_BACK)
    tail = Tail(path, Inode.of(status), start)
    tail.size = size
    try:
        scanner = LogScanner(rules, path, "", Place(start, start, tail.before(start)))
        begin = _last_run(_facts(scanner, tail, size), start)
    finally:
        tail.close()
    return size if scanner.run.awaited in (Awaited.AFTER_END, Awaited.AFTER_ERROR) else begin


def _last_run(facts: Iterable[LogFinding | TrainingSeen], begin: int) -> int:
    """The start marker of the last run; where it has none, its first progress, if that is not the first of all."""
    trained = ended = False
    for fact in facts:
        if isinstance(fact, TrainingSeen):
            begin = fact.offset if trained or ended else begin
            trained, ended = True, False
        elif fact.kind is FindingKind.STARTED:
            begin, trained, ended = fact.offset, False, False
        elif fact.kind is FindingKind.COMPLETED or fact.role is Role.ROOT:
            ended = True
    return begin


def _facts(scanner: LogScanner, tail: Tail, size: int) -> Iterator[LogFinding | TrainingSeen]:
    """Read on to the end as it is now."""
    while tail.offset < size:
        data = tail.read(scanner.tail, min(READ_AT_ONCE, size - tail.offset))
        if not data:
            break
        yield from (item.fact for item in scanner.feed(data))
