"""What is installed is what is pinned: pyproject.toml, the two locks, and the files that run the agent."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def pins(lock: str) -> dict[str, str]:
    """Every pinned package with its version: {"click": "8.1.8"}."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def names(requirements: list[str | dict[str, str]]) -> set[str]:
    return {match[0] for text in requirements if isinstance(text, str) and (match := re.match(r"[a-z0-9-]+", text))}


def test_what_runs_is_pinned() -> None:
    wanted = names(PROJECT["project"]["dependencies"]) | names(PROJECT["dependency-groups"]["build"])
    assert wanted <= pins("requirements.lock").keys()


def test_development_adds_to_what_runs_and_changes_nothing() -> None:
    assert names(PROJECT["dependency-groups"]["dev"]) <= pins("requirements-dev.lock").keys()
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_no_source(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert all(" --hash=sha256:" in entry for entry in entries)
    assert not [entry for entry in entries if "://" in entry]


def test_the_image_and_the_unit_run_what_is_packaged() -> None:
    (command,) = PROJECT["project"]["scripts"]
    assert f'ENTRYPOINT ["{command}"]' in (ROOT / "Dockerfile").read_text()
    assert re.search(rf"^ExecStart=\S+/{command} run$", (ROOT / "systemd/gpuwarden.service").read_text(), re.MULTILINE)


def test_the_image_and_the_unit_keep_compiled_patterns() -> None:
    assert "\nCacheDirectory=gpuwarden\n" in (ROOT / "systemd/gpuwarden.service").read_text()
    image = (ROOT / "Dockerfile").read_text()
    volume, cache = re.search(r"VOLUME (\S+)", image), re.search(r"CACHE_DIRECTORY=(\S+)", image)
    assert volume is not None
    assert cache is not None
    assert cache[1].startswith(f"{volume[1]}/")


def test_the_licence_is_the_one_named() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()
