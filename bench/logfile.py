"""A large training log for the benchmarks, always the same: bars, dictionaries, plain text in turn, one error."""

from collections.abc import Iterator
from pathlib import Path

MIB = 1 << 20
ERROR = (
    b"Traceback (most recent call last):\n"
    b'  File "train.py", line 12, in <module>\n'
    b"    main()\n"
    b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB "
    b"of which 1.06 GiB is free.\n"
)


def write(path: Path, size: int) -> None:
    """Write a log of at least `size` bytes; one that is there already and long enough stays."""
    if path.exists() and path.stat().st_size >= size:
        return
    block = b"".join(_block())
    with path.open("wb") as file:
        while file.tell() < size - len(ERROR):
            file.write(block)
        file.write(ERROR)


def _block() -> Iterator[bytes]:
    """About 3 MiB: a third each of bars, dictionaries and text."""
    for step in range(9_000):
        bar = f"{'█' * (step % 50):<10}| {step}/9000 [01:{step % 60:02d}<02:11, 3.21it/s, loss={step % 7}.25]"
        yield f"\r{step % 100:3d}%|{bar}".encode()
    yield b"\n"
    for step in range(8_500):
        numbers = f"'grad_norm': 0.{step % 10}31, 'learning_rate': 1.96e-04, 'epoch': 0.{step % 100:02d}"
        yield f"{{'loss': {step % 9}.0491, {numbers}}}\n".encode()
    for step in range(9_000):
        words = f"INFO worker {step % 8}: batch of shard {step} read in 0.12 s, queue 3"
        yield f"2026-01-01 10:00:{step % 60:02d},123 {words}\n".encode()
