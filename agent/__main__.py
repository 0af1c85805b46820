"""The command `gpuwarden`, also as `python -m agent`."""

import errno
import io
import os
import sys

from agent.cli.main import gpuwarden

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What writing to a file ends with, where the output was redirected to one."""


def main() -> None:
    """Run the command line and exit with its code."""
    _occupy()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without emoji shows "?", and nothing fails
    try:
        gpuwarden(prog_name="gpuwarden")
    except OSError as error:
        if error.errno not in FULL:
            raise
        sys.stderr.write(f"gpuwarden: the output cannot be written: {error.strerror}\n")
        sys.exit(1)


def _occupy() -> None:
    """Let the null device stand for standard streams that were closed, so that no file of ours takes their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - open until the end


if __name__ == "__main__":
    main()
