"""Keeps the documents true: configuration loads, commands run, links lead somewhere, names exist."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.core.model import TYPES, AlertType, DeliveryState, NotificationKind

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

NOT_RUN = (
    "needs a running agent", "needs a GPU", "needs a channel", "runs until stopped", "needs root",
    "takes half a minute",
)  # fmt: skip
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
    samples = {
        "url": "https://hooks.example.com/T0/B0/x",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "TELEGRAM_TOKEN": "123456789:x",
    }
    for key, kind, which in secrets_of(tomllib.loads(text)):
        value = samples.get(which) or samples.get(key, "a-secret-for-tests")
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

    if 'type = "apprise"' in block.text:
        pytest.importorskip("apprise", reason="the extra is not installed")
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

    from agent.cli.main import gpuwarden as cli

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
    (tmp_path / "old.log").write_text("step 40/500 loss 2.1\n")  # a finished log that pages read
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


# --- programs and data ---------------------------------------------------------------------------------------------

LANGUAGES = {
    "toml": "loaded as a configuration, here",
    "console": "run, or its options parsed, here",
    "json": "read here",
    "timeline": "played here",
    "ini": "judged by systemd in tests/real",
    "yaml": "compared with the agent here; judged by promtool in tests/real",
    "python": "run by tests/e2e, or by tests/channels/test_contributing.py",
    "text": "a list of files (tests/test_architecture.py), a printed alert (here), or what tests/e2e compares",
    "": "a drawing",
}
"""Every language of a fenced block, with where it is checked."""


@each(blocks("timeline"))
def test_timelines_come_out_as_they_are_told(block: Block, tmp_path: Path) -> None:
    before = [other for other in blocks("toml") if other.page == block.page and other.line < block.line]
    after = [other for other in blocks("text") if other.page == block.page and other.line > block.line]
    fragment = supply(before[-1].text, tmp_path)
    for name, text in (("config.toml", fragment.text), ("night.toml", block.text)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    path = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
    done = runs("gpuwarden simulate night.toml --config config.toml", {**path, **fragment.environ}, tmp_path)
    assert (done.stdout, done.stderr) == (after[0].text, "")


def test_every_block_is_checked_somewhere() -> None:
    fence = re.compile(r"^( *)```(\S*)\n.*?^\1```$", re.MULTILINE | re.DOTALL)
    used = {(page.name, match[2]) for page in PAGES for match in fence.finditer(page.read_text())}
    assert not {(page, language) for page, language in used if language not in LANGUAGES}


@each(blocks("console"))
def test_shell_is_well_formed(block: Block) -> None:
    script = "\n".join(command for command, _ in commands(block))
    result = subprocess.run(["/bin/sh", "-n"], input=script, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


@each(blocks("console"))
def test_files_of_the_checkout_exist(block: Block) -> None:
    tops = {path.name for path in ROOT.iterdir()} - {"build", "dist"}
    words = {word for command, _ in commands(block) for word in shlex.split(command)}
    assert not [word for word in words if word.split("/")[0] in tops and not (ROOT / word).exists()]


@each(blocks("json"))
def test_json_is_what_the_webhook_sends(block: Block) -> None:
    from agent.core.payload import payload
    from agent.core.samples import full

    alert = full(AlertType.JOB_FAILED, "node-1", 0)
    shown, sent = json.loads(block.text), payload(alert, kind=NotificationKind.FIRED, reason="", sent_at=0)
    assert shown.keys() == sent.keys()
    assert shown["data"].keys() == sent["data"].keys()
    assert shown["data"]["job"].keys() == sent["data"]["job"].keys()


PRINTED = [block for block in blocks("text") if re.match(r"─|\S+ Training", block.text)]


@each(PRINTED)
def test_printed_alerts_speak_as_the_agent_does(block: Block) -> None:
    lines = [line for line in block.text.splitlines() if not line.startswith("─")]
    assert lines[0].startswith(tuple(f"{traits.emoji} {traits.headline}" for traits in TYPES.values()))


# --- names ---------------------------------------------------------------------------------------------------------


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page, but headings."""
    lines = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def ticked(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_the_metrics_page_names_what_the_agent_shows() -> None:
    from tests.runtime.test_metrics import Setting, full

    page = full(Setting()).metrics.page()[0].decode()
    shown = {
        sample.name.removesuffix("_bucket") if family.type == "histogram" else sample.name:
        ("gauge" if family.type == "unknown" else family.type, set(sample.labels) - {"le"})
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if family.type != "histogram" or sample.name.endswith("_bucket")
    }  # fmt: skip
    told = {name: (row[1], ticked(row[2])) for row in rows("docs/metrics.md") for name in ticked(row[0])}
    assert told == shown


def test_rules_and_scrapes_use_metrics_that_exist() -> None:
    told = {name for row in rows("docs/metrics.md") for name in ticked(row[0])}
    used = {name for block in blocks("yaml") for name in re.findall(r"\bgpuwarden_\w+", block.text)}
    assert used
    assert used <= told


def test_every_channel_type_has_a_page() -> None:
    from agent.channel_wiring import channel_types

    pages = {page.stem for page in (ROOT / "docs" / "channels").glob("*.md")} - {"README"}
    assert pages == set(channel_types())
    linked = set(re.findall(r"^\| \[`(\w+)`\]\(\1\.md\)", (ROOT / "docs/channels/README.md").read_text(), re.MULTILINE))
    assert linked == pages


def test_the_alerts_page_tells_every_type_as_it_is() -> None:
    told = {row[0]: (row[1], row[2]) for row in rows("docs/alerts.md") if len(row) == 4 and row[0].startswith("`")}
    wanted = {
        f"`{alert_type}`": (str(traits.severity), "yes" if traits.default_on else "no")
        for alert_type, traits in TYPES.items()
    }
    assert told == wanted


def test_the_alerts_page_tells_every_stage_and_state() -> None:
    from agent.core.policy.pipeline import STAGES

    first_cells = [row[0] for row in rows("docs/alerts.md")]
    names = [stage.__name__.replace("_", " ") for stage in STAGES]
    assert [cell for cell in first_cells if cell in names] == names
    assert {f"`{state}`" for state in DeliveryState} <= set(first_cells)


@pytest.mark.parametrize(("files", "entry"), [("signatures/*", "signature"), ("progress", "progress")])
def test_the_signatures_page_names_every_pattern(files: str, entry: str) -> None:
    paths = (ROOT / "agent/core").glob(f"{files}.toml")
    tables = [table for path in paths for table in tomllib.loads(path.read_text())[entry]]
    text = (ROOT / "docs/log-signatures.md").read_text().partition("## From a line")[0]
    part = text.partition("| progress |")[0 if entry == "signature" else 2]
    told = {name for row in re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE) for name in ticked(row)}
    assert told == {item["id"] for item in tables}


