import pytest

from agent.core.block import LINES_AT_MOST, NOISE_AT_MOST, Step
from agent.core.elastic import Summary
from agent.core.tracebacks import Traceback

HEADER = "Traceback (most recent call last):"


def fed(block, text):
    return [block.take(line) for line in text.splitlines()]


def test_a_traceback_ends_with_its_exception():
    block = Traceback(HEADER)
    steps = fed(
        block,
        '  File "train.py", line 30, in <module>\n'
        "    main()\n"
        '  File "train.py", line 20, in main\n'
        "    step(model, batch)\n"
        "    ~~~~^^^^^^^^^^^^^^\n"
        '  File "/lib/torch/nn.py", line 7, in step\n'
        "    return x @ y\n"
        "torch.OutOfMemoryError: CUDA out of memory.",
    )
    assert steps == [Step.TAKEN] * 7 + [Step.ENDED]
    told = block.told()
    assert told.text == "torch.OutOfMemoryError: CUDA out of memory."
    assert told.context == (
        'File "train.py", line 20, in main',
        "  step(model, batch)",
        'File "/lib/torch/nn.py", line 7, in step',
        "  return x @ y",
        "torch.OutOfMemoryError: CUDA out of memory.",
    )
    assert told.facts == {"exception": "torch.OutOfMemoryError", "where": "/lib/torch/nn.py:7", "uncaught": True}


def test_a_traceback_that_begins_within_a_function_may_have_been_caught():
    block = Traceback(HEADER)
    fed(block, '  File "train.py", line 20, in main\n    step()\nValueError: no')
    assert "uncaught" not in block.told().facts


def test_an_exception_in_a_thread_does_not_end_the_program():
    block = Traceback("Exception in thread Thread-3 (_pin_memory_loop):")
    steps = fed(block, f'{HEADER}\n  File "threading.py", line 9, in <module>\n    run()\nOSError: no')
    assert steps == [Step.TAKEN] * 3 + [Step.ENDED]
    assert "uncaught" not in block.told().facts


@pytest.mark.parametrize(
    "exception",
    [
        "KeyboardInterrupt",
        "AssertionError",
        "Exception: ",
        "subprocess.CalledProcessError: Command '['x']' failed",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate",
        "zmq.error.Again: x",
        "socket.timeout: timed out",
        "torch._dynamo.exc.Unsupported: call_function",
    ],
)
def test_exceptions_are_known_by_their_shape(exception):
    block = Traceback(HEADER)
    assert fed(block, f'  File "a.py", line 1, in f\n    g()\n{exception}')[-1] is Step.ENDED


def test_frames_whose_margin_was_lost_are_frames_still():
    block = Traceback(HEADER)
    steps = fed(
        block,
        'File "a.py", line 1, in save\n_save(obj, file)\nFile "a.py", line 2, in _save\nwrite(x)\nRuntimeError: no',
    )
    assert steps[-1] is Step.ENDED
    assert block.told().context[1] == "  _save(obj, file)"


def test_bars_and_other_writers_may_stand_between():
    block = Traceback(HEADER)
    steps = fed(
        block,
        '  File "a.py", line 1, in f\n    g()\n 12%|█| 12/100 [00:20<16:58, 2.00s/it]\nINFO loading\nRuntimeError: no',
    )
    assert steps == [Step.TAKEN, Step.TAKEN, Step.FOREIGN, Step.FOREIGN, Step.ENDED]


def test_a_traceback_that_never_ends_is_cut():
    block = Traceback(HEADER)
    fed(block, '  File "a.py", line 1, in f\n    g()')
    assert [block.take("other text goes on") for _ in range(NOISE_AT_MOST + 1)][-1] is Step.CUT
    block = Traceback(HEADER)
    assert [block.take(f'  File "a.py", line {n}, in f') for n in range(LINES_AT_MOST)].count(
        Step.TAKEN
    ) == LINES_AT_MOST
    assert block.take("    g()") is Step.CUT
    assert len(block.told().context) == 2


def test_a_second_traceback_cuts_the_first():
    block = Traceback(HEADER)
    assert fed(block, f'  File "a.py", line 1, in f\n    g()\n{HEADER}')[-1] is Step.CUT


SUMMARY = """============================================================
train.py FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2025-05-21_15:43:05
  host      : node-1
  rank      : 1 (local_rank: 1)
  exitcode  : -15 (pid: 14751)
  error_file: <N/A>
  traceback : Signal 15 (SIGTERM) received by PID 14751
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2025-05-21_15:43:03
  host      : node-1
  rank      : 0 (local_rank: 0)
  exitcode  : -9 (pid: 14750)
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID 14750
============================================================"""


def test_the_summary_of_torchrun_names_the_first_to_fail():
    block = Summary("torch.distributed.elastic.multiprocessing.errors.ChildFailedError:")
    steps = fed(block, SUMMARY)
    assert steps[-1] is Step.ENDED
    assert set(steps[:-1]) == {Step.TAKEN}
    told = block.told()
    assert told.text == (
        "ChildFailedError: train.py FAILED, rank 0 (local_rank: 0), exitcode -9 (pid 14750), "
        "Signal 9 (SIGKILL) received by PID 14750"
    )
    assert told.facts == {"host": "node-1", "time": "2025-05-21_15:43:03"}


def test_a_recorded_traceback_in_the_summary_gives_its_last_line():
    block = Summary("ChildFailedError:")
    text = SUMMARY.replace(
        "  traceback : Signal 9 (SIGKILL) received by PID 14750",
        '  traceback : Traceback (most recent call last):\n    File "train.py", line 3, in main\n      f()\n'
        "  ValueError: no such file\n  ",
    )
    assert fed(block, text)[-1] is Step.ENDED
    assert block.told().text.endswith("exitcode -9 (pid 14750), ValueError: no such file")


def test_the_older_form_of_the_summary_is_read_too():
    block = Summary("ChildFailedError:")
    steps = fed(
        block,
        "***************************************\n            train.py FAILED            \n"
        "=======================================\nRoot Cause:\n[0]:\n  time: 2021-07-01_00:00:00\n"
        "  rank: 0 (local_rank: 0)\n  exitcode: 1 (pid: 1234)\n  error_file: <N/A>\n"
        '  msg: "Process failed with exitcode 1"\n=======================================',
    )
    assert steps[-1] is Step.ENDED
    assert block.told().text.startswith(
        "ChildFailedError: train.py FAILED, rank 0 (local_rank: 0), exitcode 1 (pid 1234)"
    )


def test_a_summary_that_was_cut_says_so():
    block = Summary("ChildFailedError:")
    fed(block, "\n".join(SUMMARY.splitlines()[:4]))
    assert block.told().text == "ChildFailedError: train.py FAILED"
    assert block.told().facts == {"cut": True}
