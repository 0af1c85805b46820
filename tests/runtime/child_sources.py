"""Sources for children of tests: each does what a request's wishes or its settings say."""

import json
import os
import sys
import time

from agent.core.facts import Event, ProcessEnded, event_id
from agent.core.model import Sample
from agent.core.ports import Reading, Unavailable


class Scripted:
    """Counts its looks from where the checkpoint says; `wishes["do"]` is what a look does."""

    name, interval = "scripted", 1.0

    def __init__(self, settings, outside):
        self.outside, self.settings, self.count, self.stored = outside, settings, 0, 0

    def restore(self, checkpoint):
        self.count = checkpoint.get("count", 0)

    def committed(self):
        self.stored = self.count

    def read(self, now):
        self.count += 1
        do = self.outside.wishes.get("do", "")
        if do == "hang":
            self.outside.note("/mnt/dead")
            time.sleep(3_600)
        elif do == "die":
            print("no more", file=sys.stderr, flush=True)
            os._exit(3)
        elif do == "garbage":
            os.write(3, b"not json\n")
            os.write(1, b"to the log\n")
        elif do == "print":
            print("a library prints", flush=True)
        elif do == "flood":
            sys.stderr.write("x" * 500_000)
        elif do == "absent":
            raise Unavailable("there is nothing")
        elif do == "fail":
            raise ValueError("a bug")
        elif do == "half":
            os.write(3, b'{"reading": ')
            os._exit(0)
        fact = ProcessEnded("boot", 7, 8, now.wall, 137, "SIGKILL")
        return Reading(
            samples=(Sample("looks", self.count, {"stored": str(self.stored), "set": json.dumps(self.settings)}),),
            events=(Event(event_id("scripted", self.count), "scripted", now.wall, fact),),
            checkpoint={"count": self.count},
            again_in=0.5,
        )

    def close(self):
        pass


def scripted(settings, outside):
    return Scripted(settings, outside)


def broken(settings, outside):
    raise RuntimeError("cannot be built")
