"""A few rounds of the fuzzer, always the same; `make fuzz` goes on for minutes."""

from random import Random

import pytest

from tests.fuzz import scanning, tailing
from tests.sources.logs.scanning import shared_rules


@pytest.mark.parametrize("number", range(1, 11))
def test_a_hostile_log_reads_the_same_however_it_is_cut(number, tmp_path):
    scanning.play(Random(number), shared_rules(), tmp_path)


@pytest.mark.parametrize("number", range(1, 9))
def test_every_error_is_found_once_whatever_is_done_to_the_log(number, tmp_path):
    tailing.play(Random(number), tmp_path)
