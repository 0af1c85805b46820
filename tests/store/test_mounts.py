from pathlib import PurePath

import pytest

from agent.store.mounts import warning

MOUNTS = r"""
/dev/sda1 / ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/fast xfs rw 0 0
overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0
//server/share /mnt/two\040words cifs rw 0 0
server:/old /mnt/twice nfs rw 0 0
/dev/sdc1 /mnt/twice ext4 rw 0 0
user@server: /mnt/ssh fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/var/lib/gpuwarden", None),
        ("/home/ada/state", "network file system (nfs4)"),
        ("/home/fast/state", None),
        ("/homely", None),
        ("/run/state", "next start of the machine"),
        ("/var/lib/docker/overlay2/x/merged/state", "goes with the container"),
        ("/mnt/two words/state", "network file system (cifs)"),
        ("/mnt/twice", None),
        ("/mnt/ssh/a/b", "network file system (fuse.sshfs)"),
    ],
)
def test_the_nearest_mount_decides(path, word):
    text = warning(PurePath(path), MOUNTS)
    assert (text is None) if word is None else (word in text and path in text)


def test_without_a_table_nothing_is_said():
    assert warning(PurePath("/x"), "") is None
