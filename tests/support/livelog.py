"""A real log, followed by the real log source of a node under a hand-driven clock."""

from pathlib import Path

from agent.core.facts import ProcessEnded, ProcessStarted
from agent.sources.logs.watcher import Config, LogSource

BOOT = "7a1f4c52-6b0e-4d5e-9b43-0a4f3f1f6c11"


class LiveLog:
    """One file that a test writes as a training program would, and `node` watches."""

    def __init__(self, node, path, *, watched=True, **settings):
        """`watched`: whether the configuration names it; else only a job that the node knows leads there."""
        self.node = node
        self.path = Path(path)
        self._started = None
        config = Config(paths=(str(self.path),) if watched else (), start="beginning", **settings)
        node.follow(lambda board, ring: _source(config, board, ring))

    def write(self, *pieces):
        """Append text or bytes, as they are."""
        with self.path.open("ab") as file:
            for piece in pieces:
                file.write(piece.encode() if isinstance(piece, str) else piece)

    def say(self, *lines):
        """Append lines."""
        self.write(*(f"{line}\n" for line in lines))

    def replay(self, data, growth):
        """Let the file grow as recorded: `growth` holds pairs of milliseconds since the start and size in bytes."""
        at, size = 0, 0
        for moment, upto in growth:
            self.node.run(max(0, moment - at) / 1000)
            self.write(data[size:upto])
            at, size = max(at, moment), upto
        self.node.settle()

    def start(self, name="train.py", pid=4_000):
        """Hand in the start of the process that writes it, as `exec` does."""
        now = self.node.clock.now().wall
        self._started = ProcessStarted(
            BOOT, pid, 100, now, name, name, log=str(self.path), log_offset=self._size(), wrapper_pid=pid - 1
        )
        self.node.tell(self._started)

    def end(self, code, signal=None):
        """Hand in its end with the exit code, as a shell shows it."""
        started, now = self._started, self.node.clock.now().wall
        self.node.tell(
            ProcessEnded(started.boot_id, started.pid, started.start_ticks, now, code, signal, reported=True)
        )

    def _size(self):
        return self.path.stat().st_size if self.path.exists() else 0


def _source(config, board, ring):
    return LogSource(config, wanted=board.wanted_logs, urgent=board.urgent_logs, ring=ring)
