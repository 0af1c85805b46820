"""A process that dies at any instant loses no row whose commit was acknowledged.

This shows nothing about a power cut: that rests on `synchronous=FULL`, which test_database.py asserts.
"""

import subprocess
import sys

from store_values import LEASE, NOW, alert, delivery

from agent.store import alerts, deliveries, events, outbox
from agent.store.database import Database

WRITER = """
import sys
from pathlib import Path
from agent.core.facts import Event, ResolveAsked
from agent.store import events
from agent.store.database import Database
first = int(sys.argv[2])
with Database.open(Path(sys.argv[1]), create=True) as database:
    for number in range(first, first + 100_000):
        batch = [Event(f"e{number}-{part}", "spool", number, ResolveAsked("a", "ada")) for part in range(3)]
        database.write(lambda conn: (
            events.append(conn, batch), events.save_checkpoint(conn, "spool", {"offset": number})))
        print(number, flush=True)
"""

KILLS = 10


def killed_after(path, first, commits):
    """Run the writer until it has acknowledged so many commits, kill it, and return the last one it told of."""
    command = [sys.executable, "-c", WRITER, path, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        told = [writer.stdout.readline() for _ in range(commits)]
        writer.kill()
        told += writer.stdout.readlines()
    return int([line for line in told if line.endswith("\n")][-1])


def test_kill_9_loses_nothing_that_was_acknowledged(path):
    acknowledged = -1
    for kill in range(KILLS):
        acknowledged = killed_after(path, acknowledged + 1, commits=5 + 7 * kill)
        with Database.open(path) as database:
            stored = {event.id for _, event in database.read(lambda conn: events.after(conn, 0, 1_000_000))}
            offset = database.read(lambda conn: events.load_checkpoint(conn, "spool"))["offset"]
            assert database.quick_check() is None
        numbers = {int(name[1:].split("-")[0]) for name in stored}
        assert set(range(acknowledged + 1)) <= numbers
        assert offset == max(numbers)
        assert len(stored) == 3 * len(numbers)  # a batch is there whole or not at all
        acknowledged = offset


CLAIMER = """
import sys
from pathlib import Path
from agent.store import outbox
from agent.store.database import Database
database = Database.open(Path(sys.argv[1]))
row = database.write(lambda conn: outbox.claim(conn, "ops", "dead process", int(sys.argv[2]), 60_000))
print(row.id, flush=True)
sys.stdin.read()
"""


def test_a_row_that_died_on_its_way_is_sent_again_under_the_same_id(db, path):
    db.write(lambda conn: alerts.save(conn, alert()))
    db.write(lambda conn: outbox.insert(conn, delivery()))
    with subprocess.Popen(
        [sys.executable, "-c", CLAIMER, path, str(NOW)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sender:
        assert sender.stdout.readline() == "d1\n"
        sender.kill()
    assert db.write(outbox.recover) == 1
    again = db.write(lambda conn: outbox.claim(conn, "ops", "me", NOW, LEASE))
    assert (again.id, again.attempts, again.uncertain) == ("d1", 2, True)
    assert [attempt.outcome for attempt in db.read(lambda conn: deliveries.attempts(conn, "d1"))] == ["unknown", None]
