"""An alert fits into a row of the outbox, whatever is in it, and says what it lost."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import codec
from agent.core.bounded import CUT_SHORT, LIMIT, bounded, encoded, shortened
from agent.core.model import Alert, Link
from agent.store.rows import dump
from tests.core.values import alert

SIZES = st.tuples(st.sampled_from(["a", "ж ", "😀", "\udcff", '"\\', "\n"]), st.integers(0, 9_000), st.integers(0, 40))
"""A text, how often it is repeated, and how many of that there are."""
SHAPES = {
    "title": lambda text, times, _: text * times,
    "message": lambda text, times, many: text * times * many,
    "advice": lambda text, times, many: text * times if many else None,
    "labels": lambda text, times, many: {f"{number}{text}": text * times for number in range(many)},
    "fields": lambda text, times, many: {f"{text * number}": text * number for number in range(times // 10)},
    "job": lambda text, times, many: {"id": text, "gpus": list(range(times)), "error": {text * many: [text] * many}},
    "gpu": lambda text, times, many: {"name": text * times} if many else None,
    "disk": lambda text, times, many: {text * number: [number, None, 0.5] for number in range(many)},
    "report": lambda text, times, many: {"jobs": [{"name": text * times}] * many} if many else None,
    "evidence": lambda text, times, many: (text * times,) * many,
    "links": lambda text, times, many: (Link(text, text * times),) * many,
}
RECIPES = st.dictionaries(st.sampled_from(sorted(SHAPES)), SIZES)


def made(recipe):
    return alert(**{name: SHAPES[name](*sizes) for name, sizes in recipe.items()})


@settings(deadline=None)  # the machine may be busy
@given(RECIPES)
def test_every_alert_fits_and_is_still_the_same_one(recipe):
    big = made(recipe)
    small = bounded(big)
    stored = dump(small)
    assert len(stored) <= LIMIT
    codec.decode(Alert, json.loads(stored))
    same = ("id", "type", "fingerprint", "status", "severity", "starts_at", "ends_at")
    assert [getattr(small, name) for name in same] == [getattr(big, name) for name in same]
    assert (small is big) == (len(dump(big)) <= LIMIT) == (CUT_SHORT not in small.fields)
    assert bounded(small) is small


@given(RECIPES)
def test_what_was_cut_is_named_and_nothing_else_is_touched(recipe):
    big = made(recipe)
    small = bounded(big)
    named = small.fields.get(CUT_SHORT, "").partition(":")[0].split(", ")
    for name in SHAPES.keys() - {"fields"}:
        assert (getattr(small, name) == getattr(big, name)) == (name not in named)


@given(SIZES, st.integers(100, 5_000))
def test_any_value_is_shortened_to_its_limit(sizes, limit):
    for shape in SHAPES.values():
        assert encoded(shortened(codec.encode(shape(*sizes)), limit)) <= limit


def test_evidence_goes_first_and_its_last_lines_stay():
    lines = tuple(f"line {number} {'x' * 100}" for number in range(3_000))
    small = bounded(alert(evidence=lines, message="m" * 3_000))
    assert small.evidence[0] == "… (2800 lines cut)"
    assert small.evidence[1:] == lines[-200:]
    assert small.message == "m" * 3_000
    assert small.fields[CUT_SHORT] == "evidence: it was too large to be kept whole"


def test_the_longest_texts_are_cut_to_one_length_and_the_short_ones_stay():
    job = {"id": "job-1", "name": "n" * 60_000, "error": "e" * 60_000, "step": 3}
    small = bounded(alert(job=job))
    assert (small.job["id"], small.job["step"]) == ("job-1", 3)
    assert len(small.job["name"]) == len(small.job["error"]) > 30_000
    assert small.job["name"].endswith("… (cut)")


def test_labels_are_whole_as_long_as_anything_else_can_give_way():
    labels = {f"label_{number}": "ж" * 200 for number in range(32)}
    small = bounded(alert(labels=labels, fields={f"f{number}": "ж" * 200 for number in range(32)}, message="ж" * 4_000))
    assert small.labels == labels
    assert small.fields[CUT_SHORT].startswith("fields, message:")


def test_half_a_link_is_none():
    links = (Link("a", "https://example.com/a"), Link("b", "https://example.com/" + "b" * 70_000))
    assert bounded(alert(links=links)).links == links[:1]


def test_what_was_cut_before_is_still_named_when_more_is_cut():
    once = bounded(alert(evidence=("x" * 70_000,)))
    twice = bounded(replace(once, message="m" * 70_000))
    assert twice.fields[CUT_SHORT].partition(":")[0] == "evidence, message"


@pytest.mark.parametrize("text", ["a", "ж", "😀", "\udcff", '"', "\\", "\n"])
def test_a_text_is_measured_as_the_store_writes_it(text):
    small = bounded(alert(message=text * 70_000))
    assert LIMIT - 300 < len(dump(small)) <= LIMIT
