"""`exec` from outside: real commands, terminals and signals, and what the spool is told of them."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios

import pytest

from agent.core import handoff
from agent.core.facts import ProcessEnded, ProcessStarted
from agent.sources import proc

PATIENCE = 20
EXEC = [sys.executable, "-m", "agent", "exec"]

WAITS_FOR_A_SIGNAL = """
import signal, sys
number = getattr(signal, sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, {number})
print("ready", flush=True)
signal.sigwait({number})
print("got it", flush=True)
sys.exit(7)
"""

COUNTS_INTERRUPTS = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("ready", flush=True)
signal.sigwait({signal.SIGINT})
again = signal.sigtimedwait({signal.SIGINT}, 0.5)
print("twice" if again else "once", flush=True)
"""

TELLS_ITS_NEW_SIZE = """
import os, time
print("ready")
while os.get_terminal_size(1).columns == 99:
    time.sleep(0.01)
print(*os.get_terminal_size(1), end=".")
"""

IGNORES_CHILDREN = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.executable, sys.argv[1:])
"""

TAKES_THE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, sys.argv[1:])
"""


@pytest.fixture
def spool(tmp_path, monkeypatch):
    directory = tmp_path / "state" / "spool"
    directory.mkdir(parents=True)
    monkeypatch.setenv("GPUWARDEN_AGENT__SPOOL_DIR", str(directory))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    return directory


@pytest.fixture(autouse=True)
def _heard():
    """Let children hear signals that these tests were started to ignore, as a shell does in the background."""
    marks = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    ignored = [mark for mark in marks if signal.getsignal(mark) is signal.SIG_IGN]
    for mark in ignored:
        signal.signal(mark, signal.SIG_DFL)
    yield
    for mark in ignored:
        signal.signal(mark, signal.SIG_IGN)


