from agent.core.facts import Activity
from tests.sources.logs.scanning import scanner

BAR = b"\r  2%|2         | 20/1000 [00:04<03:16,  2.00s/it]"


def activity(*pieces):
    log = scanner()
    for piece in pieces:
        log.feed(piece)
    log.settle(blocks=True)
    return log.activity


def test_a_log_that_tells_nothing_has_no_activity():
    assert activity(b"hello\n") is None


def test_the_newest_telling_record_counts():
    assert activity(b"Loading checkpoint shards:  57% 4/7 [00:40<00:29,  9.96s/it]\r") is Activity.PREPARING
    assert activity(b"Loading checkpoint shards:  57% 4/7 [00:40<00:29,  9.96s/it]\r", BAR) is Activity.TRAINING
    assert activity(BAR, b"\n***** Running Evaluation *****\n  Num examples = 8\n") is Activity.EVALUATING
    assert activity(BAR, b"Saving model checkpoint to out/checkpoint-20\n") is Activity.SAVING
    saved = b"\nsaving checkpoint at iteration 20 to out\nsuccessfully saved checkpoint\n"
    assert activity(BAR, saved) is Activity.TRAINING
    assert activity(BAR, b"\nwords\n" * 3) is Activity.TRAINING


def test_a_smaller_bar_amid_training_is_an_evaluation():
    assert activity(BAR, b"\r 50%|#####     | 4/8 [00:01<00:01,  2.00it/s]") is Activity.EVALUATING


def test_a_reading_tells_since_when_and_a_checkpoint_keeps_it(watches, tmp_path):
    log = tmp_path / "train.log"
    log.write_bytes(BAR)
    watch = watches(log)
    first = watch.look().logs[0]
    assert first.activity is Activity.TRAINING
    assert first.activity_at == first.grown_at == watch.clock.now().wall
    watch.settle()
    with log.open("ab") as file:
        file.write(b"Saving model checkpoint to out/checkpoint-20\n")
    later = watch.look(30.0).logs[0]
    assert (later.activity, later.activity_at) == (Activity.SAVING, watch.clock.now().wall)
    watch.settle()
    assert watch.logs[str(log)].activity_at == later.activity_at
    again = watch.kill().look(60.0).logs[0]
    assert (again.activity, again.activity_at, again.grown_at) == (Activity.SAVING, later.activity_at, later.grown_at)
