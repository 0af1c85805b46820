"""Where output goes, by the links in `/proc/PID/fd`."""

import pytest

from agent.core.outputs import Output, output, unread_pipe


def test_files_and_pipes():
    assert output("/data/run.log") == Output(path="/data/run.log")
    assert output("/dev/shm/run.log") == Output(path="/dev/shm/run.log")
    assert output("pipe:[4711]") == Output(pipe=4711)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/dev/null", "is thrown away (/dev/null): start it with `> train.log 2>&1`, or with `| tee train.log`"),
        ("/dev/pts/3", "goes to a terminal (/dev/pts/3), which only its reader sees: start it with"),
        ("/dev/tty1", "goes to a terminal (/dev/tty1)"),
        ("/dev/nvidia0", "goes to /dev/nvidia0, which is no file"),
        ("socket:[8]", "goes to a socket, such as that of the journal: let its unit write a file"),
        ("anon_inode:[eventfd]", "goes to anon_inode:[eventfd], which is no file"),
        ("/data/run.log (deleted)", "goes to /data/run.log, which was deleted: it is lost with the end"),
        ("/data/run.log.gz", "goes to /data/run.log.gz, which is compressed"),
    ],
)
def test_what_cannot_be_read(target, why):
    found = output(target)
    assert (found.path, found.pipe) == (None, None)
    assert found.trouble.startswith(why)


def test_a_pipe_that_ends_in_no_file():
    assert unread_pipe("grep (pid 7)").startswith("goes through a pipe to grep (pid 7), which writes no file: start it")
    assert unread_pipe(None).startswith("goes through a pipe to a program that is not seen: start it")
