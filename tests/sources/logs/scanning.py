"""A scanner over bytes in memory, and logs to feed it."""

from functools import cache

from agent.core.facts import LogFinding, TrainingSeen
from agent.core.signatures import builtin
from agent.sources.logs.engine import RegexEngine, VectorscanEngine
from agent.sources.logs.recogniser import Place
from agent.sources.logs.rules import rules
from agent.sources.logs.scanner import LogScanner

CRASH = (
    b"***** Running training *****\n"
    b"\r  0%|          | 0/100 [00:00<?, ?it/s]"
    b"\r  1%|          | 1/100 [00:02<03:18,  2.00s/it, loss=2.5]"
    b"\r                                                         \r\n"
    b"{'loss': 2.25, 'grad_norm': 0.31, 'learning_rate': 0.0002, 'epoch': 0.02}\n"
    b"\r  2%|2         | 2/100 [00:04<03:16,  2.00s/it]\r\n"
    b"2026-01-05 10:00:00,250 - INFO - saving\r\n"
    b"[rank1]: Traceback (most recent call last):\n"
    b"[rank0]: Traceback (most recent call last):\n"
    b'[rank1]:   File "train.py", line 30, in <module>\n'
    b'[rank0]:   File "train.py", line 30, in <module>\n'
    b"[rank0]:     main()\n"
    b"[rank1]:     main()\n"
    b"[rank1]: ValueError: shapes \xff\xfe do not fit\n"
    b"[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 896.00 MiB. GPU 0 has a total capacity of "
    b"21.99 GiB of which 759.38 MiB is free.\n"
    b"\x00\x00\x00\x00\x1b[31mKeyboardInterrupt\x1b[0m\n"
    b"torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
    b"============================================================\n"
    b"train.py FAILED\n"
    b"------------------------------------------------------------\n"
    b"Failures:\n"
    b"  <NO_OTHER_FAILURES>\n"
    b"------------------------------------------------------------\n"
    b"Root Cause (first observed failure):\n"
    b"[0]:\n"
    b"  time      : 2026-01-05_10:00:03\n"
    b"  host      : node-1\n"
    b"  rank      : 0 (local_rank: 0)\n"
    b"  exitcode  : 1 (pid: 14750)\n"
    b"  error_file: <N/A>\n"
    b"  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html\n"
    b"============================================================\n"
)
"""Two ranks that fail in one log, with everything that terminals and launchers add."""


@cache
def shared_rules(max_line=8_192, engine="vectorscan"):
    kind = VectorscanEngine if engine == "vectorscan" else RegexEngine
    return rules(max_line=max_line, engine=kind([signature.pattern for signature in builtin()]))


def scanner(at=0, **options):
    return LogScanner(shared_rules(**options), "/log", "1:2:3", Place(at, at, b""))


def facts(data, cuts=(), **options):
    """Everything that a log tells, fed in the pieces between `cuts` and then left alone."""
    log = scanner(**options)
    noticed = []
    for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        noticed += log.feed(data[begin:end])
    noticed += log.settle(blocks=True)
    return {item.key: item.fact for item in noticed}


def findings(data, cuts=(), **options):
    return [fact for fact in facts(data, cuts, **options).values() if isinstance(fact, LogFinding)]


def begun(data, **options):
    return [fact for fact in facts(data, **options).values() if isinstance(fact, TrainingSeen)]
