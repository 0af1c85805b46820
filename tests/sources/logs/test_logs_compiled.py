"""Compiled patterns on disk: taken where they can be trusted, and never needed."""

import os
import subprocess
import sys

import pytest

from agent.sources.logs import compiled
from agent.sources.logs.engine import VectorscanEngine, hyperscan

pytestmark = pytest.mark.skipif(hyperscan is None, reason="there is no Vectorscan here")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    return tmp_path / "gpuwarden" / "patterns"


def hits():
    return [hit.pattern for hit in VectorscanEngine(["fire", "water"]).find(b"water and fire")]


def test_patterns_are_compiled_once(folder):
    assert hits() == [1, 0]
    (first,) = folder.iterdir()
    stamp = first.stat().st_mtime_ns
    assert hits() == [1, 0]
    assert [(path, path.stat().st_mtime_ns) for path in folder.iterdir()] == [(first, stamp)]
    assert first.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x00" * 100_000])
def test_what_is_damaged_is_compiled_again(folder, content):
    hits()
    (path,) = folder.iterdir()
    path.write_bytes(content)
    assert hits() == [1, 0]


def test_a_file_that_others_can_write_to_is_not_believed(folder):
    hits()
    (path,) = folder.iterdir()
    path.chmod(0o666)
    assert compiled.load(path.name) is None
    assert hits() == [1, 0]


def test_a_place_that_cannot_be_written_to_costs_nothing_but_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert hits() == [1, 0]


def test_the_next_start_finds_everything_compiled(folder):
    """In processes of their own, since each orders its sets in another way."""
    for seed in "12":
        environ = {**os.environ, "PYTHONHASHSEED": seed}
        start = "from agent.sources.logs.rules import rules; rules()"
        subprocess.run([sys.executable, "-c", start], env=environ, check=True)
    assert len(list(folder.iterdir())) == 2  # signatures, and hints of progress


def test_old_compilations_are_dropped(folder):
    for number in range(2 * compiled.KEPT):
        compiled.store(f"name{number}", b"x")
    assert len(list(folder.iterdir())) == compiled.KEPT


def test_other_patterns_have_another_name():
    names = {compiled.key([(0, pattern, flags)], version) for pattern, flags, version in (
        (b"a", 0, "1"), (b"b", 0, "1"), (b"a", 1, "1"), (b"a", 0, "2"),
    )}  # fmt: skip
    assert len(names) == 4
