"""Whether the last words of a log are a full last bar."""

import pytest

from agent.core.ending import WORDS_AFTER, is_full
from agent.core.facts import Progress

BAR = "100%|██████████| 500/500 [10:00<00:00,  1.20s/it, loss=0.5]"


def full(*lines, step=500, total=500):
    return is_full(lines, Progress(step=step, total=total))


def test_a_full_bar_is_an_end():
    assert full("loading", BAR)
    assert full(BAR, "saved the model to out")


def test_a_bar_that_is_not_full_is_none():
    assert not full(BAR.replace("500/500", "499/500"), step=499)
    assert not full(BAR, step=499)
    assert not full("no numbers", step=None, total=None)


def test_much_that_follows_is_not_the_end_of_a_log():
    assert full(BAR, *["words"] * (WORDS_AFTER - 1))
    assert not full(BAR, *["words"] * WORDS_AFTER)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Epoch 3/3", BAR], True),
        (["Epoch 2/3", BAR], False),
        (["Epoch 1/3", BAR, "Epoch 3/3", BAR], True),
        (["Epoch 2: " + BAR], False),
        (["Epoch 10 of 10: " + BAR], True),
    ],
)
def test_a_counter_within_an_epoch_says_nothing_of_the_others(lines, expected):
    assert full(*lines) is expected


def test_a_plain_line_may_be_the_last_step():
    assert full("step 24/25 | loss 0.8", "step 25/25 | loss 0.7465", step=25, total=25)


EVALUATION = [f"Epoch 3/3 : |##--| {25 * done}.00% [{done}/4 00:00<00:00]" for done in range(5)]
TABLE = "2         0.166667    0.133333    0.800000  00:12"


def test_an_evaluation_after_the_last_step_must_have_ended_too():
    bar = "Epoch 3/3 : |####| 100.00% [500/500 00:00<00:00 0.5]"
    assert full(bar, *EVALUATION, TABLE)
    assert not full(bar, *EVALUATION[:-1])
    assert not full(bar.replace("3/3", "2/3"), *(line.replace("3/3", "2/3") for line in EVALUATION), TABLE)
    assert full(BAR, *(f"Validation:  {done}%|# | {done}/20 [00:01<00:00, 9.0it/s]" for done in range(21)))
    assert not full(BAR, *(f"Validation:  {done}%|# | {done}/20 [00:01<00:00, 9.0it/s]" for done in range(20)))
