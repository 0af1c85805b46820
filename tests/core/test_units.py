import pytest

from agent.core.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("15m", 900), ("2h", 7_200), ("3d", 259_200), ("1w", 604_800), ("250ms", 0.25), (" 1.5 h ", 5_400),
     (0, 0), (2.5, 2.5)],
)
def test_durations_are_read_as_people_type_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value", ["", "5", "m", "-1s", "1d12h", "1 fortnight", "5M", -1, float("nan"), float("inf"), True, None]
)
def test_what_is_no_duration_is_refused_with_what_was_expected(value):
    with pytest.raises(ValueError, match=r"is no duration: expected .*"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("10GiB", 10 << 30), ("8KiB", 8192), ("512MiB", 512 << 20), ("1GB", 10**9), ("1.5 KiB", 1536), ("7", 7), ("0B", 0),
     ("896.00 MiB", 896 << 20), (8192, 8192)],
)
def test_sizes_are_read_as_people_type_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("value", ["", "GiB", "-1KiB", "1 gib", "1e3", -1, 1.5, False, None])
def test_what_is_no_size_is_refused_with_what_was_expected(value):
    with pytest.raises(ValueError, match=r"is no size: expected .*"):
        parse_size(value)
