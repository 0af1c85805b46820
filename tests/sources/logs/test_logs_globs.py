import pytest

from agent.sources.logs import globs
from agent.sources.logs.globs import Walk, fixed_folder, is_pattern
from agent.sources.mounts import Reach


def walk_of(pattern):
    return Walk(pattern, Reach())


@pytest.fixture
def tree(tmp_path):
    runs = ("run-1/train.log", "run-1/deep/train.log", "run-2/train.log")
    for name in ("a.log", "b.txt", *runs, ".hidden/x.log", ".y.log"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.log", ["a.log"]),
        ("*.log", ["a.log"]),
        ("run-?/train.log", ["run-1/train.log", "run-2/train.log"]),
        ("run-[2-9]/*", ["run-2/train.log"]),
        ("**/train.log", ["run-1/deep/train.log", "run-1/train.log", "run-2/train.log"]),
        ("**/*.log", ["a.log", "run-1/deep/train.log", "run-1/train.log", "run-2/train.log"]),
        ("run-1/**/train.log", ["run-1/deep/train.log", "run-1/train.log"]),
        (".*.log", [".y.log"]),
        (".hidden/*.log", [".hidden/x.log"]),
        ("nothing/*.log", []),
        ("a.log/*.log", []),
    ],
)
def test_patterns_name_files(tree, pattern, names):
    found = walk_of(str(tree / pattern)).files
    assert sorted(path for path in found if not (tree / path).is_dir()) == sorted(str(tree / name) for name in names)


def test_two_stars_do_not_walk_through_links(tree):
    (tree / "run-1" / "loop").symlink_to(tree)
    assert sorted(walk_of(str(tree / "**" / "train.log")).files) == sorted(
        str(tree / name) for name in ("run-1/deep/train.log", "run-1/train.log", "run-2/train.log")
    )


def test_a_link_may_be_named(tree):
    (tree / "latest").symlink_to(tree / "run-2")
    assert walk_of(str(tree / "lat*" / "train.log")).files == (str(tree / "latest" / "train.log"),)


def test_folders_where_files_may_come_are_told(tree):
    found = walk_of(str(tree / "run-*" / "train.log")).folders
    assert found == [str(tree), str(tree / "run-1"), str(tree / "run-2")]
    assert walk_of(str(tree / "run-1" / "*.log")).folders == [str(tree / "run-1")]


def test_a_walk_over_too_much_is_cut_and_says_so(tree, monkeypatch):
    monkeypatch.setattr(globs, "ENTRIES_AT_MOST", 3)
    walk = walk_of(str(tree / "**" / "*.log"))
    assert walk.cut
    assert len(walk.files) < 4


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [("/data/runs/*/train.log", "/data/runs"), ("/data/**/x.log", "/data"), ("/data/a.log", "/data"), ("/*.log", "/")],
)
def test_the_folder_that_a_pattern_names_outright(pattern, folder):
    assert fixed_folder(pattern) == folder


def test_what_a_pattern_is():
    assert is_pattern("/data/*.log")
    assert is_pattern("/data/[ab].log")
    assert not is_pattern("/data/a.log")
