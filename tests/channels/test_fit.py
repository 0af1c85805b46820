from dataclasses import replace

import pytest

from agent.channels.shared.fit import fitted
from agent.channels.shared.markup import plain_text
from agent.core.model import Link
from agent.core.ports import SendError, SendErrorKind
from agent.core.text import utf8
from tests.channels.samples import FAILED, HOSTILE, message

LONG = replace(
    FAILED, message="word " * 399, evidence=tuple(f"line {number} {'x' * 80}" for number in range(20)),
    fields={f"field {number}": "value " * 80 for number in range(30)},
    links=tuple(Link("page", f"https://runs.example/{'y' * 400}{number}") for number in range(5)),
)  # fmt: skip


def test_what_fits_is_not_touched():
    assert fitted(message(), 10_000, plain_text) == plain_text(message())


def test_log_lines_go_first_from_their_beginning():
    shown = replace(message(LONG), facts=(), links=())
    text = fitted(shown, len(plain_text(shown)) - 1, plain_text)
    assert "lines cut)" in text
    assert "line 19 " in text
    assert "line 2 " not in text
    assert shown.body in text


@pytest.mark.parametrize("limit", [8_000, 4_000, 2_000, 1_000, 500, 300])
def test_the_headline_and_the_footer_stay_and_the_cut_is_told(limit):
    text = fitted(message(LONG), limit, plain_text)
    assert limit // 2 < len(text) <= limit
    assert text.startswith("❌ Training failed\n")
    assert "cut" in text
    assert "job-0123456789ab" in text


def test_facts_that_are_left_out_are_counted():
    assert "\nMore: " in fitted(message(LONG), 2_000, plain_text)


@pytest.mark.parametrize("measure", [len, utf8])
def test_the_limit_is_in_the_unit_of_the_measure(measure):
    text = fitted(message(HOSTILE), 2_048, plain_text, measure)
    assert 1_024 < measure(text) <= 2_048


def test_a_limit_that_nothing_meets_refuses_the_message():
    with pytest.raises(SendError) as caught:
        fitted(message(), 10, plain_text)
    assert caught.value.kind is SendErrorKind.REJECTED
