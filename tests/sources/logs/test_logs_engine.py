import pytest

from agent.sources.logs import engine
from agent.sources.logs.engine import RegexEngine, VectorscanEngine, build, record_begin, record_end

ENGINES = [VectorscanEngine, RegexEngine]


def records(found, data):
    """Which patterns were found in which records."""
    return {(data[record_begin(data, hit.end) : record_end(data, hit.end, 100)], hit.pattern) for hit in found}


@pytest.mark.parametrize("kind", ENGINES)
def test_every_pattern_is_found_in_every_record(kind):
    data = b"one two\ntwo\rthree one one\0two\n"
    assert records(kind(["one", "t\\w+"]).find(data), data) == {
        (b"one two", 0), (b"one two", 1), (b"two", 1), (b"three one one", 0), (b"three one one", 1)
    }  # fmt: skip


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("pattern", ["x.*", "x+", "(?i)X", "x|xx", r"x\b"])
def test_a_greedy_pattern_is_found_once_in_a_record(kind, pattern):
    data = b"x" * 100 + b"\n" + b"x\n"
    assert len(kind([pattern]).find(data)) == 2


@pytest.mark.parametrize("kind", ENGINES)
def test_nothing_is_found_in_nothing(kind):
    assert kind(["one"]).find(b"") == []
    assert kind([]).find(b"one") == []


def test_a_hostile_chunk_is_searched_to_its_end():
    patterns = ["a", "needle"]
    data = b"a\n" * (engine.CALLS_AT_MOST + 10) + b"needle\n"
    found = VectorscanEngine(patterns).find(data)
    assert (b"needle", 1) in records(found, data)
    assert len(found) <= engine.CALLS_AT_MOST + len(patterns)


def test_look_around_is_searched_for_in_a_wider_form():
    scanner = VectorscanEngine(["(?<!no )fire", "(x)\\1"])
    assert scanner.unscanned == {}
    data = b"fire\nxx\n"
    assert records(scanner.find(data), data) == {(b"fire", 0), (b"xx", 1)}


def test_what_cannot_be_searched_for_is_told_with_the_reason():
    scanner = VectorscanEngine(["good", "(?:a{1,40000}){2}b"])
    assert list(scanner.unscanned) == [1]
    assert scanner.unscanned[1]
    assert len(scanner.find(b"good\n")) == 1


def test_without_the_library_python_searches(monkeypatch):
    assert build(["x"]).name == "vectorscan"
    monkeypatch.setattr(engine, "hyperscan", None)
    assert build(["x"]).name == "re"


@pytest.mark.parametrize("separator", [b"\n", b"\r", b"\0"])
def test_records_stand_between_separators(separator):
    data = b"ab" + separator + b"cd" + separator
    assert (record_begin(data, 2), record_end(data, 1, 100)) == (0, 2)
    assert (record_begin(data, 4), record_end(data, 3, 100)) == (3, 5)
    assert (record_begin(data, 6), record_end(data, 6, 100)) == (6, 6)
