import json
import math
from pathlib import Path
from re import _constants, _parser

import pytest

from agent.core import samples
from agent.core.facts import Activity, Progress
from agent.core.lines import clean
from agent.core.model import AlertType, NotificationKind
from agent.core.patterns import Table, merge, regex
from agent.core.payload import payload
from agent.core.progress import GROUPS, builtin, own, parse, same

LINES = [json.loads(line) for line in Path(__file__).with_name("progress_lines.jsonl").read_text().splitlines()]
"""What many programs print, with what it shows: from issues, sources and runs, read by hand."""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("12%|█▏        | 2899/25120 [2:12:20<16:58:37,  2.00s/it, loss=0.0841, step_time=50.94s]",
         Progress(step=2899, total=25120, loss=0.0841, throughput=0.5)),
        ("steps:   0%| | 0/14000 [00:00<?, ?it/s]", Progress(step=0, total=14000)),
        ("Training progress:   0% 0/10000 [00:00<?, ?it/s]", Progress(step=0, total=10000)),
        ("  2%|#4   | 20/1000 [00:10<08:10, 2.00it/s]", Progress(step=20, total=1000, throughput=2.0)),
        ("  0%|▏ | 315/72115 [01:24<5:21:16,  4.00it/s, loss=11.45 (12.65), wps=6799, oom=0]",
         Progress(step=315, total=72115, loss=11.45, throughput=4.0)),
        ("steps:  18%|█▊| 507/2800 [15:41<1:10:59,  2.00s/it, avr_loss=0.134]",
         Progress(step=507, total=2800, loss=0.134, throughput=0.5, framework="kohya")),
        ("  1%| | 5/500 [1 day, 2:03:04<9 days, 1:00:00, 10.00s/it]", Progress(step=5, total=500, throughput=0.1)),
        ("  1%| | 1/13 [00:10<36:34, 10.00s/it]{'loss': nan, 'reward': 5.7}",
         Progress(step=1, total=13, loss=math.nan, throughput=0.1)),
        ("10%|█| 1/10 [00:01<00:09, 1.00it/s] 20%|██| 2/10 [00:02<00:08, 1.00it/s]",
         Progress(step=2, total=10, throughput=1.0)),
        ("Epoch 3:  22%|██▏       | 4/18 [00:17<01:02,  2.00s/it, loss=9.947, v_num=193315]",
         Progress(step=4, total=18, epoch=3.0, loss=9.947, throughput=0.5, framework="lightning")),
        ("Epoch 0:   1%| | 795/77225 [9:07:58<878:01:48, 50.00s/it, loss=3.1, v_num=, reduced_train_loss=3.090]",
         Progress(step=795, total=77225, epoch=0.0, loss=3.09, throughput=0.02, framework="lightning")),
        ("Epoch 1:  50%|█| 1/2 [00:01<00:01, 1.00it/s, v_num=0, train_loss_step=0.5]",
         Progress(step=1, total=2, epoch=1.0, loss=0.5, throughput=1.0, framework="lightning")),
        ("{'loss': 2.0491, 'grad_norm': 0.31, 'learning_rate': 1.96e-04, 'epoch': 0.28}",
         Progress(epoch=0.28, loss=2.0491, framework="transformers")),
        ("{'loss': '4.549', 'grad_norm': '0.93', 'epoch': '3'}",
         Progress(epoch=3.0, loss=4.549, framework="transformers")),
        ("{'loss': -0.021, 'reward': 1.0, 'epoch': 0.1}", Progress(epoch=0.1, loss=-0.021, framework="transformers")),
        ("{'loss': inf, 'grad_norm': nan, 'epoch': 1.0}", Progress(epoch=1.0, loss=math.inf, framework="transformers")),
        ("{'loss': 0.3290, 'reward': -2.0304, 'learning_rate': 5e-05}", Progress(loss=0.329, framework="transformers")),
        ("step 12/100 lr 0.1 loss 0.3", Progress(step=12, total=100, loss=0.3)),
        ("Epoch 1/3 Step 12/100 loss: 0.3", Progress(step=12, total=100, epoch=1.0, loss=0.3)),
        ("epoch 2, iteration 1,200 of 5,000, train_loss=1.5e-03",
         Progress(step=1200, total=5000, epoch=2.0, loss=0.0015)),
        ("iter 3000: loss 4.2490, time 35392.33ms, mfu 13.85%",
         Progress(step=3000, loss=4.249, framework="nanogpt")),
        ("step=7 loss=nan", Progress(step=7, loss=math.nan)),
        ("Epoch: [0][415/1736]\t Loss 0.5844 MAE 0.6568", Progress(step=415, total=1736, epoch=0.0, loss=0.5844)),
        ("Train Epoch: 1 [2700/246000 (18%)]\tLoss: 0.000002", Progress(step=2700, total=246000, epoch=1.0, loss=2e-6)),
    ],
)  # fmt: skip
def test_progress_is_read_as_printed(line, expected):
    assert same(parse(clean(line.encode()).text), expected)


