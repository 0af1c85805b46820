"""What names of files tell of them."""

import pytest

from agent.core.log_names import is_rotation_of, looks_like_log


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("a.log.1", "a.log", True),
        ("a.log.12.gz", "a.log", True),
        ("a.log-20261122", "a.log", True),
        ("a.log-2026-11-22", "a.log", True),
        ("a.log.2026-11-22_10-30-00", "a.log", True),
        ("a.log-20261122-103000.xz", "a.log", True),
        ("a-20261122.log", "a.log", True),
        ("a.log.old", "a.log", True),
        ("a-1.log", "a.log", False),
        ("a_2.log", "a.log", False),
        ("a.log", "a.log", False),
        ("a.logger", "a.log", False),
        ("b.log.1", "a.log", False),
        ("run-20261122", "run", True),
    ],
)
def test_names_of_rotations(name, base, expected):
    assert is_rotation_of(name, base) is expected


@pytest.mark.parametrize(
    "path",
    [
        "/data/run.log", "/data/train_log", "/data/log.txt", "/data/job.7.out", "/data/slurm-7.err",
        "/x/attempt_0/0/stdout.log", "/data/train-2026-11-22.log", "/data/LOG", "/data/run.log.rank3", "/logs/stderr",
    ],
)  # fmt: skip
def test_names_of_logs(path):
    assert looks_like_log(path)


@pytest.mark.parametrize(
    "path",
    [
        "/data/run.log.gz", "/data/run.log.1", "/data/run.log-20261122", "/data/run.log.old", "/data/catalog.bin",
        "/logs/model.pt", "/logs/events.out.tfevents.1700000000.host", "/x/wandb/run-1/logs/debug.log",
        "/data/logger.py", "/data/train.txt", "/data/trainer_log.jsonl", "/data/blog.html",
    ],
)  # fmt: skip
def test_names_of_other_files(path):
    assert not looks_like_log(path)
