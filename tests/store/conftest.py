import os
import subprocess

import pytest

from agent.store.database import Database


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gpuwarden.db"


@pytest.fixture
def db(path):
    with Database.open(path, create=True) as database:
        yield database


@pytest.fixture
def conn(db):
    """The bare connection, for functions that take one; every statement is a transaction of its own."""
    return db._conn


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of the size asked for (in KiB) and return its folder."""
    mounted = []

    def mount(kib):
        if os.geteuid() != 0:
            pytest.skip("only root can mount a file system to fill")
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], capture_output=True, text=True
        )
        if done.returncode != 0:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)
