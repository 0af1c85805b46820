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
    assert block.told().facts == {"exception": "ValueError", "where": "train.py:20", "perhaps_caught": True}


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


def test_an_error_that_left_no_function_of_the_program_may_have_been_caught():
    block = Traceback(HEADER)
    fed(block, '  File "lib.py", line 20, in load\n    import triton\nImportError: no')
    assert block.told().facts["perhaps_caught"] is True


@pytest.mark.parametrize("outermost", ["<module>", "_run_module_as_main", "_bootstrap", "_wrap"])
def test_what_leaves_a_programs_or_workers_first_function_ends_it(outermost):
    block = Traceback(HEADER)
    fed(block, f'  File "x.py", line 20, in {outermost}\n    f()\n  File "y.py", line 1, in f\n    g()\nValueError: no')
    assert block.told().facts["uncaught"] is True


def test_words_with_a_colon_are_no_exception():
    block = Traceback(HEADER)
    steps = fed(block, '  File "a.py", line 1, in f\n    g()\nWARNING: x\nEpoch: 3\nINFO:root: y\nMyLib.x.Oops: no')
    assert steps == [Step.TAKEN, Step.TAKEN, Step.FOREIGN, Step.FOREIGN, Step.FOREIGN, Step.ENDED]


@pytest.mark.parametrize(
    "prefix", ["worker-1: ", "> ", "2026-01-05 10:00:00,123 ERROR train - ", "      ", "[1,0]<stderr>:"]
)
def test_what_stands_before_every_line_is_taken_off(prefix):
    block = Traceback(prefix + HEADER)
    lines = ['  File "a.py", line 1, in <module>', "    g()", "ValueError: no"]
    later = prefix.replace("123", "456")
    assert [block.take(later + line) for line in lines] == [Step.TAKEN, Step.TAKEN, Step.ENDED]
    assert (block.told().text, block.told().facts["uncaught"]) == ("ValueError: no", True)


def test_a_bar_before_the_header_is_no_prefix():
    bar = " 18%|█▊   | 507/2800 [15:41<1:10:59,  1.86s/it, avr_loss=0.134]"
    block = Traceback(bar + HEADER)
    assert fed(block, '  File "a.py", line 1, in f\n    g()\nValueError: no')[-1] is Step.ENDED


def test_a_box_of_rich_is_a_traceback():
    block = Traceback("╭───────── Traceback (most recent call last) ─────────╮")
    steps = fed(
        block,
        "│ /content/train.py:210 in <module>                  │\n"
        "│                                                    │\n"
        "│ ❱ 210 │   main()                                   │\n"
        "╰────────────────────────────────────────────────────╯\n"
        "ValueError: Unable to create tensor",
    )
    assert steps == [Step.TAKEN] * 4 + [Step.ENDED]
    assert block.told().facts == {"exception": "ValueError", "where": "/content/train.py:210", "uncaught": True}


def test_a_notebooks_traceback_ends_with_the_exception_that_its_header_names():
    block = Traceback("RuntimeError                              Traceback (most recent call last)")
    steps = fed(
        block,
        "<ipython-input-5-abc> in <module>\n"
        "----> 1 learn.fit(2)\n"
        "      2 other: 3\n"
        "KeyError: 'in the middle of the code that is shown'\n"
        "~/lib/fastai/train.py in fit(learn, epochs)\n"
        "---> 31     learn.fit(a)\n"
        "\n"
        "RuntimeError: CUDA error",
    )
    assert steps == [Step.TAKEN] * 7 + [Step.ENDED]
    assert (block.told().text, block.told().facts["uncaught"]) == ("RuntimeError: CUDA error", True)


def test_a_notebooks_traceback_that_was_cut_is_told_all_the_same():
    assert Traceback("XGBoostError        Traceback (most recent call last)").told().context


def test_a_traceback_may_begin_with_its_frames():
    block = Traceback('  File "a.py", line 1, in f')
    assert fed(block, "    g()\nRuntimeError: no")[-1] is Step.ENDED
    assert block.told().facts["where"] == "a.py:1"


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


def test_a_summary_without_its_root_cause_names_the_first_of_the_others():
    block = Summary("ChildFailedError:")
    fed(block, "\n".join(SUMMARY.splitlines()[:10]))
    told = block.told()
    assert told.text.startswith("ChildFailedError: train.py FAILED, rank 1 (local_rank: 1), exitcode -15 (pid 14751)")
    assert told.facts["cut"] is True


def test_a_summary_that_was_cut_says_so():
    block = Summary("ChildFailedError:")
    fed(block, "\n".join(SUMMARY.splitlines()[:4]))
    assert block.told().text == "ChildFailedError: train.py FAILED"
    assert block.told().facts == {"cut": True}