def mentioned(page: Path) -> set[str]:
    """The commands that a page names in its text: {"queue list", "run"}."""
    return set(re.findall(r"`gpuwarden ([a-z]+(?: [a-z]+)?)", prose(page)))


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_commands_that_are_named_exist(page: Path) -> None:
    from click import Context, Group

    from agent.cli.main import gpuwarden as cli

    unknown = []
    for name in mentioned(page):
        first, _, second = name.partition(" ")
        command = cli.get_command(Context(cli), first)
        if command is None or (isinstance(command, Group) and second and second not in command.commands):
            unknown.append(name)
    assert not unknown


# --- the manifest of docs/kubernetes.md ----------------------------------------------------------------------------

MANIFEST = next(block.text for block in blocks("yaml") if "kind: Pod" in block.text)


def settings_of_the_manifest() -> dict[str, str]:
    """The variables with plain values; those from elsewhere get one."""
    plain = dict(re.findall(r"\{name: (\w+), value: (.+)\}", MANIFEST))
    values = {name: value.strip("'") if value[0] == "'" else value.strip('"') for name, value in plain.items()}
    elsewhere = re.findall(r"- name: (\w+)\n\s+valueFrom", MANIFEST)
    assert set(elsewhere) == {"GPUWARDEN_AGENT__NODE", "GPUWARDEN_CHANNELS__TEAM__URL"}
    samples = ("gpu-07", "https://hooks.slack.com/services/T0/B0/x")
    return {**values, **dict(zip(elsewhere, samples, strict=True))}


def test_the_manifest_configures_the_agent() -> None:
    from agent.app import schema
    from agent.config.load import load

    loaded = load(config=None, state_dir=None, environ=settings_of_the_manifest(), schema=schema())
    mounts = dict(re.findall(r"\{name: (\w[\w-]*), mountPath: ([^,}]+)", MANIFEST))
    assert set(mounts) == set(re.findall(r"^    - name: ([\w-]+)\n      emptyDir", MANIFEST, re.MULTILINE))
    assert loaded.state_dir.parent == Path(mounts["state"])
    assert loaded.spool_dir.parent == Path(mounts["hand-in"])
    assert loaded.settings.agent.node == "gpu-07"
    assert not loaded.warnings


def test_the_manifest_fits_the_image() -> None:
    image = (ROOT / "Dockerfile").read_text()
    (port,) = set(re.findall(r"containerPort: (\d+)", MANIFEST))
    assert f"EXPOSE {port}" in image
    assert settings_of_the_manifest()["GPUWARDEN_SERVER__LISTEN"] == f"0.0.0.0:{port}"
    assert re.search(r"^USER \d+:\d+$", image, re.MULTILINE), "runAsNonRoot needs a number"
    routes = set(re.findall(r"path: (/\w+)", MANIFEST))
    assert routes <= set(re.findall(r'Route\("([^"]+)"', (ROOT / "agent/web/app.py").read_text()))


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


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "pictures").iterdir()), ids=lambda picture: picture.name)
def test_pictures_are_well_formed_and_used(picture: Path) -> None:
    assert ET.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert any(f"pictures/{picture.name})" in page.read_text() for page in PAGES)


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")), ids=lambda page: page.stem)
def test_decisions_are_listed_and_have_their_parts(page: Path) -> None:
    assert f"({page.name})" in (page.parent / "README.md").read_text()
    assert page.read_text().startswith(f"# {page.name[:4]} ")
    assert re.findall(r"^## (\w+)$", page.read_text(), re.MULTILINE) == ["Situation", "Decision", "Consequences"]
