"""On which line of a TOML text each key stands, which `tomllib` does not tell.

Reads only texts that `tomllib` has accepted, so it need not find faults; inside inline tables it does not look, and
the line of such a key is the line of the key that holds the table.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
"""From the root of the document to a value; numbers count the tables of an array of tables, from 0."""

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?!")|\'\'\'.*?\'\'\'(?!\')'  # strings of several lines
    r'|"(?:\\.|[^"\\])*"|\'[^\']*\''
    r"|\#[^\n]*|[\[\]{}=.\n]|[^\s\[\]{}=.\#\"']+",
    re.DOTALL,
)


@dataclass
class _Scan:
    """The lines found so far, and the table that a key line belongs to."""

    lines: dict[KeyPath, int] = field(default_factory=dict)
    table: KeyPath = ()
    counts: dict[KeyPath, int] = field(default_factory=dict)

    def header(self, keys: list[str], line: int, *, array: bool) -> None:
        path = (*self._resolve(keys[:-1]), keys[-1])
        if array:
            self.counts[path] = self.counts.get(path, -1) + 1
            self.lines.setdefault(path, line)
        self.table = self._resolve(keys)
        self.lines.setdefault(self.table, line)

    def key(self, keys: list[str], line: int) -> None:
        for length in range(1, len(keys) + 1):
            self.lines.setdefault((*self.table, *keys[:length]), line)

    def _resolve(self, keys: list[str]) -> KeyPath:
        """Let a header's name mean the latest table of each array of tables on its way."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self.counts:
                path = (*path, self.counts[path])
        return path


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Map each key path that a statement of `text` names to its line, counted from 1."""
    scan = _Scan()
    for line, pieces in _statements(text):
        if pieces[0] == "[":
            array = pieces[1] == "["
            scan.header(_names(pieces[2 if array else 1 :], "]"), line, array=array)
        else:
            scan.key(_names(pieces, "="), line)
    return scan.lines


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """Find the line of a key, or of the nearest key around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Cut the text into headers and key lines, each with its first line; values of several lines stay whole."""
    statement: list[str] = []
    first = line = 1
    position = depth = 0
    for match in _PIECE.finditer(text):
        piece = match.group()
        line += text.count("\n", position, match.start())
        position = match.start()
        if piece == "\n" and depth == 0:
            if statement:
                yield first, statement
            statement = []
        elif piece != "\n" and not piece.startswith("#"):
            first = first if statement else line
            depth += (piece in "[{") - (piece in "]}")
            statement.append(piece)
    if statement:
        yield first, statement


def _names(pieces: list[str], end: str) -> list[str]:
    """Read a dotted key up to `end`."""
    return [_unquote(piece) for piece in pieces[: pieces.index(end)] if piece != "."]


def _unquote(piece: str) -> str:
    return str(tomllib.loads(f"k = {piece}")["k"]) if piece[0] in "\"'" else piece
