"""A training run that is none: it prints what one would, and then runs out of GPU memory in PyTorch's own words.

The demonstration starts it as a job. Standard library only; it needs no GPU and allocates nothing.
"""

import os
import sys
import time
from pathlib import Path

STEPS, FAILS_AT = 400, 260
TRACE = "train.gpu"
"""Where it writes its pid and step, for the simulated GPUs to follow."""
_GIB = 1 << 30
TOTAL, HELD = int(79.1 * _GIB), int(66.04 * _GIB)
"""Bytes of the GPU, and what this program holds of them in the end."""
NEIGHBOUR = 4711, "jupyter", 12 * _GIB
"""Somebody's notebook on the same GPU: pid, name and bytes."""
LAST_BATCH = 0.5
"""Seconds that the batch takes that is too large."""


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's."""


OutOfMemoryError.__module__ = "torch"


def forward(step: int) -> float:
    """Make one step; returns its loss. Raises OutOfMemoryError when the sequences get too long."""
    if step >= FAILS_AT:
        time.sleep(LAST_BATCH)
        raise OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.06 GiB "
            "is free. Process 4711 has 12.00 GiB memory in use. Including non-PyTorch memory, this process has 66.04 "
            "GiB memory in use. Of the allocated memory 63.30 GiB is allocated by PyTorch, and 1.20 GiB is reserved by "
            "PyTorch but unallocated."
        )
    return 2.5 / (1 + step / 60) + 0.02 * (step % 7)


def main() -> None:
    """Train; the argument is the seconds that a step takes."""
    pause = float(sys.argv[1]) if len(sys.argv) > 1 else 0.06
    sys.stdout.write("***** Running training *****\n")
    began = time.monotonic()
    for step in range(1, STEPS + 1):
        Path(TRACE).write_text(f"{os.getpid()} {step}", encoding="ascii")
        loss = forward(step)
        spent = time.monotonic() - began
        bar = "█" * (20 * step // STEPS)
        left = spent / step * (STEPS - step)
        times = f"{_clock(spent)}<{_clock(left)}, {step / max(spent, 0.001):.2f}it/s, loss={loss:.3f}"
        sys.stdout.write(f"\r{100 * step // STEPS:3d}%|{bar:<20}| {step}/{STEPS} [{times}]")
        sys.stdout.flush()
        time.sleep(pause)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


if __name__ == "__main__":
    main()
