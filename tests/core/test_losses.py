"""Losses that are no numbers, and the next ones."""

import pytest

from agent.core.block import Step
from agent.core.losses import WITHIN, Number, Records, number


@pytest.mark.parametrize(
    "text",
    [
        "{'loss': nan, 'reward': 5.7646}",
        "{'loss': 0.0, 'grad_norm': nan, 'learning_rate': 0.00015, 'epoch': 0.0}",
        "{'loss': '0', 'grad_norm': 'nan', 'epoch': '0.75'}",
        " iteration     5426/  250000 | consumed samples: 43408 | loss scale: 1.0 | grad norm: nan | nan: 0 |",
        "2023-03-22 09:32:52 iter 3010: loss nan, time 1019.95ms, mfu 14.12%",
        " 15/100 [===>....] - ETA: 3:55 - loss: nan - mean_squared_error: nan",
        "    32/1000      6.73G      nan     0.5757      1.128          6        640: 100%",
        "Epoch(train) [1][60/90]  lr: 1.0e-02  memory: 0  loss: nan  loss_cls: nan",
        "         Train loss/train/total: nan",
        "step:2 - actor/pg_loss:nan - actor/grad_norm:nan",
        "12%|█| 12/100 [00:20<16:58, 2.75s/it, loss=inf]",
        "Epoch 2: 100%|█| 20/20 [00:01<00:00, 11.90it/s, train_loss=nan.0]",
    ],
)
def test_what_is_no_number(text):
    assert number(text) is Number.NONE


@pytest.mark.parametrize(
    "text",
    [
        "{'loss': 0.3, 'grad_norm': 1.5}",
        "lr: 1.000e-03, loss_ce: 1.2757, loss: 1.9091, grad_norm: nan",
        "Train: 0 [ 150/1251 ( 12%)]  Loss: 6.91 (6.93)",
        "loss: 0.3 - val_loss: nan",
        "step 3: train loss 4.0, val loss nan",
        "loss: -32.4743",
        "    32/1000      6.73G      1.186     0.5757      1.128          6        640: 100%",
    ],
)
def test_what_is_a_number(text):
    assert number(text) is Number.FINITE


@pytest.mark.parametrize(
    "text",
    [
        "Validation loss decreased (inf --> 0.693147).  Saving model ...",
        "best_loss: inf",
        " iteration 10/ 1000 | loss scale: 8388608.0 | skipped iterations: 10 | number of nan iterations: 0 |",
        "max_grad_norm: inf",
        "{'train_runtime': 9.1, 'train_loss': nan, 'epoch': 1.0}",
        "saving a checkpoint",
    ],
)
def test_what_tells_of_no_training_loss(text):
    assert number(text) is None


def fed(opening, *lines):
    records = Records(opening)
    return records, [records.take(line) for line in lines]


def test_the_second_record_in_a_row_confirms_the_first():
    records, steps = fed("{'loss': nan, 'epoch': 0.1}", "other text", "{'loss': nan, 'epoch': 0.2}")
    assert steps == [Step.FOREIGN, Step.ENDED]
    told = records.told()
    assert (told.text, told.context) == ("{'loss': nan, 'epoch': 0.2}", ("{'loss': nan, 'epoch': 0.1}",))
    assert told.facts == {"records": 2}


def test_a_finite_record_ends_the_wait():
    records, steps = fed("{'loss': nan}", "{'loss': 0.2527}")
    assert steps == [Step.CUT]
    assert (records.told().text, records.told().facts) == ("{'loss': nan}", {"records": 1})


def test_a_recovery_is_told():
    records, steps = fed("{'loss': nan}", "{'loss': nan}", "{'loss': 0.5}")
    assert steps == [Step.ENDED, Step.CUT]
    assert (records.told().text, records.told().facts) == ("{'loss': 0.5}", {"records": 2, "recovered": True})


def test_the_twentieth_record_is_told_again():
    records, steps = fed(*[f"iter {n}: loss nan" for n in range(25)])
    assert [number for number, step in enumerate(steps, 2) if step is Step.ENDED] == [2, 20]
    assert records.told().facts == {"records": 25}


def test_a_bar_that_is_drawn_again_is_the_same_record():
    bar = "12%|█| 12/100 [00:2{}<16:58, 2.75s/it, loss=nan]"
    assert fed(bar.format(0), bar.format(1))[1] == [Step.FOREIGN]
    assert fed(bar.format(0), bar.format(1).replace("12/", "13/"))[1] == [Step.ENDED]


def test_the_last_bars_of_two_epochs_are_two_records():
    bar = "100/100 [====] - 332s 3s/step - loss: nan"
    assert fed(bar, "Epoch 2/9", " 99/100 [===>] - ETA: 2s", bar)[1][-1] is Step.ENDED


def test_the_wait_has_an_end():
    records, steps = fed("loss nan", *["other text"] * (WITHIN + 1))
    assert steps[-2:] == [Step.FOREIGN, Step.CUT]
    assert records.told().facts == {"records": 1}
