"""Xids: every row of the table by a line as the driver writes it, every form of line, and severities by text."""

import pytest

from agent.core import xids
from agent.core.model import Severity

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

SEVERITIES = {
    INFO: [
        *range(1, 8), 9, 10, 12, *range(14, 25), *range(26, 31), *range(33, 37), 37, 42, 45, 47, *range(49, 54),
        *range(55, 60), 61, 63, 65, 66, 67, 73, 81, 87, 90, 91, 92, 93, 106, 107, *range(111, 119), 121,
        *range(122, 126), 138, 141, 142, 152, 153, 157, 160, 161, 162, 163, 164,
    ],
    WARNING: [
        8, 11, 13, 25, 31, 32, 38, 39, 40, 41, 43, 44, 60, 68, 69, 70, 71, 72, 75, 76, 77, 78, 80, 82, 83, 84, 85, 86,
        88, 89, 94, *range(96, 106), 108, *range(126, 136), 137, 139, 151, 156, 159, 165, 166, 168, 170,
    ],
    CRITICAL: [
        46, 48, 54, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 143, 155, 158, 167, 169, 171, 172,
    ],
}  # fmt: skip
BY_TEXT = [144, 145, 146, 147, 148, 149, 150, 154]
EVERY = [(number, severity) for severity, numbers in SEVERITIES.items() for number in numbers]


@pytest.mark.parametrize(("number", "severity"), EVERY)
def test_every_xid_is_read_from_its_line_and_means_what_the_table_says(number, severity):
    line = xids.parse(f"NVRM: Xid (PCI:0000:05:00): {number}, pid=4242, name=python3, Ch 00000010")

    assert (line.pci, line.number, line.pid, line.process, line.text) == (
        "0000:05:00", number, 4242, "python3", "Ch 00000010",
    )  # fmt: skip
    assert xids.meaning(number, line.text).severity is severity


def test_the_table_holds_every_number_once():
    assert sorted(xids.table()) == sorted([number for number, _ in EVERY] + BY_TEXT)
    assert len(xids.table()) == len(EVERY) + len(BY_TEXT)


@pytest.mark.parametrize("number", BY_TEXT[:-1])
def test_the_word_in_an_nvlink_line_decides(number):
    fatal = xids.parse(f"NVRM: Xid (PCI:0018:01:00): {number}, NETIR_LINK_EVT Fatal XC0 i0 Link 08 (0x004505c6 0x0)")

    assert fatal.pci == "0018:01:00"
    assert xids.meaning(number, fatal.text).severity is CRITICAL
    assert xids.meaning(number, "NETIR_LINK_EVT Nonfatal XC1 i0 Link 08").severity is INFO
    assert xids.meaning(number, "NETIR_LINK_EVT XC1").severity is WARNING


def test_the_action_that_xid_154_names_decides():
    needed = "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"
    over = "GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)"

    assert xids.meaning(154, needed).severity is CRITICAL
    assert xids.meaning(154, over).severity is INFO


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "NVRM: Xid (PCI:0000:05:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
            ("0000:05:00", 79, None, None, "GPU has fallen off the bus."),
        ),
        ("NVRM: Xid (0000:03:00): 14, Channel 00000001", ("0000:03:00", 14, None, None, "Channel 00000001")),
        ("NVRM: Xid (PCI:0000:3B:00): 45", ("0000:3b:00", 45, None, None, "")),
        ("NVRM: GPU 0000:18:00.0: GPU has fallen off the bus.", ("0000:18:00", 79, None, None)),
        ("NVRM: The NVIDIA GPU 0000:b3:00.0 has fallen off the bus and is not responding", ("0000:b3:00", 79, None)),
    ],
)
def test_every_form_of_line_is_read(line, expected):
    found = xids.parse(line)

    assert (found.pci, found.number, found.pid, found.process, found.text)[: len(expected)] == expected


def test_a_loss_told_in_two_lines_is_known_by_both():
    assert xids.begins_loss("NVRM: The NVIDIA GPU 0000:b3:00.0") == "0000:b3:00"
    assert xids.parse("NVRM: The NVIDIA GPU 0000:b3:00.0") is None
    assert xids.ends_loss("NVRM: (PCI ID: 10de:2330) installed in this system has fallen off the bus and is not")


@pytest.mark.parametrize(
    "line",
    ["NVRM: Xid (PCI:0000:05:00): 0", "NVRM: loading NVIDIA UNIX x86_64 Kernel Module", "usb 1-1: fallen off the bus"],
)
def test_other_lines_are_none(line):
    assert xids.parse(line) is None


def test_addresses_of_nvml_and_of_the_kernel_log_agree():
    assert xids.normalised("00000000:05:00.0") == xids.normalised("PCI:0000:05:00") == "0000:05:00"
    assert xids.normalised("00010018:3B:00.0") == "10018:3b:00"


def test_an_unknown_number_is_a_warning_and_the_users_word_wins():
    assert xids.meaning(9999) == xids.UNKNOWN
    assert xids.meaning(109, "", {109: WARNING}).severity is WARNING
    assert not xids.meaning(109, "", {109: WARNING}).evidence_only


def test_what_the_application_did_is_evidence_only():
    assert xids.meaning(13).evidence_only
    assert xids.meaning(45).evidence_only
    assert not xids.meaning(94).evidence_only
    assert not xids.meaning(79).evidence_only
