"""The process that draws: what it gives, and that nothing it does can hurt."""

import tempfile
import time

import pytest

from agent.channels import discord
from agent.channels.shared import drawing
from tests.channels.samples import CHART

HEAD = "import sys; read = sys.stdin.buffer.read(); write = sys.stdout.buffer.write; png = b'\\x89PNG\\r\\n\\x1a\\n'\n"


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Give it lines of Python, to stand in for the process that draws."""

    def install(lines):
        (tmp_path / "stub_that_draws.py").write_text(HEAD + lines)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(drawing, "CHILD", "stub_that_draws")

    return install


def test_what_the_process_writes_is_the_picture(child):
    child("import json; chart = json.loads(read); write(png + chart['series'][0]['name'].encode())")
    assert drawing.draw(CHART) == drawing.SIGNATURE + b"pid 7 python3 (this job)"


@pytest.mark.parametrize(
    "lines",
    ["sys.exit(3)", "write(png); sys.exit(1)", "write(b'GIF89a')", "write(png + bytes(60_000))",
     "import no_such_library", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
)  # fmt: skip
def test_what_is_no_picture_is_none(child, lines):
    child(lines)
    assert drawing.draw(CHART) is None


def test_a_process_that_hangs_is_ended(child, monkeypatch):
    monkeypatch.setattr(drawing, "PATIENCE", 0.5)
    child("import time; time.sleep(60)")
    start = time.monotonic()
    assert drawing.draw(CHART) is None
    assert time.monotonic() - start < 5


def test_what_the_library_notes_is_gone_with_it(child, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "PATIENCE", 0.5)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child("import os, time, pathlib; pathlib.Path(os.environ['MPLCONFIGDIR'], 'fonts').touch(); time.sleep(60)")
    assert drawing.draw(CHART) is None
    assert list(tmp_path.glob("gpuwarden-chart-*")) == []


def test_a_python_that_is_gone_costs_the_picture_alone(monkeypatch):
    monkeypatch.setattr("sys.executable", "/no/such/python")
    assert drawing.draw(CHART) is None


@pytest.mark.parametrize("there", [True, False])
def test_pictures_are_wanted_where_they_can_be_drawn(monkeypatch, there):
    monkeypatch.setattr(drawing, "LIBRARY", "json" if there else "no_such_library")
    config = discord.Config.model_validate({"type": "discord", "url": "https://discord.com/api/webhooks/1/x"})
    assert config.pictures is there


@pytest.mark.skipif(not drawing.available(), reason="the extra is not installed")
def test_the_real_picture_is_small():
    picture = drawing.draw(CHART)
    assert picture is not None
    assert (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == (600, 240)