@pytest.mark.parametrize(
    ("line", "step", "total", "epoch", "loss", "framework"),
    [
        ("Epoch 0/1 ━━━━╸━━━━ 2/4 0:00:15 • 0:00:00 6.37it/s v_num: 0.000", 2, 4, 0, None, "lightning"),
        ("1|86|Loss: 0.9158586859703064:  85%|████ | 86/101 [23:05<03:39, 14.64s/it]", 86, 101, 1, 0.9158586859703064,
         "torchtune"),
        ("Step 3 | loss:1.173 lr:2e-05 tokens_per_second_per_gpu:655.9", 3, None, None, 1.173, None),
        ("45.00% [45/100 00:12<00:15 0.523]", 45, 100, None, 0.523, "fastai"),
        ("0         0.523412    0.412341    0.812345  00:12", None, None, 0, 0.523412, "fastai"),
        ("423/423 [==============================] - 184s 436ms/step - loss: 1.3863 - mse: 0.0037", 423, 423, None,
         1.3863, "keras"),
        (" 15/100 [===>....................] - ETA: 3:55 - loss: 1.6979e-05 - acc: 0.1", 15, 100, None, 1.6979e-05,
         "keras"),
        ("\x1b[1m10/10\x1b[0m \x1b[32m━━━━━━\x1b[0m\x1b[37m━━\x1b[0m \x1b[1m16s\x1b[0m 40ms/step - loss: 2.3",
         10, 10, None, 2.3, "keras"),
        ("Training epoch 0, iteration 12/99 | lr: 1e-4 | global_step: 12 | reduced_train_loss: 1.2 |", 12, 99, 0, 1.2,
         "nemo"),
        (" iteration    31218/  115311 | consumed samples: 1 | lm loss: 2.345279E+00 | grad norm: 145.119 |", 31218,
         115311, None, 2.345279, "megatron"),
        (" iteration 20/ 1000 | loss scale: 8388608.0 | number of skipped iterations:  10 |", 20, 1000, None, None,
         "megatron"),
        (" iteration 20/ 1000 | loss scale: 1.0 | grad norm: nan | number of nan iterations: 0 |", 20, 1000, None,
         math.nan, "megatron"),
        ("[Rank 0] step=2, skipped=0, lr=[3.75e-05], mom=[(0.9, 0.999)]", 2, None, None, None, "deepspeed"),
        ("steps: 2 loss: 12.8004 iter time (s): 145.206 samples/sec: 7.052", 2, None, None, 12.8004, None),
        ('{"current_steps": 10, "total_steps": 100, "loss": 1.5, "lr": 1e-4, "epoch": 0.2, "percentage": 10.0}', 10,
         100, 0.2, 1.5, "transformers"),
        ("| INFO | train_inner | epoch 001:   2900 / 160368 loss=8.979, ppl=504.73, num_updates=2900", 2900, 160368, 1,
         8.979, "fairseq"),
        ('{"epoch": 24, "train_loss": "3.2", "num_updates": "100", "train_ppl": "8"}', 100, None, 24, 3.2, "fairseq"),
        ("Train: 0 [ 150/1251 ( 12%)]  Loss: 6.91 (6.93)  Time: 0.345s,  741.96/s", 150, 1251, 0, 6.91, "timm"),
        ("04/21 21:03:53 - mmengine - INFO - Epoch(train) [1][60/90]  lr: 1e-02  loss: -32.4743", 60, 90, 1, -32.4743,
         "mmengine"),
        ("Iter(train) [  100/20000]  lr: 1e-2  loss: 3.2", 100, 20000, None, 3.2, "mmengine"),
        ("[11/01 11:27:04 d2.utils.events]: eta: 8:05:12  iter: 1259  total_loss: 1.012  loss_cls: 0.714", 1259, None,
         None, 1.012, "detectron2"),
        ("<epoch:  5, iter:  10,100, lr:1.992e-04> l_pix: 1.8082e-02", 10100, None, 5, 0.018082, "basicsr"),
        ("22-09-01 : <epoch:  0, iter:     800, lr:4.000e-04> G_loss: 7.941e-02", 800, None, 0, 0.07941, "basicsr"),
        ("epoch: [3/1200], global_step: 750, lr: 0.001, loss: 2.015131, ips: 22.19 samples/s", 750, None, 3, 2.015131,
         "paddle"),
        ("train_opt_callback: iter=    71 sample=73/5608 sched=0.71 loss=7.699281 dt=00:04:59", 71, None, None,
         7.699281, "llama.cpp"),
        ("step:2 - actor/kl_loss:0.002 - actor/pg_loss:0.001 - critic/score/mean:0.011", 2, None, None, 0.001, "verl"),
        ("[batch=366/48000]:", 366, 48000, None, None, "composer"),
        ("[epoch=1][batch=12/90]:", 12, 90, 1, None, "composer"),
        ("Train loss/train/total: 10.3750", None, None, None, 10.375, "composer"),
        ("[12]\tvalidation-logloss:0.4312", 12, None, None, 0.4312, "xgboost"),
        ("[0]\ttrain-rmse:0.5\teval-rmse:0.6", 0, None, None, 0.5, "xgboost"),
        ("[100]\tvalid_0's auc: 0.91", 100, None, None, None, "lightgbm"),
        ("[10]\ttraining's binary_logloss: 0.51\tvalid_1's binary_logloss: 0.6", 10, None, None, 0.51, "lightgbm"),
        ("7:\tlearn: 0.6523441\ttest: 0.6601\tbest: 0.6601 (0)\ttotal: 50ms", 7, None, None, 0.6523441, "catboost"),
        ("|    total_timesteps      | 4096      |", 4096, None, None, None, "stable-baselines3"),
        ("|    loss                 | 12.3      |", None, None, None, 12.3, "stable-baselines3"),
        ("  1     200         12.34   2037.95    410.12    0.60", 200, None, 1, 12.34, "spacy"),
        ("2023-03-22 09:32:41 iter 3000: loss 4.2490, time 35392.33ms, mfu 13.85%", 3000, None, None, 4.249, "nanogpt"),
        ("[titan] 2025-06-16 - root - INFO - step: 210  loss:  6.0388  memory: 49.66GiB(52%)  tps: 5,593", 210, None,
         None, 6.0388, "torchtitan"),
        ("completed step: 3, seconds: 10.344, TFLOP/s/device: 346.9, loss: 12.979, lm_loss: 12.979", 3, None, None,
         12.979, "maxtext"),
        ("  33/1000      6.73G      1.168     0.5611      1.129          6        640: 100%|█| 16/16 [00:05<00:00]",
         16, 16, 33, None, "ultralytics"),
        ("Train step of epoch 0:  10%|█| 1/10 [00:01<00:09, 1.00it/s, policy_loss=0.12]", 1, 10, None, 0.12,
         "openrlhf"),
        ("steps:  18%|█▊| 507/2800 [15:41<1:10:59,  2.00s/it, avr_loss=0.134]", 507, 2800, None, 0.134, "kohya"),
        ("[3/25][100/1583]\tLoss_D: 0.5\tLoss_G: 2.1", 100, 1583, 3, None, None),
        ("| epoch   1 |   200/ 1000 batches | lr 5.00 | ms/batch 10.5 | loss  8.12 | ppl  3000", 200, 1000, 1, 8.12,
         None),
        ("[100/1000] loss: 0.33", 100, 1000, None, 0.33, None),
        ('{"step": 10, "loss": 0.5}', 10, None, None, 0.5, None),
        ("Epoch 0 |   Training | Elapsed Time: 0:00:15 | Steps: 95 | Loss: 24.186966", 95, None, None, 24.186966, None),
        ("Part 0 | Epoch 00001 | Batch 000 | Loss: 1.7309 | Time: 1444.2954", 0, None, 1, 1.7309, None),
        ("INFO     n=1920: loss=1.68, entropy=2.086, val=-0.676", 1920, None, None, 1.68, None),
        ("Epoch 3/100", None, None, 3, None, None),
        ("Epoch 5, Loss: 0.33", None, None, 5, 0.33, None),
    ],
)  # fmt: skip
def test_every_framework_is_read_as_it_prints(line, step, total, epoch, loss, framework):
    shown = parse(clean(line.encode()).text)
    throughput = shown.throughput
    assert same(shown, Progress(step, total, epoch, loss, throughput, framework))


