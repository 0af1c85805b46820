"""A few random months, always the same; `make months` goes through any number of them."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from tests.months import __main__ as command
from tests.months import play as player
from tests.months.leaks import leaks, logged
from tests.months.month import Month
from tests.months.play import fast_store, problems


@pytest.mark.parametrize("seed", range(8))
def test_a_month(seed):
    assert problems(seed) == []


@pytest.mark.parametrize("seed", range(2))
def test_restarts_change_nothing(seed, tmp_path):
    lives = []
    for restarts in (False, True):
        with fast_store():
            month = Month(seed, tmp_path / str(restarts), restarts=restarts, kills=False)
            try:
                month.run()
            finally:
                month.node.close()
        lives.append({name: [(item.at, item.row, item.over) for item in told] for name, told in month.told.items()})
    assert lives[0] == lives[1]


def test_a_secret_that_nobody_takes_out_is_found_everywhere(tmp_path):
    with fast_store():
        month = Month(4, tmp_path / "state")
        month.node.redactor.clean = str
        month.node.settings = replace(month.node.settings, clean=str)
        try:
            with logged(str) as month.log:
                month.run()
            found = " ".join(leaks(month))
        finally:
            month.node.close()
    places = ("which chat was told", "the log", "the history", "the story of", "event.fact", "alert.body", "snapshot")
    assert [place for place in places if place not in found] == []


@pytest.mark.parametrize(("options", "played"), [([], [5, 6]), (["--go-on"], [5, 6, 7])])
def test_the_command_says_which_month_failed_and_stops_there(monkeypatch, options, played):
    seen = []

    def play(seed):
        seen.append(seed)
        if seed == 6:
            raise ValueError("the parts did not settle")
        return []

    monkeypatch.setattr(player, "problems", play)
    done = CliRunner().invoke(command.months, ["--from", "5", "--count", "3", "--jobs", "1", *options])
    assert (done.exit_code, seen) == (1, played)
    assert "month 6 failed; --from 6 --count 1 repeats it" in done.output
    assert "ValueError: the parts did not settle" in done.output


def test_several_months_at_a_time():
    done = CliRunner().invoke(command.months, ["--from", "3", "--count", "2", "--jobs", "2"])
    assert "2 months, 3 to 4, in" in done.output
    assert "nothing found" in done.output
