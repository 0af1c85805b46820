"""Real processes as the source sees them: what is one run, what is a job, and where its output goes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from agent.core.procstat import ProcStat
from agent.sources import proc
from agent.sources.processes import close_look
from agent.sources.processes.settings import Config, Described, Descriptions
from agent.sources.processes.source import ProcessSource
from tests.sources.processes.conftest import PATIENCE, WAIT

NO_JOB = "no launcher started it, it holds no GPU, and no log of it shows training progress"
LAUNCHER = """
import os, subprocess, sys
place = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29512", "CUDA_VISIBLE_DEVICES": "0,1"}
for rank in "01":
    subprocess.Popen([sys.executable, *sys.argv[1:]], env=os.environ | place | {"RANK": rank, "LOCAL_RANK": rank})
os.wait()
"""
FORKS = "import os, time\nif os.fork() == 0:\n    os.execvp('sleep', ['sleep', '61'])\nos.fork()\ntime.sleep(60)\n"


def ended(pid):
    deadline = time.monotonic() + PATIENCE
    while (stat := proc.stat(pid)) is not None and not stat.ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def held(tree):
    """Path or trouble, and the beginning, of each of its logs."""
    return [(log.path or log.trouble.partition(":")[0], log.begin) for log in tree.logs]


def test_a_script_is_no_job_until_its_log_shows_progress(node):
    (pid,) = node.run("exec PYTHON train.py > train.log 2>&1", "train.py")
    tree, path = node.until(lambda trees: trees.get(pid)), str(node.folder / "train.log")
    assert (tree.name, tree.taken, tree.because, len(tree.pids)) == ("train.py", False, NO_JOB, 1)
    assert held(tree) == [(path, 0)]
    assert tree.logs[0].what == f"the standard output of train.py (pid {pid})"
    node.progress[path] = node.clock.now().wall + 1
    tree = node.look(5)[pid]
    assert (tree.taken, tree.because) == (True, f"{path} shows its training progress")
    seen = node.told[-1]
    assert (len(node.told), seen.pid, seen.name, seen.uid) == (1, pid, "train.py", os.getuid())
    assert (seen.logs, seen.log_offset) == ((path,), 0)


def test_progress_from_before_it_wrote_there_is_not_its_own(node):
    path = str(node.folder / "train.log")
    node.progress[path] = node.clock.now().wall - 1
    (pid,) = node.run("exec PYTHON train.py >> train.log 2>&1", "train.py")
    assert node.look()[pid].taken is False


def test_of_two_programs_that_write_one_log_the_later_one_shows_its_progress(node):
    (node.folder / "sweep.py").write_text(
        "import subprocess, sys\nsubprocess.run([sys.executable, 'train.py', '--lr', '1'])\n"
    )
    sweep, child = node.run("exec PYTHON sweep.py > all.log 2>&1", "sweep.py", "1")
    node.until(lambda trees: {sweep, child} <= trees.keys())
    node.progress[str(node.folder / "all.log")] = node.clock.now().wall + 1
    trees = node.look(5)
    assert (trees[sweep].taken, trees[child].taken) == (False, True)
    assert held(trees[child]) == [(str(node.folder / "all.log"), None)]


@pytest.mark.parametrize(
    ("line", "last", "outputs"),
    [
        ("PYTHON train.py | tee out > /dev/null", "train.py", [("out", 0)]),
        ("PYTHON train.py 2>&1 | tee -a out", "train.py", [("out", None)]),
        ("PYTHON train.py 2>/dev/null | grep -v x | tee out > /dev/null", "train.py",
         [("out", 0), ("is thrown away (/dev/null)", None)]),
        ("PYTHON train.py | grep hello > out", "train.py", [("out", 0)]),
        ("PYTHON train.py | cat > /dev/null", "train.py", [("goes through a pipe to cat", None)]),
        ("nohup PYTHON train.py > out 2> err &", "train.py", [("out", 0), ("err", 0)]),
        ("nohup PYTHON train.py >> out 2>&1 &", "train.py", [("out", None)]),
        ("exec PYTHON train.py > out.gz", "train.py", [("goes to out.gz, which is compressed", None)]),
        ("exec PYTHON train.py > out; rm out", "train.py", [("out", 0)]),
    ],
)  # fmt: skip
def test_outputs_are_followed_to_their_files(node, line, last, outputs):
    (node.folder / "quiet").write_text("")
    (pid,) = node.run(f"exec 2> quiet; {line}", last)

    def shown(trees):
        found = held(trees[pid]) if pid in trees else ()
        named = [(what.replace(f"{node.folder}/", "").partition(" (pid")[0], begin) for what, begin in found]
        return [item for item in named if item[0] != "quiet"]

    assert node.until(lambda trees: shown(trees) == outputs)


def test_a_deleted_file_and_a_log_that_the_program_opens_itself(node):
    (node.folder / "train.py").write_text(
        "import time\nlog = open('own.log', 'a')\ndata = open('data.bin', 'w')\nread = open('old.log')\n"
        "log.write('hello')\nlog.flush()\ntime.sleep(60)\n"
    )
    (node.folder / "old.log").write_text("")
    (pid,) = node.run("exec PYTHON train.py > gone 2>&1", "train.py")
    deadline = time.monotonic() + PATIENCE
    while not (node.folder / "own.log").exists() or not (node.folder / "own.log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (node.folder / "gone").unlink()
    assert held(node.look()[pid]) == [
        (f"goes to {node.folder}/gone, which was deleted", None), (str(node.folder / "own.log"), None)
    ]  # fmt: skip


def launched(node, last):
    """The tree of a launcher that has started both its ranks."""
    (node.folder / "torchrun").write_text(LAUNCHER)
    node.run(f"exec PYTHON torchrun train.py --model_name_or_path org/llama {last} > run.log")
    return node.until(lambda trees: (tree := trees.get(node.shell)) and len(tree.seen.ranks) == 2 and tree)


def test_a_launcher_and_its_ranks_are_one_job_whose_ranks_are_told(node):
    tree = launched(node, "")
    assert (tree.taken, tree.because, len(tree.pids)) == (True, "started by torchrun", 3)
    seen = node.told[-1]
    assert (seen.pid, seen.name, seen.model, seen.gpus) == (node.shell, "train.py", "llama", ("0", "1"))
    assert [(rank.rank, rank.local_rank) for rank in seen.ranks] == [(0, 0), (1, 1)]
    assert seen.logs == (str(node.folder / "run.log"),)
    assert os.getpid() in {above for above, _ in seen.within}


def test_what_outlives_its_launcher_is_no_run_of_its_own(node):
    tree = launched(node, "")
    os.kill(tree.pid, signal.SIGKILL)
    ended(tree.pid)
    for _ in range(3):
        assert not {tree.pid, *(rank.pid for rank in tree.seen.ranks)} & node.look(5).keys()


@pytest.mark.parametrize(
    ("line", "because"),
    [
        ("exec PYTHON -c 'import time; time.sleep(60)' last", "is a command given to Python as text"),
        ("exec PYTHON ipykernel_launcher.py last", "is a notebook"),
    ],
)
def test_what_is_no_training(node, line, because):
    (node.folder / "ipykernel_launcher.py").write_text(WAIT)
    (pid,) = node.run(line, "last")
    tree = node.until(lambda trees: trees.get(pid))
    assert (tree.taken, tree.because, tree.seen, tree.logs) == (False, because, None, ())


def test_forks_and_other_programs_below_a_script_belong_to_it_or_to_nothing(node):
    (node.folder / "train.py").write_text(FORKS)
    (pid,) = node.run("exec PYTHON train.py > run.log", "61")

    def family(trees):
        return {tree.name: len(tree.pids) for tree in trees.values() if str(node.folder) in str(tree.logs)}

    assert node.until(lambda trees: family(trees) == {"train.py": 2})
    assert pid not in node.look()


def test_a_restart_repeats_nothing_and_tells_what_changed(node):
    (pid,) = node.run("exec PYTHON train.py > run.log 2>&1", "train.py")
    node.leaders = {node.key(pid)}
    node.look()
    assert [fact.because for fact in node.told] == ["started by gpuwarden exec, or known as a job before"]
    first = node.ids
    node.begin()
    node.look(5)
    assert (len(node.told), node.ids) == (1, [])
    node.described = (Described("nightly", command=r"train\.py"),)
    node.begin()
    node.look(5)
    assert (node.told[-1].name, node.told[-1].declared) == ("nightly", True)
    assert node.told[-1].started_at == node.told[0].started_at
    assert node.ids != first
    os.kill(pid, signal.SIGKILL)
    ended(pid)
    node.look(5)
    assert node.checkpoint == {}


def test_a_job_described_by_a_pid_file_is_led_by_whatever_that_names(node):
    (node.folder / "run.sh").write_text(f"{sys.executable} train.py 1 & {sys.executable} train.py 2 & wait\n")
    node.described = (Described("nightly", pid_file=str(node.folder / "pid")),)
    node.begin()
    shell, first, second = node.run("exec sh run.sh > run.log 2>&1", "run.sh", "1", "2")
    (node.folder / "pid").write_text(f"{shell}\n")
    trees = node.until(lambda trees: trees if shell in trees and len(trees[shell].pids) == 3 else None)
    assert (trees[shell].name, trees[shell].taken, len(trees[shell].pids)) == ("nightly", True, 3)
    assert trees[shell].because == "described as nightly in [[jobs.job]]"
    assert not {first, second} & trees.keys()
    (node.folder / "pid").write_text("garbage")
    assert {first, second} <= node.look(5).keys()


def test_a_shell_that_becomes_the_script_is_seen_as_that(node):
    os.mkfifo(node.folder / "go")
    node.run("read line < go; exec PYTHON train.py > run.log")
    assert node.shell not in node.look(20)
    (node.folder / "go").write_text("go\n")
    assert node.find("train.py", node.shell) == node.shell
    assert node.until(lambda trees: trees.get(node.shell)).name == "train.py"


def test_the_agent_and_what_it_starts_are_left_out(node):
    (pid,) = node.run("PYTHON train.py > run.log; true", "train.py")
    source = ProcessSource(
        Config(), Descriptions(()), leaders=frozenset, progress=lambda _: None, own=proc.stat(pid).parent
    )
    assert pid not in {tree.pid for tree in source.read(node.clock.now()).trees}


def test_nothing_is_read_from_the_memory_of_a_blocked_process(node, monkeypatch):
    (pid,) = node.run("exec PYTHON train.py > run.log", "train.py")
    real = proc.stat
    monkeypatch.setattr(proc, "stat", lambda number: blocked(real(number)) if number == pid else real(number))
    monkeypatch.setattr(close_look, "look", lambda number, stat: refuse(number, stat, pid))
    assert pid not in node.look()
    assert pid not in node.look(5)
    monkeypatch.undo()
    assert node.until(lambda trees: pid in trees)


def blocked(stat):
    return None if stat is None else replace(stat, state="D")


def refuse(number, stat, pid):
    assert number != pid
    return LOOK(number, stat)


LOOK = close_look.look


def test_kernel_threads_are_never_looked_at(node, monkeypatch):
    monkeypatch.setattr(proc, "stat", lambda _: ProcStat("S", 1, 0, "python", kernel=True))
    monkeypatch.setattr(close_look, "look", None)
    assert node.look() == {}


def test_a_command_line_is_told_as_it_is_shown_and_only_then(node):
    (pid,) = node.run("exec PYTHON train.py --token s --lr 1 > run.log", "1")
    node.leaders = {node.key(pid)}
    node.look()
    assert node.told[-1].command is None
    source = ProcessSource(
        Config(), Descriptions(()), leaders=lambda: node.leaders, progress=lambda _: None, own=-1, show=" ".join
    )
    (event,) = source.read(node.clock.now()).events
    assert event.fact.command.endswith("train.py --token s --lr 1")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_what_another_user_writes_is_not_seen_and_the_remedy_is_told(node):
    (pid,) = node.run("exec PYTHON train.py > run.log", "train.py")
    node.until(lambda trees: pid in trees)
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(pid)], capture_output=True, text=True, check=True)
    trouble = "its open files may not be seen: run the agent as root, or as the user who trains"
    assert done.stdout == f"what train.py (pid {pid}) writes: {trouble}"


AS_NOBODY = """
import os, sys
from agent.core.clock import Instant
from agent.sources.processes.settings import Config, Descriptions
from agent.sources.processes.source import ProcessSource

def look():
    source = ProcessSource(Config(), Descriptions(()), leaders=frozenset, progress=lambda _: None)
    return next(tree for tree in source.read(Instant(0, 0.0)).trees if tree.pid == int(sys.argv[1]))

look()  # the tables are read while they may be
os.setresuid(65_534, 65_534, 65_534)
log = look().logs[0]
sys.stdout.write(f"{log.what}: {log.trouble}")
"""
