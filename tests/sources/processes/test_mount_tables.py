"""Where files of other namespaces lie for the agent."""

import os

import pytest

from agent.sources.processes import open_files
from agent.sources.processes.mount_tables import MountPoint, MountTables, parse, path_here

TABLE = rb"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 22 254:1 /sub /data\040disk rw - ext4 /dev/vdb rw
x
"""
DISK = MountPoint("8:1", "/", "/")


def test_a_table_is_read():
    assert parse(TABLE) == {22: MountPoint("254:0", "/", "/"), 31: MountPoint("254:1", "/sub", "/data disk")}


@pytest.mark.parametrize(
    ("path", "there", "own", "here"),
    [
        # the same disk in a namespace that systemd made for the agent
        ("/home/a/run.log", DISK, [DISK], "/home/a/run.log"),
        # a folder that was handed into a container
        ("/runs/a.log", MountPoint("8:1", "/data/runs", "/runs"), [DISK], "/data/runs/a.log"),
        ("/r/a.log", MountPoint("8:2", "/runs", "/r"), [DISK, MountPoint("8:2", "/", "/data")], "/data/runs/a.log"),
        # the container's own root
        ("/tmp/a.log", MountPoint("0:50", "/", "/"), [DISK], None),
        ("/tmp/a.log", MountPoint("0:50", "/", "/"), [DISK, MountPoint("0:50", "/", "/lib/merged")],
         "/lib/merged/tmp/a.log"),
        # another part of the disk is mounted for the agent
        ("/runs/a.log", MountPoint("8:1", "/data/runs", "/runs"), [MountPoint("8:1", "/home", "/home")], None),
        # something else is mounted over it
        ("/runs/a.log", MountPoint("8:1", "/data/runs", "/runs"), [DISK, MountPoint("0:9", "/", "/data")], None),
    ],
)  # fmt: skip
def test_files_are_found_by_device_and_place(path, there, own, here):
    assert path_here(path, there, own) == here


def test_a_file_of_our_own_lies_where_it_lies(tmp_path):
    with (tmp_path / "a.log").open("w") as file:
        info = open_files.info(os.getpid(), file.fileno())
    assert MountTables().path_here(os.getpid(), info.mount, "/any", 0.0) == "/any"


def test_a_mount_that_nobody_knows_is_out_of_reach():
    assert MountTables().path_here(os.getpid(), 2**30, "/any", 0.0) is None
