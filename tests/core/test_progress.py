import math

import pytest

from agent.core.facts import Progress
from agent.core.lines import clean
from agent.core.progress import builtin, find, merge, own, parse, same


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
         Progress(step=507, total=2800, loss=0.134, throughput=0.5)),
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
        ("iter 3000: loss 4.2490, time 35392.33ms, mfu 13.85%", Progress(step=3000, loss=4.249)),
        ("step=7 loss=nan", Progress(step=7, loss=math.nan)),
        ("Epoch: [0][415/1736]\t Loss 0.5844 MAE 0.6568", Progress(step=415, total=1736, epoch=0.0, loss=0.5844)),
        ("Train Epoch: 1 [2700/246000 (18%)]\tLoss: 0.000002", Progress(step=2700, total=246000, epoch=1.0, loss=2e-6)),
    ],
)  # fmt: skip
def test_progress_is_read_as_printed(line, expected):
    assert same(parse(clean(line.encode()).text), expected)


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
    found = find(
        builtin(), "{'train_runtime': '2219', 'train_steps_per_second': '0.185', 'train_loss': '0.72', 'epoch': '3'}"
    )
    assert found is not None
    assert merge(None, found.progress, weak=found.weak).loss == 0.72
    assert merge(Progress(step=5, loss=0.5), found.progress, weak=found.weak) == Progress(step=5, loss=0.5)
    assert merge(Progress(step=5), found.progress, weak=found.weak) == Progress(step=5, loss=0.72)


def test_a_line_that_has_not_ended_is_read_only_where_no_number_can_be_cut():
    assert find(builtin(), " 12%|█| 12/100 [00:20<16:58,", ended=False).progress.step == 12
    assert find(builtin(), "step 12/10", ended=False) is None
    assert find(builtin(), "{'loss': 2.04", ended=False) is None


def test_a_loss_joins_the_bar_beside_it():
    bar = parse(" 12%|█| 12/100 [00:20<16:58, 2.00s/it]")
    both = merge(bar, parse("{'loss': 2.5, 'epoch': 0.28}"))
    assert both == Progress(step=12, total=100, epoch=0.28, loss=2.5, throughput=0.5, framework="transformers")
    assert merge(both, parse(" 13%|█| 13/100 [00:22<16:58, 1.00s/it]")).loss == 2.5


def test_an_evaluation_within_training_does_not_displace_its_bar():
    training = Progress(step=500, total=1000, loss=0.5)
    assert merge(training, Progress(step=3, total=8)) == training
    assert merge(Progress(step=1000, total=1000), Progress(step=3, total=8)).total == 8
    assert merge(training, Progress(step=3, total=8, loss=0.1)).total == 8


def test_a_user_pattern_has_named_groups():
    pattern = own("mine", r"it=(?P<step>\d+)\|(?P<total>\d+) L(?P<loss>\S+) (?P<throughput>[\d.]+)sps")
    found = find([pattern, *builtin()], "it=3|90 L0.25 4.5sps")
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


@pytest.mark.parametrize(
    "seed",
    [
        "1/2 [",
        "{'",
        "{'loss': 1",
        "Epoch 1: 10% ",
        "loss",
        "step 1",
        "epoch 1 ",
        "[00:00<",
        "1/",
        "a/loss",
        "'train_runtime': ",
    ],
)
def test_a_hostile_record_takes_linear_time(seed):
    # Records are cut at 8 KiB; a quadratic pattern would still not get through these in the time that a test is given.
    text = (seed * (200_000 // len(seed) + 1))[:200_000]
    found = find(builtin(), text)
    assert found is None or found.progress is not None
