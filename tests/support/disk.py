"""A node whose state disk may be full: the store refuses every write, and what happens waits at its source."""

from agent.store import events
from agent.store.errors import StoreFull
from tests.support.timeline import Node

SOURCE = "spool"


class NodeOnADisk(Node):
    """`fill` and `empty` its disk."""

    full = False

    def fill(self):
        self.full, self._waiting = True, []

    def empty(self):
        self.full = False
        self.database.write(lambda conn: events.append(conn, self._waiting))
        self.board.hold_unstored(SOURCE, ())

    def report(self, event):
        if not self.full:
            super().report(event)
            return
        self._waiting.append(event)
        self.board.hold_unstored(SOURCE, self._waiting)

    def _connect(self):
        database = super()._connect()
        write = database.write

        def refuse(body):
            if self.full:
                raise StoreFull("database or disk is full")
            return write(body)

        database.write = refuse
        return database
