"""Keeps the documents true: configuration loads, commands run, links lead somewhere, names exist."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

NOT_RUN = ("needs a running agent", "needs a channel", "runs until stopped", "needs root")
"""A command whose trailing comment says one of these is checked against the command's options, but not run."""


class Block(NamedTuple):
    """A fenced block, with the page and line at which it begins."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(language: str) -> list[Block]:
    fence = re.compile(rf"^( *)```{language}\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match[2])
        for page in PAGES
        for text in [page.read_text()]
        for match in fence.finditer(text)
    ]


def each(found: list[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", found, ids=map(str, found))


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block with their trailing comments: ("gpuwarden check", "needs root")."""
    for line in re.findall(r"^\s*\$ (.+)$", block.text.replace("\\\n", " "), re.MULTILINE):
        command, _, comment = line.partition(" # ")
        yield command.strip(), comment.strip()


# --- configuration -------------------------------------------------------------------------------------------------


class Supplied(NamedTuple):
    """A fragment of configuration together with a world in which its secrets exist."""

    text: str
    environ: dict[str, str]


def secrets_of(table: object, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Every secret that stands elsewhere, as (its key, where, which): ("url", "env", "SLACK_URL")."""
    if isinstance(table, dict):
        for kind in ("env", "file", "credential"):
            if table.keys() == {kind}:
                yield key, kind, table[kind]
        for name, value in table.items():
            yield from secrets_of(value, name)
    elif isinstance(table, list):
        for value in table:
            yield from secrets_of(value, key)


def supply(text: str, folder: Path) -> Supplied:
    environ = {"HOME": str(folder), "CREDENTIALS_DIRECTORY": str(folder)}
    samples = {"url": "https://hooks.example.com/T0/B0/x", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    for key, kind, which in secrets_of(tomllib.loads(text)):
        value = samples.get(key, "a-secret-for-tests")
        if kind == "env":
            environ[which] = value
        else:
            path = folder / Path(which).name
            path.write_text(value)
            path.chmod(0o600)
            text = text.replace(f'file = "{which}"', f'file = "{path}"')
    return Supplied(text, environ)


@each(blocks("toml"))
def test_configuration_loads(block: Block, tmp_path: Path) -> None:
    from agent.app import schema
    from agent.config.load import load

    fragment = supply(block.text, tmp_path)
    file = tmp_path / "config.toml"
    file.write_text(fragment.text)
    loaded = load(config=file, state_dir=tmp_path / "state", environ=fragment.environ, schema=schema())
    assert loaded.config_path == file


def test_secrets_of_a_fragment_are_found_wherever_they_stand(tmp_path: Path) -> None:
    text = '[channels.a]\nurl = { env = "URL" }\n[[x]]\ntoken = { file = "/run/secrets/t" }\n'
    supplied = supply(text, tmp_path)
    assert supplied.environ["URL"].startswith("https://")
    assert f'{{ file = "{tmp_path}/t" }}' in supplied.text
    assert (tmp_path / "t").read_text()


# --- commands ------------------------------------------------------------------------------------------------------


def runs(command: str, environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", command], env=environ, cwd=folder, capture_output=True, text=True, timeout=60,
    )


def only_parsed(line: str) -> str:
    """The same command with `--help` after its name: its options are parsed, and it does nothing."""
    from click import Context, Group

    from agent.cli.main import cli

    words = shlex.split(line.split(" | ", maxsplit=1)[0])
    command, end = cli, 1
    for place, word in enumerate(words[1:], 1):
        found = command.get_command(Context(command), word) if isinstance(command, Group) else None
        if found:
            command, end = found, place + 1
    return shlex.join([*words[:end], "--help", *words[end:]])


@each([block for block in blocks("console") if "$ gpuwarden" in block.text])
def test_commands_work(block: Block, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    environ = {"PATH": path, "HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path / "state")}
    for command, comment in commands(block):
        if command.startswith("gpuwarden"):
            idle = any(mark in comment for mark in NOT_RUN)
            result = runs(only_parsed(command) if idle else command, environ, tmp_path)
            assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


@each([block for block in blocks("console") if "$ make" in block.text])
def test_make_targets_exist(block: Block) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {words[1] for command, _ in commands(block) if (words := command.split())[0] == "make" and words[1:]}
    assert used <= targets


def test_contributing_tells_every_target() -> None:
    listed = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"help"}
    told = set(re.findall(r"^\| `make ([a-z-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    assert told == listed


# --- links ---------------------------------------------------------------------------------------------------------


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")), ids=lambda page: page.stem)
def test_decisions_are_listed_and_have_their_parts(page: Path) -> None:
    assert f"({page.name})" in (page.parent / "README.md").read_text()
    assert page.read_text().startswith(f"# {page.name[:4]} ")
    assert re.findall(r"^## (\w+)$", page.read_text(), re.MULTILINE) == ["Situation", "Decision", "Consequences"]
