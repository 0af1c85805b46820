import pytest

from agent.core import procstat

LINE = "812 (python) x) {state} 1 812 812 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 199697 0" + " 0" * 29 + " {status}"


def test_a_name_with_blanks_and_brackets_moves_nothing():
    found = procstat.parse(LINE.format(state="S", status=0))
    assert (found.state, found.start_ticks, found.ended) == ("S", 199697, False)
    assert (found.name, found.parent, found.group, found.session) == ("python) x", 1, 812, 812)
    assert not found.kernel
    assert found.cpu_ticks == 0
    assert procstat.parse("2 (x) S 0 0 0 0 -1 0 0 0 0 0 31 11" + " 0" * 43).cpu_ticks == 42


def test_threads_of_the_kernel_are_told_apart():
    assert procstat.parse("2 (kthreadd) S 0 0 0 0 -1 2129984" + " 0" * 43).kernel


def test_who_waits_without_being_interruptible_is_blocked():
    assert procstat.parse(LINE.format(state="D", status=0)).blocked
    assert not procstat.parse(LINE.format(state="S", status=0)).blocked


@pytest.mark.parametrize(("state", "ended"), [("R", False), ("D", False), ("T", False), ("Z", True), ("X", True)])
def test_a_zombie_has_ended(state, ended):
    assert procstat.parse(LINE.format(state=state, status=1792)).ended is ended


@pytest.mark.parametrize("line", ["", "812 python S 1", "812 (python) S 1 2"])
def test_what_is_no_such_line_is_refused(line):
    with pytest.raises(ValueError, match=r"substring not found|expected at least"):
        procstat.parse(line)


@pytest.mark.parametrize(
    ("status", "code", "signal"),
    [(0, 0, None), (7 << 8, 7, None), (255 << 8, 255, None), (9, 137, "SIGKILL"), (11 | 0x80, 139, "SIGSEGV"),
     (40, 168, "SIG40")],
)
def test_exit_codes_read_as_in_a_shell(status, code, signal):
    assert procstat.exit_code(status) == (code, signal)