@pytest.mark.parametrize("row", LINES, ids=lambda row: row["line"][:40])
def test_lines_seen_in_the_wild_are_read_as_printed(row):
    shown = parse(clean(row["line"].encode()).text)
    assert same(shown, Progress(row["step"], row["total"], row["epoch"], row["loss"], shown.throughput))


@pytest.mark.parametrize(
    "line",
    [
        "2024-05-17 INFO [train.py:1066] Epoch 1, validation: loss=8.6, simple_loss=6.902, over 944034.00 frames. ",
        "| INFO | valid | epoch 001 | valid on 'valid' subset | loss 8.9 | nll_loss 8.1",
        "2026-11-24 04:01:31,055 DEV : loss 0.0018066485645249486 - f1-score (micro avg)  1.0",
        "Test set: Average loss: 0.0481, Accuracy: 9842/10000 (98%)",
        "[Eval][Epoch 1][Iter: 0/16]CELoss: 2.1, loss: 2.1",
    ],
)
def test_an_evaluation_shows_no_loss_and_no_step(line):
    shown = parse(line)
    assert shown is None or (shown.step, shown.loss) == (None, None)


def test_an_alert_of_the_agent_that_its_receiver_prints_is_no_training():
    fired = samples.full(AlertType.JOB_FAILED, "node-1", 0)
    body = json.dumps(payload(fired, kind=NotificationKind.FIRED, reason="first notification", sent_at=0))
    assert "step" in body
    assert parse(clean(body.encode()).text) is None


