"""Single looks at a process: what it runs, and what it holds open."""

import os
import subprocess
import sys

import pytest

from agent.core.programs import Kind
from agent.sources import proc
from agent.sources.processes import close_look, open_files
from agent.sources.processes.holdings import ASK_EVERY, YOUNG, Holdings
from agent.sources.processes.open_files import FileInfo

WAITING = "import sys\nprint('ready', flush=True)\nsys.stdin.readline()\n"


@pytest.fixture
def script(tmp_path):
    """A script that waits, with a rank and a secret in its environment."""
    (tmp_path / "train.py").write_text(WAITING)
    environ = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "API_KEY": "secret", "MASTER_PORT": "7"}
    with subprocess.Popen(
        [sys.executable, tmp_path / "train.py", "--token", "secret", "--model_name", "org/m"], env=environ,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_close_look_keeps_names_and_ranks_and_nothing_else(script):
    close = close_look.look(script, proc.stat(script))
    member = close.member
    assert (member.pid, member.parent, member.uid) == (script, os.getpid(), os.getuid())
    assert (member.program.kind, member.program.name, member.program.model) == (Kind.TRAINER, "train.py", "m")
    assert (member.place.rank, member.place.size, member.place.group) == (1, 4, "ranks::7:4")
    assert member.inner_pid is None
    assert close.words[-2:] == ("--model_name", "org/m")
    assert "secret" not in repr(member)


def test_who_has_gone_cannot_be_looked_at(script):
    stat = proc.stat(script)
    with pytest.raises(close_look.Gone):
        close_look.look(2**22 + 1, stat)


def test_arguments_keep_empty_ones_and_end_where_they_end():
    with subprocess.Popen([sys.executable, "-c", WAITING, "", "a b", ""], stdin=-1, stdout=-1) as process:
        process.stdout.readline()
        assert proc.arguments(process.pid)[3:] == ("", "a b")
        process.kill()


def test_links_and_how_files_are_open(tmp_path):
    with (tmp_path / "a").open("a") as appends, (tmp_path / "a").open() as reads, (tmp_path / "b").open("w") as writes:
        appends.write("12345")
        appends.flush()
        links = open_files.links(os.getpid())
        assert [links[file.fileno()] for file in (appends, writes)] == [str(tmp_path / name) for name in "ab"]
        info = {name: open_files.info(os.getpid(), file.fileno()) for name, file in
                {"appends": appends, "reads": reads, "writes": writes}.items()}  # fmt: skip
    assert {name: (item.reads, item.writes, item.appends) for name, item in info.items()} == {
        "appends": (False, True, True), "reads": (True, False, False), "writes": (False, True, False)
    }  # fmt: skip
    assert info["appends"].position == 5
    assert info["appends"].mount == info["reads"].mount > 0


def test_what_is_not_there_has_no_files():
    assert open_files.links(2**22 + 1) is None
    assert open_files.info(os.getpid(), 10**6) is None


@pytest.mark.parametrize(
    ("targets", "may_draw", "holds"),
    [
        (["/dev/nvidia0", "/dev/nvidiactl"], False, False),
        (["/dev/nvidia0", "/dev/nvidia-uvm"], True, True),
        (["/dev/kfd"], True, True),
        (["/dev/dri/renderD128"], True, False),
        (["/dev/dri/renderD128"], False, True),
        (["/dev/accel/accel0"], True, True),
        (["/dev/null", "/data/nvidia-uvm"], False, False),
    ],
)
def test_which_devices_show_that_a_gpu_computes(targets, may_draw, holds):
    assert open_files.holds_gpu(targets, may_draw=may_draw) is holds


def test_the_jobs_of_ray_are_told_by_their_logs():
    worker = "/tmp/ray/session_1/logs/worker-4ab12f-0a000000-77.out"
    driver = "/tmp/ray/session_1/logs/python-core-driver-0a000000ffffffffffffffffffffffffffffffffffffffffffffffff_9.log"
    assert open_files.ray_job(["/dev/null", worker]) == open_files.ray_job([driver]) == "0a000000"
    assert open_files.ray_job(["/data/logs/worker.out"]) is None


def test_holdings_are_asked_often_at_first_and_then_seldom(monkeypatch):
    asked, key = [], (7, 1)
    monkeypatch.setattr(open_files, "links", lambda pid: asked.append(pid) or {1: f"/log{len(asked)}"})
    holdings = Holdings()
    for second in (0, 5, YOUNG - 1, YOUNG + 1, YOUNG + 6, YOUNG + ASK_EVERY):
        holdings.begin(second, [key])
        holdings.links(key)
        holdings.links(key)
    assert len(asked) == 4
    holdings.begin(1000, [])
    holdings.begin(1001, [key])
    assert holdings.links(key) == {1: "/log5"}


def test_how_a_file_is_open_is_asked_once_a_file(monkeypatch):
    links, asked, key = {3: "/a"}, [], (7, 1)
    monkeypatch.setattr(open_files, "links", lambda _: dict(links))
    monkeypatch.setattr(open_files, "info", lambda _, number: asked.append(number) or FileInfo(0, os.O_WRONLY, 1))
    holdings = Holdings()
    for second, target in ((0, "/a"), (1, "/a"), (2, "/b")):
        links[3] = target
        holdings.begin(second, [key])
        assert holdings.info(key, 3).writes
    assert asked == [3, 3]
    assert holdings.info(key, 9) is None or asked == [3, 3, 9]


def test_where_there_is_no_device_nobody_holds_a_gpu(monkeypatch):
    monkeypatch.setattr(open_files, "links", lambda _: {3: "/dev/nvidia-uvm"})
    monkeypatch.setattr("agent.sources.processes.holdings.DEVICES", ("/does/not/exist",))
    holdings = Holdings()
    holdings.begin(0, [(7, 1)])
    assert not holdings.holds_gpu((7, 1), may_draw=False)
    monkeypatch.setattr("agent.sources.processes.holdings.DEVICES", ("/dev/null",))
    holdings.begin(1, [(7, 1)])
    assert holdings.holds_gpu((7, 1), may_draw=False)
