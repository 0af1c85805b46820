import pytest

from agent.core.text import CUT, cut, duration, loss, paragraph, size, steps, strip_controls, tail_lines, utf8, utf16


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain\ttext\nline", "plain\ttext\nline"),
        ("a\x00b\x07c\x1fd\x7fe\x9bf", "abcdef"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("half an escape \x1b[31", "half an escape [31"),
        ("evil\u202egnp.exe\u2066x\u200f", "evilgnp.exex"),
        ("lone \ud83d surrogate \udc00", "lone \ufffd surrogate \ufffd"),
        ("损失 📉 stays", "损失 📉 stays"),
    ],
)
def test_strips_what_a_terminal_would_obey(text, clean):
    assert strip_controls(text) == clean


@pytest.mark.parametrize(
    ("measure", "length"), [(len, 6), (utf8, 15), (utf16, 8)], ids=["characters", "utf8", "utf16"]
)
def test_measures_in_the_unit_of_the_channel(measure, length):
    assert measure("aé📉损📉z") == length


@pytest.mark.parametrize("measure", [len, utf8, utf16])
@pytest.mark.parametrize("limit", [20, 21, 22, 23, 50])
def test_a_cut_text_fits_is_marked_and_stays_a_text(measure, limit):
    short = cut("aé📉损" * 100, limit, measure=measure)
    assert measure(short) <= limit
    assert short.endswith(CUT)
    assert "\ufffd" not in short
    assert measure(short) > limit - 4 - measure("📉")


def test_a_text_that_fits_is_left_alone():
    assert cut("x" * 30, 30) == "x" * 30


def test_a_limit_too_small_for_the_mark_is_kept_all_the_same():
    assert cut("abcdefgh", 3) == "abc"


def test_cutting_by_the_escaped_length_never_splits_an_escape():
    def escaped(text):
        return len(text.replace("&", "&amp;"))

    short = cut("&" * 100, 52, measure=escaped)
    assert escaped(short) <= 52
    assert short == "&" * 9 + CUT


def test_the_tail_of_a_traceback_is_kept():
    lines = [f"line {number}" for number in range(1, 101)]
    kept = tail_lines(lines, 2_000, most=20)
    assert kept[0] == "… (80 lines cut)"
    assert kept[1:] == tuple(lines[80:])


def test_the_tail_keeps_to_its_limit_of_characters():
    lines = ["x" * 90] * 20
    kept = tail_lines(lines, 500)
    assert len("\n".join(kept)) <= 500
    assert kept[0] == "… (15 lines cut)"
    assert len(kept) == 6


def test_few_lines_are_left_alone():
    assert tail_lines(["a", "b"], 100) == ("a", "b")
    assert tail_lines([], 100) == ()


def test_a_last_line_beyond_the_limit_is_cut_at_its_end():
    assert tail_lines(["first", "RuntimeError: " + "x" * 500], 40) == ("RuntimeError: " + "x" * 19 + CUT,)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0s"), (45_400, "45s"), (59_999, "59s"), (60_000, "1m 00s"), (727_000, "12m 07s"),
        (7_500_000, "2h 05m"), (86_399_000, "23h 59m"), (273_600_000, "3d 04h"), (-5, "0s"),
    ],
)  # fmt: skip
def test_durations_have_two_units(milliseconds, text):
    assert duration(milliseconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0213456, "0.02135"), (2.0, "2"), (11.93, "11.93"), (1.5e-7, "1.5e-07"), (float("nan"), "nan")],
)
def test_losses_have_four_digits(value, text):
    assert loss(value) == text


def test_steps_name_the_total_where_it_is_known():
    assert steps(5000, 5000) == "5000/5000"
    assert steps(0, None) == "0"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (84_987_740_160, "79.2 GiB"), (1 << 60, "1024.0 PiB")],
)
def test_sizes_use_binary_units(count, text):
    assert size(count) == text


def test_a_paragraph_ends_what_somebody_left_without_an_end():
    assert paragraph("NODE_FAIL", "Happened 16:43 (told late).") == "NODE_FAIL. Happened 16:43 (told late)."
    assert paragraph("Is it over?", "no") == "Is it over? no"
    assert paragraph() == ""