def test_an_activity_glued_to_a_bar_is_newer_than_the_bar():
    found = builtin().find(" 12%|█| 12/100 [00:20<16:58, 1.0it/s]Saving model checkpoint to out/checkpoint-12")
    assert (found.progress.step, found.activity) == (12, Activity.SAVING)
    found = builtin().find("Validation: 50%|█| 4/8 [00:01<00:01, 1.0it/s] 12%|█| 12/100 [00:20<16:58, 1.0it/s]")
    assert (found.progress.step, found.activity) == (12, Activity.TRAINING)


def test_numbers_beside_a_save_count():
    found = builtin().find("epoch 1 step 12/100 loss 0.5, saved checkpoint")
    assert (found.progress.step, found.activity) == (12, Activity.TRAINING)


@pytest.mark.parametrize(
    ("text", "framework"),
    [
        ("Unsloth: Will patch your computer", "unsloth"),
        ("[2025-09-10 10:58:06,585] [INFO] [axolotl.train.execute_training:203] Starting trainer...", "axolotl"),
        ("***** Running training *****\nUnsloth: Fast downloading", "unsloth"),
        ("[INFO|trainer.py:1] ***** Running training *****", "transformers"),
        ("`Trainer.fit` stopped: `max_epochs=1` reached.", "lightning"),
        ("nothing", None),
    ],
)
def test_frameworks_are_known_by_words_that_only_they_write(text, framework):
    marker = builtin().marked(text.__contains__)
    assert (marker.framework if marker is not None else None) == framework


def test_the_folder_for_checkpoints_is_the_one_named_last():
    text = "output_dir=out/a,\nSaving model checkpoint to out/b/checkpoint-5\nConfiguration saved in out/c"
    assert builtin().output(text) == "out/b/checkpoint-5"
    assert builtin().output("output_dir='out/a', x") == "out/a"
    assert builtin().output("no folder") is None


def unbounded(pattern):
    """The repeats of a regular expression that have no upper limit."""

    def walk(items):
        for kind, value in items:
            if kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
                if value[1] == _constants.MAXREPEAT:
                    yield kind
                yield from walk(value[2])
            elif kind is _constants.SUBPATTERN:
                yield from walk(value[3])
            elif kind is _constants.BRANCH:
                for branch in value[1]:
                    yield from walk(branch)
            elif kind in (_constants.ASSERT, _constants.ASSERT_NOT):
                yield from walk(value[1])

    return list(walk(_parser.parse(pattern)))