@pytest.fixture
def start(spool):
    """Start `exec` with the arguments given; what still runs at the end is killed."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, before=(), **options):
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
            process = stack.enter_context(subprocess.Popen([*before, *EXEC, *map(str, arguments)], **pipes))
            stack.callback(process.kill)
            return process

        yield start


def finish(process):
    output, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, output.decode(), errors.decode()


def facts(spool):
    return [handoff.parse(path.read_bytes(), 0, path.name) for path in sorted(spool.iterdir())]


def read_until(handle, text):
    """Read from a descriptor until the text has come; everything that was read."""
    found = b""
    while text not in found:
        assert select.select([handle], [], [], PATIENCE)[0], f"{text!r} did not come, only {found!r}"
        data = os.read(handle, 4096)
        assert data, f"the end came before {text!r}, after {found!r}"
        found += data
    return found


@pytest.mark.parametrize("logged", [False, True])
@pytest.mark.parametrize(
    ("script", "code", "name"),
    [("exit 0", 0, None), ("exit 3", 3, None), ("exit 255", 255, None), ("kill -TERM $$", 143, "SIGTERM"),
     ("kill -KILL $$", 137, "SIGKILL"), ("kill -SEGV $$", 139, "SIGSEGV")],
)
def test_the_exit_code_is_the_commands_own_and_is_told(start, spool, tmp_path, script, code, name, logged):
    log = ["--log", tmp_path / "run.log"] if logged else []
    assert finish(start(*log, "--", "sh", "-c", script)) == (code, "", "")
    _, ended = facts(spool)
    assert (ended.exit_code, ended.signal, ended.reported) == (code, name, True)


def test_the_agent_learns_who_runs_and_where_it_writes(start, spool, tmp_path):
    script = tmp_path / "train.py"
    script.write_text("import os; print(os.getpid())")
    process = start("--log", "run.log", "--", sys.executable, script, "--token", "secret", cwd=tmp_path)
    _, output, _ = finish(process)
    started, ended = facts(spool)
    assert isinstance(started, ProcessStarted)
    assert (started.name, started.command, started.log) == ("train.py", "train.py", str(tmp_path / "run.log"))
    assert (started.pid, started.wrapper_pid) == (int(output), process.pid)
    assert started.boot_id == proc.boot_id()
    assert isinstance(ended, ProcessEnded)
    assert (ended.boot_id, ended.pid, ended.start_ticks) == (started.boot_id, started.pid, started.start_ticks)
    assert ended.ended_at >= started.started_at
    assert not any(b"secret" in path.read_bytes() for path in spool.iterdir())


def test_the_start_is_told_while_the_command_runs(start, spool):
    process = start("--name", "llm", "--", "sh", "-c", "echo up; read line")
    read_until(process.stdout.fileno(), b"up\n")
    process.send_signal(signal.SIGUSR1)
    assert process.wait(PATIENCE) == 138
    started = facts(spool)[0]
    assert (started.name, started.command, started.log) == ("llm", "sh", None)


@pytest.mark.parametrize("logged", [False, True])
@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_signals_are_passed_on(start, tmp_path, name, logged):
    log = ["--log", tmp_path / "run.log"] if logged else []
    process = start(*log, "--", sys.executable, "-c", WAITS_FOR_A_SIGNAL, f"SIG{name}")
    read_until(process.stdout.fileno(), b"ready\n")
    process.send_signal(getattr(signal, f"SIG{name}"))
    read_until(process.stdout.fileno(), b"got it\n")
    assert process.wait(PATIENCE) == 7


def test_ignored_signals_stay_ignored(start):
    process = start("--", "sh", "-c", "kill -HUP $$; kill -HUP $PPID; echo alive", before=["nohup"])
    assert finish(process)[:2] == (0, "alive\n")


def test_the_child_ends_by_a_broken_pipe_as_usual(start):
    assert finish(start("--", "sh", "-c", "yes | head -n 1")) == (0, "y\n", "")


def test_a_parent_that_ignores_its_children_does_not_hide_the_code(start):
    before = [sys.executable, "-c", IGNORES_CHILDREN]
    assert finish(start("--", "sh", "-c", "exit 5", before=before))[0] == 5


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("no-such-command", 127, "gpuwarden: no-such-command: command not found\n"),
        ("./missing.sh", 127, "gpuwarden: ./missing.sh: command not found\n"),
        ("./plain.txt", 126, "gpuwarden: ./plain.txt: cannot be executed: Permission denied\n"),
        ("./bad.sh", 126, "gpuwarden: ./bad.sh: its interpreter does not exist\n"),
        (".", 126, "gpuwarden: .: cannot be executed: Permission denied\n"),
    ],
)
def test_a_command_that_cannot_be_started_is_no_job(start, spool, tmp_path, command, code, message):
    (tmp_path / "plain.txt").touch()
    (tmp_path / "bad.sh").write_text("#!/no/interpreter\n")
    (tmp_path / "bad.sh").chmod(0o755)
    assert finish(start("--", command, cwd=tmp_path)) == (code, "", message)
    assert facts(spool) == []


def test_a_misspelt_option_is_no_command(start, spool):
    code, output, errors = finish(start("--nam", "bert", "--", "echo", "ran"))
    assert (code, output) == (2, "")
    assert "There is no option --nam; expected --name or --log, then -- and the command." in errors
    assert facts(spool) == []


def test_a_log_that_cannot_be_opened_is_said_before_anything_runs(start, spool, tmp_path):
    code, output, errors = finish(start("--log", tmp_path / "no" / "run.log", "--", "echo", "ran"))
    assert (code, output) == (2, "")
    assert f"--log: {tmp_path}/no/run.log cannot be written (No such file or directory)" in errors
    assert facts(spool) == []


@pytest.mark.parametrize("logged", [False, True])
def test_a_spool_that_fails_is_said_once_and_stops_nothing(start, tmp_path, monkeypatch, logged):
    monkeypatch.setenv("GPUWARDEN_AGENT__SPOOL_DIR", "/missing")
    log = ["--log", tmp_path / "run.log"] if logged else []
    code, output, errors = finish(start(*log, "--", "sh", "-c", "echo fine; exit 4"))
    assert (code, output) == (4, "fine\n")
    assert errors.startswith("gpuwarden: warning: the agent does not learn of this job: /missing: No such file")
    assert errors.count("warning") == 1


def test_output_goes_to_terminal_and_file_alike_unaltered(start, tmp_path):
    log = tmp_path / "run.log"
    log.write_bytes(b"before\n")
    script = r"printf '1%%\r2%%\r\xff\x00\033[1m\n'; printf 'no end' >&2"
    output, errors = start("--log", log, "--", "bash", "-c", script).communicate(timeout=PATIENCE)
    assert (output, errors) == (b"1%\r2%\r\xff\x00\x1b[1m\nno end", b"")
    assert log.read_bytes() == b"before\n" + output


def test_a_large_output_arrives_whole(start, tmp_path):
    script = "import sys; sys.stdout.write('x' * 3_000_000)"
    _, output, _ = finish(start("--log", tmp_path / "run.log", "--", sys.executable, "-c", script))
    assert len(output) == (tmp_path / "run.log").stat().st_size == 3_000_000


def test_prints_arrive_while_the_command_runs(start, tmp_path):
    process = start("--log", tmp_path / "run.log", "--", sys.executable, "-c", "print('step 1'); input()")
    read_until(process.stdout.fileno(), b"step 1\n")
    assert (tmp_path / "run.log").read_bytes() == b"step 1\n"
    process.communicate(b"\n", timeout=PATIENCE)
    assert process.returncode == 0


@pytest.mark.parametrize(("given", "logged", "expected"), [(None, True, "1"), ("0", True, "0"), (None, False, "")])
def test_buffering_is_off_where_it_would_hold_lines_back(start, tmp_path, monkeypatch, given, logged, expected):
    if given is not None:
        monkeypatch.setenv("PYTHONUNBUFFERED", given)
    log = ["--log", tmp_path / "run.log"] if logged else []
    assert finish(start(*log, "--", "sh", "-c", "echo $PYTHONUNBUFFERED"))[1] == f"{expected}\n"


def test_a_grandchild_that_holds_the_output_keeps_nobody_waiting(start, spool, tmp_path):
    process = start("--log", tmp_path / "run.log", "--", "sh", "-c", "sleep 60 & echo $!")
    sleeper = int(read_until(process.stdout.fileno(), b"\n"))
    try:
        assert process.wait(PATIENCE) == 0
        assert len(facts(spool)) == 2
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_a_full_disk_under_the_log_is_said_once_and_stops_nothing(start):
    script = "for n in 1 2 3; do echo $n; read line; done"
    process = start("--log", "/dev/full", "--", "sh", "-c", script)
    for number in (b"1\n", b"2\n", b"3\n"):
        read_until(process.stdout.fileno(), number)
        process.stdin.write(b"\n")
        process.stdin.flush()
    code, _, errors = finish(process)
    assert code == 0
    assert errors == "gpuwarden: warning: the log file takes no output (No space left on device); the command goes on\n"


def test_a_closed_terminal_stops_nothing(start, tmp_path):
    script = "echo 1; read line; echo 2; echo 3"
    process = start("--log", tmp_path / "run.log", "--", "sh", "-c", script)
    read_until(process.stdout.fileno(), b"1\n")
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "run.log").read_bytes() == b"1\n2\n3\n"
    assert b"the terminal takes no output (Broken pipe)" in process.stderr.read()


def test_killing_the_wrapper_leaves_the_command_running_and_its_log_whole(start, spool, tmp_path):
    process = start("--log", tmp_path / "run.log", "--", sys.executable, "-c", "print(1); input(); print(2)")
    read_until(process.stdout.fileno(), b"1\n")
    process.kill()
    process.wait(PATIENCE)
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stdout.read() == b"2\n"
    assert (tmp_path / "run.log").read_bytes() == b"1\n2\n"
    assert [type(fact) for fact in facts(spool)] == [ProcessStarted]


@pytest.fixture
def terminal():
    """A terminal of 33 lines and 99 columns: our end, and the end that programs are given."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (33, 99))
    yield ours, theirs
    os.close(ours)
    with contextlib.suppress(OSError):
        os.close(theirs)


