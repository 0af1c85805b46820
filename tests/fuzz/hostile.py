"""Bytes that no log should hold, and that some do: real lines cut, spliced, repeated and broken."""

import json
from functools import cache
from pathlib import Path
from random import Random

TESTS = Path(__file__).parents[1]
PIECES_AT_MOST = 24
SLICE = 3_000
"""Bytes taken at once out of a recording."""
JOINTS = (b"\n", b"\n", b"\n", b"\r", b"\r\n", b"", b" ", b"\0", b"\x1b[0m\n", b"\n\n", b"[rank1]: ", b"\n[default3]:")
BREAKS = (
    b"\r", b"\n", b"\0", b"\x1b", b"\x1b[", b"\x1b]0;", b"\x08", b"\xff", b"\xe2\x96", b"\x88", b"{", b"}", b"'", b"|",
    b"[", b"]", b"<", b"nan", b"-", b"9" * 30, b"0/0 [00:00<?", b"\x1b[31m" * 200, b"\x08" * 300, b" " * 3_000,
    b"=" * 9_000,
)  # fmt: skip
"""What is put into the middle of lines."""


@cache
def lines() -> tuple[bytes, ...]:
    """Every line that a test of the rules knows: of signatures, claimed or not, and of progress."""
    samples = sorted((TESTS / "core" / "signature_samples").glob("*.txt"))
    known = [line[2:] for path in samples for line in path.read_text("utf-8").splitlines()]
    shown = (TESTS / "core" / "progress_lines.jsonl").read_text("utf-8").splitlines()
    return tuple(text.encode() for text in [*known, *(json.loads(line)["line"] for line in shown)])


@cache
def recordings() -> tuple[bytes, ...]:
    """What real programs wrote."""
    return tuple(path.read_bytes() for path in sorted((TESTS / "recordings" / "logs").glob("*.log")))


def log(random: Random) -> bytes:
    """A small log, or what is left of one."""
    pieces = []
    for _ in range(random.randint(1, PIECES_AT_MOST)):
        pieces += [_broken(random, _piece(random)), random.choice(JOINTS)]
    return b"".join(pieces)


def _piece(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.65:
        return random.choice(lines())
    if kind < 0.95:
        data = random.choice(recordings())
        at = random.randrange(max(1, len(data)))
        return data[at : at + random.randint(1, SLICE)]
    return random.randbytes(random.randint(1, 400))


def _broken(random: Random, piece: bytes) -> bytes:
    """Leave a piece alone, or cut it, break it, flip a bit of it, or write it many times."""
    kind, at = random.random(), random.randrange(len(piece) + 1)
    if kind < 0.5 or not piece:
        return piece
    if kind < 0.65:
        return piece[at:] if random.random() < 0.5 else piece[:at]
    if kind < 0.85:
        return piece[:at] + random.choice(BREAKS) + piece[at:]
    if kind < 0.95:
        at = min(at, len(piece) - 1)
        return piece[:at] + bytes([piece[at] ^ (1 << random.randrange(8))]) + piece[at + 1 :]
    return piece * random.randint(2, 30)
