"""Line numbers of keys in TOML texts."""

import tomllib

import pytest

from agent.config.lines import key_lines, line_of

TEXT = '''# a = 1
top.dotted = 1
"quoted.key" = """
not = "a key"
[nor.a.table]
\\""" # still text
"""
[plain."with space"] # comment = 1
list = [ 1, # ] not the end
  "]", { inner = 2 },
]
inline = { a = { b = "=" }, c = "[x]" }
[[jobs.job]]
name = 'C:\\'
[jobs.job.sub]
deep = 1979-05-27T07:32:00Z
[[jobs.job]]
name = "second" # the last
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top", "dotted"), 2),
        (("quoted.key",), 3),
        (("plain", "with space"), 8),
        (("plain", "with space", "list"), 9),
        (("plain", "with space", "inline"), 12),
        (("jobs", "job", 0), 13),
        (("jobs", "job", 0, "name"), 14),
        (("jobs", "job", 0, "sub", "deep"), 16),
        (("jobs", "job", 1), 17),
        (("jobs", "job", 1, "name"), 18),
    ],
)
def test_every_statement_is_found(path, line):
    tomllib.loads(TEXT)
    assert key_lines(TEXT)[path] == line


def test_nothing_else_is_found():
    assert len(key_lines(TEXT)) == 13


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("plain", "with space", "inline", "a", "b"), 12),
        (("jobs", "job", 1, "missing"), 17),
        (("unknown", "key"), None),
    ],
)
def test_a_key_without_a_line_of_its_own_is_where_its_table_is(path, line):
    assert line_of(key_lines(TEXT), path) == line


def test_windows_line_ends_and_a_missing_last_one():
    assert key_lines("a = 1\r\n[b]\r\nc = 2") == {("a",): 1, ("b",): 2, ("b", "c"): 3}
