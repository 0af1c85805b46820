"""What commands print: tables on terminals of any width, and outputs that take less than everything."""

import os
import subprocess
import sys

import pytest

from agent.cli import show

ID = "01a223d6-6886-7f00-bc6d-565a3007c11b"
HEADERS = ("BEGAN", "SEVERITY", "TITLE", "WHY", "ID")
ROW = ("2026-11-28 21:26:23", "critical", "Channel hook cannot deliver", "-", ID)


@pytest.fixture
def printed(monkeypatch, capsys):
    def _printed(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        show.table(HEADERS, [ROW])
        return capsys.readouterr().out

    return _printed


@pytest.mark.parametrize("columns", [20, 40, *range(68, 90), 200])
def test_no_word_is_lost_or_broken_on_any_terminal(printed, columns):
    assert set(" ".join(ROW[:3]).split()) | {ID} <= set(printed(columns).split())


def test_a_terminal_without_room_for_columns_gets_the_id_on_a_line_of_its_own(printed):
    assert printed(40) == f"2026-11-28 21:26:23  critical  Channel hook cannot deliver\n  {ID}\n"


def test_a_wide_terminal_gets_one_line_a_row(printed):
    assert len(printed(200).splitlines()) == 2


@pytest.mark.parametrize(("output", "code", "told"), [
    ("&-", 0, ""),
    ("/dev/full", 1, "gpuwarden: the output cannot be written: No space left on device\n"),
])  # fmt: skip
def test_an_output_that_takes_nothing_leaves_no_traceback(tmp_path, output, code, told):
    log = tmp_path / "run.log"
    log.write_text("torch.OutOfMemoryError: CUDA out of memory.\n")
    command = f'exec "{sys.executable}" -m agent scan "{log}" >{output}'
    result = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (code, told)


def test_an_output_without_emoji_shows_a_question_mark():
    command = [sys.executable, "-m", "agent", "test", "console"]
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "? Training failed  [critical]" in result.stdout