def in_terminal(start, theirs, *arguments):
    stub = [sys.executable, "-c", TAKES_THE_TERMINAL]
    return start(
        *arguments, before=stub, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )


def test_bars_find_a_terminal_of_the_right_size(start, tmp_path, terminal):
    ours, theirs = terminal
    script = "import os, sys; print(sys.stdout.isatty(), sys.stderr.isatty(), *os.get_terminal_size(2), end='.\\n')"
    process = in_terminal(start, theirs, "--log", tmp_path / "run.log", "--", sys.executable, "-c", script)
    assert read_until(ours, b"\n") == b"True True 99 33.\r\n"
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "run.log").read_bytes() == b"True True 99 33.\n"


def test_a_terminal_that_changes_its_size_is_followed(start, tmp_path, terminal):
    ours, theirs = terminal
    in_terminal(start, theirs, "--log", tmp_path / "run.log", "--", sys.executable, "-c", TELLS_ITS_NEW_SIZE)
    read_until(ours, b"ready")
    termios.tcsetwinsize(theirs, (10, 40))
    assert b"40 10." in read_until(ours, b".")


@pytest.mark.parametrize("logged", [False, True])
def test_a_key_press_interrupts_the_command_once(start, tmp_path, terminal, logged):
    ours, theirs = terminal
    log = ["--log", tmp_path / "run.log"] if logged else []
    process = in_terminal(start, theirs, *log, "--", sys.executable, "-c", COUNTS_INTERRUPTS)
    read_until(ours, b"ready")
    os.write(ours, b"\x03")
    assert b"once" in read_until(ours, b"ce\r\n")
    assert process.wait(PATIENCE) == 0
