"""What an alert names of the things that it explains."""

import pytest

from agent.core.policy.affected import FIELD, naming
from agent.core.presentable import VALUE_LIMIT
from tests.core.values import alert


def named(*rounds):
    found = alert()
    for titles in rounds:
        found = naming(found, titles)
    return found.fields[FIELD]


@pytest.mark.parametrize(
    ("rounds", "text"),
    [
        ([["a"]], "a"),
        ([["a", "b", "a"]], "a; b"),
        ([["a"], ["b", "a"]], "a; b"),
        ([["one; two"]], "one, two"),
        ([["one; two"], ["one; two"]], "one, two"),
        ([list("abcdefgh")], "a; b; c; d; e; f; g; h"),
        ([list("abcdefghi")], "a; b; c; d; e; f; g; h; and 1 more"),
        ([list("abcdefghi"), ["a", "k"], ["l"]], "a; b; c; d; e; f; g; h; and 3 more"),
    ],
)
def test_each_is_named_once_and_beyond_the_first_few_they_are_counted(rounds, text):
    assert named(*rounds) == text


def test_ten_thousand_long_titles_fit_into_what_is_shown():
    text = named([f"{n} {'x' * 300}" for n in range(10_000)])
    assert text.endswith("; and 9992 more")
    assert len(text) <= VALUE_LIMIT


def test_other_fields_stay():
    found = naming(alert(fields={"partition": "a100"}), ["a"])
    assert found.fields == {"partition": "a100", FIELD: "a"}
