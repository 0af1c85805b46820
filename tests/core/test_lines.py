import json
from datetime import UTC, timedelta, timezone

import pytest

from agent.core.lines import clean, plain, stamp, unfolded


@pytest.mark.parametrize(
    ("record", "text", "rank", "source"),
    [
        (b"plain text", "plain text", None, ""),
        (b"[rank3]: Traceback", "Traceback", 3, "[rank3]:"),
        (b'[rank1]:   File "a.py"', '  File "a.py"', 1, "[rank1]:"),
        (b"[default7]: iteration 4", "iteration 4", 7, "[default7]:"),
        (b"[trainer0|0]:1|83|Loss", "1|83|Loss", None, "[trainer0|0]:"),
        (b"(WorkerDict pid=25555, ip=10.0.0.1) Rank 6", "Rank 6", None, "(WorkerDict pid=25555, ip=10.0.0.1)"),
        (b"rank:  3 | 2024-01-01 00:00:00,123 CRITICAL | boom", "boom", 3, ""),
        (b"stderr: boom", "boom", None, ""),
        (b"2024-05-01T10:00:00.1234567Z stdout F boom", "boom", None, ""),
        (b"Nov 22 02:28:18 node1 train[123]: boom", "boom", None, ""),
        (b"I0811 21:54:55.531340 1383 file.py:226] step", "step", None, ""),
        (b"2024-05-01T10:00:00Z [rank2]: boom", "boom", 2, "[rank2]:"),
        (b"\x1b[31m[rank0]:\x1b[0m \x1b[1mboom\x1b[0m", "boom", 0, "[rank0]:"),
    ],
)
def test_prefixes_are_taken_off_and_rank_and_writer_kept(record, text, rank, source):
    line = clean(record)
    assert (line.text, line.rank, line.source) == (text, rank, source)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (b"\x1b[1;35mred\x1b[0m \x1b]0;title\x07plain", "red plain"),
        (b"ab\x00c\x07d\x7f", "abcd"),
        (b"a\tb", "a b"),
        (b"\xff\xfe caf\xc3\xa9", "\ufffd\ufffd café"),
        (b"12/100" + b"\b" * 6 + b"13/100", "13/100"),
        (b"abc\b\b\b\b\b", ""),
        (b"ends in an escape \x1b", "ends in an escape "),
    ],
)
def test_what_only_moves_or_colours_the_cursor_is_dropped(record, text):
    assert plain(record) == text


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (rb'{"log":"Killed\n","stream":"stderr","time":"2024-01-01T00:00:00.1Z"}', "Killed"),
        (rb'{"log":"  File \"a.py\", line 3, in f\n","stream":"stderr","time":"1"}', '  File "a.py", line 3, in f'),
        (rb'{"log":"\r 9/9 [00:01\u003c00:01]\r 10/99 [00:02\u003c00:09]","stream":"stderr"}', " 10/99 [00:02<00:09]"),
        (rb'{"log":"[rank3]: \u001b[31mboom\u001b[0m\n","stream":"stderr"}', "boom"),
        (rb'{"log":"\n","stream":"stdout"}', ""),
        (rb'{"log":"cut', '{"log":"cut'),
        (rb'{"log":"a line of a program\u0027s own","loss":1}', '{"log":"a line of a program\\u0027s own","loss":1}'),
        (rb'{"log":7,"stream":"stdout"}', '{"log":7,"stream":"stdout"}'),
        (b'{"log":' + b"[" * 8_000, '{"log":' + "[" * 8_000),
    ],
)
def test_what_a_program_wrote_is_taken_out_of_a_record_of_docker(record, text):
    assert clean(record).text == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-06-16T22:31:04Z boom", 1_750_113_064_000),
        ("2025-06-16 22:31:04,970 - root - INFO", 1_750_113_064_970),
        ("[2025-06-16 22:31:04.123456] boom", 1_750_113_064_123),
        ("  time      : 2025-06-16_22:31:04", 1_750_113_064_000),
        ("2025-06-16 22:31:04+02:00 boom", 1_750_105_864_000),
        ("no time", None),
        ("2025-13-40 22:31:04 boom", None),
        ("x" * 100 + "2025-06-16 22:31:04", None),
    ],
)
def test_a_line_tells_when_it_was_written(text, moment):
    assert stamp(text, UTC) == moment


def test_a_time_without_an_offset_is_read_in_the_zone_given():
    two = timezone(timedelta(hours=2))
    assert stamp("2025-06-16 22:31:04", two) == 1_750_105_864_000


@pytest.mark.parametrize("unit", [b"\x1b[", b"\x1b]", b"a\b", b"[rank1]: ", b"(A pid=1) ", b"2024-01-01", b"\xe2\x96"])
def test_a_hostile_record_takes_linear_time(unit):
    record = unit * (1_000_000 // len(unit))
    assert len(clean(record).text) <= len(record)


@pytest.mark.parametrize("dump", [json.dumps, lambda text: json.dumps({"log": json.dumps({"msg": text})}), repr])
def test_a_traceback_in_one_record_is_unfolded(dump):
    lines = ["Traceback (most recent call last):", '  File "a.py", line 1, in <module>', "    f()", "ValueError: no"]
    found = unfolded(dump("\n".join(lines)))
    assert found[1:3] == lines[1:3]
    assert found[0].endswith(lines[0])
    assert found[3].rstrip("'\"") == lines[3]


@pytest.mark.parametrize("text", ["", "a\\nb", '{"msg": "a\\nb"}', 'File "C:\\new\\a.py", line 3, in f'])
def test_any_other_record_is_not_unfolded(text):
    assert unfolded(text) == [text]


def test_a_piece_of_a_long_record_of_docker_ends_with_its_last_whole_bar():
    bars = " 12%|█ | 12/100 [00:12\\u003c01:00]\\r 13%|█ | 13/1"
    assert clean(f'{bars}","stream":"stderr","time":"x"}}'.encode()).text == " 12%|█ | 12/100 [00:12<01:00]"


def test_the_rest_of_a_torn_bar_shows_nothing():
    assert clean(b'{"log":"43/1000 [01:00\\u003c09:10]\\n","stream":"stderr","time":"x"}').text == ""
