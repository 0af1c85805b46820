"""The child's side of `isolated`: build one source, then answer one request a line until the parent is gone.

Imports nothing that its source does not need: every such process costs memory on a training node. A fault of the source
ends the child with its traceback, which is what the parent tells of.
"""

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping

from agent.core.clock import Instant
from agent.core.model import Json
from agent.core.ports import Consuming, Source, Unavailable
from agent.runtime.reading_json import to_json


class Outside:
    """What a source in a child may use of the parent: its wishes, renewed with each request, and a word back."""

    def __init__(self, send: Callable[[Mapping[str, Json]], None]) -> None:
        self.wishes: Mapping[str, Json] = {}
        self._send = send

    def note(self, text: str) -> None:
        """Say what is about to be done, so that the parent can name it if it never ends."""
        self._send({"note": text})


def main() -> None:
    """Serve until standard input ends. The arguments: the factory as `module:name`, and its settings as JSON."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever prints, prints to the log and not into the answers

    def send(answer: Mapping[str, Json]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    outside = Outside(send)
    module, _, name = sys.argv[1].partition(":")
    source: Source = getattr(importlib.import_module(module), name)(json.loads(sys.argv[2]), outside)
    send({"ready": True})
    for line in sys.stdin:
        send(_answer(source, outside, json.loads(line)))
    source.close()


def _answer(source: Source, outside: Outside, request: Mapping[str, Json]) -> dict[str, Json]:
    try:
        return _act(source, outside, request)
    except Unavailable as absence:
        return {"unavailable": str(absence)}


def _act(source: Source, outside: Outside, request: Mapping[str, Json]) -> dict[str, Json]:
    if "restore" in request:
        source.restore(request["restore"])
    elif "committed" in request:
        if isinstance(source, Consuming):
            source.committed()
    elif "read" in request:
        outside.wishes = request.get("wishes") or {}
        return {"reading": to_json(source.read(Instant(request["read"]["wall"], request["read"]["monotonic"])))}
    return {"done": True}


if __name__ == "__main__":
    main()