@pytest.mark.parametrize("pattern", builtin().patterns, ids=lambda pattern: pattern.id)
def test_every_pattern_is_bounded_hinted_and_names_what_it_reads(pattern):
    texts = [pattern.pattern, *filter(None, (pattern.needs, pattern.unless)), *pattern.losses]
    assert [text for text in texts if unbounded(text)] == []
    assert pattern.groups <= GROUPS | {"pace"}
    assert (pattern.activity is None) == bool(pattern.groups)
    assert pattern.hints or pattern.near
    assert all(hint == hint.lower() for hint in pattern.hints)
    assert all(regex(text).groupindex.keys() == {"loss"} for text in pattern.losses)


@pytest.mark.parametrize(
    ("line", "total", "loss"),
    [
        ("Total batch size = 48 | Total steps = 750", 750, None),
        ("  total optimization steps / 学習ステップ数: 14000", 14000, None),
        ("  Total optimization steps = 1,200", 1200, None),
    ],
)
def test_a_banner_fills_in_the_total_until_a_bar_shows_it(line, total, loss):
    found = builtin().find(line)
    assert found.weak
    assert merge(None, found.progress, weak=True) == Progress(total=total, loss=loss)
    assert merge(Progress(step=3, total=9), found.progress, weak=True).total == 9


def test_a_loss_without_a_step_counts_only_where_no_line_shows_one():
    found = builtin().find("train Loss: 2.7186 Acc: 0.4082")
    assert found.progress == Progress(loss=2.7186)
    assert not found.yields_to(Progress(epoch=1, loss=3.0))
    assert found.yields_to(Progress(step=4, loss=2.7))


@pytest.mark.parametrize(
    ("line", "activity"),
    [
        ("Loading checkpoint shards:  57% 4/7 [00:40<00:29,  9.96s/it]", Activity.PREPARING),
        ("Map (num_proc=8):  45%|████▌ | 450/1000 [00:10<00:12, 45.00 examples/s]", Activity.PREPARING),
        ("AUTOTUNE mm(1024x1024, 1024x1024)", Activity.PREPARING),
        ("Emitting ninja build file /x/build.ninja...", Activity.PREPARING),
        ("Validation DataLoader 0:  50%|█| 1/2 [00:01<00:01, 1.00it/s]", Activity.EVALUATING),
        ("Eval stage of global_step 5:  10%|█| 1/10 [00:01<00:09, 1.00it/s]", Activity.EVALUATING),
        ("                 Class     Images  Instances      Box(P  R  mAP50): 100%|██| 8/8 [00:03<00:00,  2.12it/s]",
         Activity.EVALUATING),
        ("***** Running Evaluation *****", Activity.EVALUATING),
        (" validation loss at iteration 100 | lm loss value: 2.0", Activity.EVALUATING),
        ("mmengine - INFO - Epoch(val) [1][10/20]  eta: 0:00:01", Activity.EVALUATING),
        ("Saving model checkpoint to out/checkpoint-500", Activity.SAVING),
        ("saving checkpoint at iteration     100 to /data", Activity.SAVING),
        ("  successfully saved checkpoint at iteration     100 to /data", Activity.TRAINING),
        ("Step 3 | loss:1.173 lr:2e-05", Activity.TRAINING),
    ],
)
def test_what_else_a_program_does_is_no_training_step(line, activity):
    found = builtin().find(line)
    assert found.activity is activity
    assert found.trains == line.startswith("Step")


@pytest.mark.parametrize(
    "line",
    ["Gradient checkpointing enabled", "Checkpoints will be saved to /x by HardDiskBackend.", "  eval_strategy: steps",
     "activation_checkpointing: true"],
)  # fmt: skip
def test_settings_are_no_activity(line):
    assert builtin().find(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "Loading checkpoint shards:  57% 4/7 [00:40<00:29,  9.96s/it]",
        "Downloading (…)/main/config.json: 100%|█| 570/570 [00:00<00:00, 1.2MB/s]",
        "Map (num_proc=8):  45%|████▌ | 450/1000 [00:10<00:12, 45.00 examples/s]",
        "Filter: 100%|█| 10/10 [00:01<00:00, 10.00it/s]",
        "Tokenizing: 10%|█| 1/10 [00:01<00:09, 1.00it/s]",
        "Running tokenizer on dataset: 10%|█| 1/10 [00:01<00:09, 1.00it/s]",
        "Saving the dataset (1/1 shards): 100%|█| 1000/1000 [00:00<00:00, 123.00 examples/s]",
        "Sanity Checking DataLoader 0:   0%| | 0/2 [00:00<?, ?it/s]",
        "Validation DataLoader 0:  50%|█| 1/2 [00:01<00:01, 1.00it/s]",
        "Evaluating: 10%|█| 1/10 [00:01<00:09, 1.00it/s]",
        "Fetching 5 files: 100%|█| 5/5 [00:00<00:00, 10.00it/s]",
        "100%|██| 3000001/3000001 [03:33<00:00, 14061.26it/s]",
        "  0%|  | 0/3000001 [00:00<?, ?it/s]",
        "6.23M/6.23M [00:00<00:00, 20.1MB/s]",
        "{'eval_loss': 1.36, 'eval_runtime': 16.2, 'epoch': 0}",
        "{'train_step_runtime': 0.641, 'train_step_samples_per_second': 56.162, 'epoch': 0.98}",
        "{'train_runtime': 919.097, 'train_samples_per_second': 1.088, 'epoch': 1.0}",
        "Step 3/12 : RUN pip install torch",
        "Validation epoch 1 step 3/10 loss 0.5",
        "number of skipped iterations:   0 | lm loss: 2.1",
        "iteration took 12 ms",
        "Saving checkpoint 12/100",
        "no numbers here",
        "",
    ],
)
def test_what_is_not_training_shows_no_progress(line):
    assert parse(line) is None


