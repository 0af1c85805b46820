"""What real training programs wrote, as kept in tests/recordings, and how to have it written again."""

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "recordings"
LOGS = FOLDER / "logs"

SHORTEST = 0.001
"""Seconds that lie at least between the last word and the end of a program."""
LOOK_EVERY = 200
"""Milliseconds within which what was written is written at once: the agent looks less often still."""


@dataclass(frozen=True)
class Recording:
    """One log, or one that was turned over and what was written before: `parts` are (content, growth), oldest first.

    Growth holds pairs of milliseconds since the program's start and the size then. `truth` is a row of truth.jsonl.
    """

    name: str
    framework: str
    parts: tuple
    turned_by: str | None
    seconds: float
    """How long the program ran."""
    exit_code: int | None
    signal: str | None
    truth: dict

    @property
    def last(self):
        """The file in which the program's last words stand: renamed or not."""
        content, _ = self.parts[0 if self.turned_by == "rename" and not self.parts[-1][0] else -1]
        return content

    def replay(self, node, path, *, slower=1, halfway=lambda: None):
        """Write it to `path` with the rhythm in which it was written, while `node` runs, up to the program's end.

        `slower`: how many times as long all takes; `halfway` is called when half of it is written.
        """
        files = [path] * len(self.parts)
        at, steps = 0, _steps(self.parts)
        for number, (moment, part, size) in enumerate(steps):
            if moment >= at + LOOK_EVERY or (part and not size):
                node.run((moment - at) * slower / 1000)
                at = moment
            if part and not size:
                files[:part] = [self._turn(path)] * part
            _grow(files[part], self.parts[part][0], size)
            if number == len(steps) // 2:
                halfway()
        node.run(max(SHORTEST, (self.seconds - at / 1000) * slower))

    def _turn(self, path):
        """Turn the log over as it was; where the program's older words are from now on."""
        older = path.with_name(path.name + ".1")
        if self.turned_by == "rename":
            path.rename(older)
            path.touch()
            return older
        older.write_bytes(path.read_bytes())
        with path.open("r+b") as file:
            file.truncate(0)
        return path


def recordings():
    """All of them, by name."""
    truths = map(json.loads, (FOLDER / "truth.jsonl").read_text(encoding="utf-8").splitlines())
    return [_load(truth) for truth in truths]


def _load(truth):
    made = json.loads((LOGS / f"{truth['name']}.json").read_text(encoding="utf-8"))
    parts = tuple(((LOGS / part["file"]).read_bytes(), _growth(part["growth"])) for part in made["parts"])
    kept = {name: made[name] for name in ("framework", "turned_by", "seconds", "exit_code", "signal")}
    return Recording(truth["name"], parts=parts, truth=truth, **kept)


def _growth(text):
    return [tuple(map(int, item.split(":"))) for item in text.split()]


def _steps(parts):
    return sorted((at, index, size) for index, (_, growth) in enumerate(parts) for at, size in growth)


def _grow(path, content, size):
    with path.open("ab") as file:
        file.write(content[file.tell() : size])
