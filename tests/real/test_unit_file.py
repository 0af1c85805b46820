"""The systemd unit, judged by systemd itself."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (package systemd)"),
]

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "gpuwarden.service"
INSTALLED = "/opt/gpuwarden/bin/gpuwarden"


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists on this machine, which `verify` insists on."""
    text = UNIT.read_text()
    assert INSTALLED in text
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace(INSTALLED, sys.executable))
    return copy


def test_systemd_knows_every_directive(unit: Path) -> None:
    result = analyze("verify", "--man=no", unit)
    assert (result.returncode, result.stderr) == (0, "")


DROP_INS = re.findall(r"^```ini\n(# \S+\n.*?)^```$", (ROOT / "docs/install.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("drop_in", DROP_INS, ids=[Path(text.split()[1]).stem for text in DROP_INS])
def test_the_documented_drop_ins_fit_the_unit(unit: Path, drop_in: str) -> None:
    unit.write_text(unit.read_text() + "\n" + drop_in)
    result = analyze("verify", "--man=no", unit)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_misspelt_directive_would_be_noticed(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectHostname=", "ProtectHostnam="))
    assert "ProtectHostnam" in analyze("verify", "--man=no", unit).stderr


def test_exposure_stays_low(unit: Path) -> None:
    result = analyze("security", "--offline=true", "--threshold=40", "--no-pager", unit)
    assert result.returncode == 0, result.stdout
    assert "Overall exposure level" in result.stdout


def test_directives_that_would_blind_the_agent_stay_out() -> None:
    directives = {line.split("=")[0] for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#"}
    blinding = {"PrivateDevices", "PrivateTmp", "ProtectClock", "ProtectKernelLogs", "ProtectProc"}
    assert not directives & blinding
    assert "ProtectHome=read-only" in UNIT.read_text()