def test_the_last_average_only_fills_in():
    found = builtin().find(
        "{'train_runtime': '2219', 'train_steps_per_second': '0.185', 'train_loss': '0.72', 'epoch': '3'}"
    )
    assert found is not None
    assert merge(None, found.progress, weak=found.weak).loss == 0.72
    assert merge(Progress(step=5, loss=0.5), found.progress, weak=found.weak) == Progress(step=5, loss=0.5)
    assert merge(Progress(step=5), found.progress, weak=found.weak) == Progress(step=5, loss=0.72)


def test_a_line_that_has_not_ended_is_read_only_where_no_number_can_be_cut():
    assert builtin().find(" 12%|█| 12/100 [00:20<16:58, 1.0it/s]", ended=False).progress.step == 12
    assert builtin().find(" 12%|█| 12/100 [00:20<16:58, 14", ended=False) is None
    assert builtin().find("step 12/10", ended=False) is None
    assert builtin().find("{'loss': 2.04", ended=False) is None


def test_a_loss_joins_the_bar_beside_it():
    bar = parse(" 12%|█| 12/100 [00:20<16:58, 2.00s/it]")
    both = merge(bar, parse("{'loss': 2.5, 'epoch': 0.28}"))
    assert both == Progress(step=12, total=100, epoch=0.28, loss=2.5, throughput=0.5, framework="transformers")
    assert merge(both, parse(" 13%|█| 13/100 [00:22<16:58, 1.00s/it]")).loss == 2.5


def test_a_user_pattern_has_named_groups():
    pattern = own("mine", r"it=(?P<step>\d+)\|(?P<total>\d+) L(?P<loss>\S+) (?P<throughput>[\d.]+)sps")
    found = Table((pattern, *builtin().patterns)).find("it=3|90 L0.25 4.5sps")
    assert found is not None
    assert found.progress == Progress(step=3, total=90, loss=0.25, throughput=4.5)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"it=(?P<step>\d+", "progress 'mine': the pattern does not compile: .* at position 3"),
        (r"it=\d+", "progress 'mine': expected named groups out of epoch, loss, step, throughput, total; found none"),
        (r"it=(?P<stop>\d+)", "found stop"),
    ],
)
def test_a_bad_user_pattern_is_refused_with_its_id(pattern, message):
    with pytest.raises(ValueError, match=message):
        own("mine", pattern)


SEEDS = [
    "1/2 [", "{'", "{'loss': 1", "Epoch 1: 10% ", "loss", "step 1", "epoch 1 ", "[00:00<", "1/", "a/loss",
    "'train_runtime': ", "[1/2][1/", "iteration 1/ ", '"epoch": "1",', "1.0 2.00 ", "Loading ", "eval ", "━", "/1 ━",
    "step:1 - ", "Epoch 0/1 ━", "|Loss: 1", "12/34 [00:00<00:00, 1.0it/s, ", "Step 1/2; ", "(", " ", "12,3", "train ",
]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hostile_record_takes_linear_time(seed):
    # Records are cut at 8 KiB; a quadratic pattern would still not get through these in the time that a test is given.
    text = (seed * (200_000 // len(seed) + 1))[:200_000]
    found = builtin().find(text)
    assert found is None or found.progress is not None
