"""Keeps the house of docs/architecture.md true: who may import whom, what each room may not do, which files exist."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
AGENT = ROOT / "agent"
PAGE = ROOT / "docs" / "architecture.md"
MODULES = sorted(path for path in AGENT.rglob("*.py") if path.name != "__init__.py")

ROOMS = {"core", "sources", "store", "channels", "config", "runtime", "web"}
ATTIC = {
    "app", "banner", "channel_wiring", "daemon", "demo", "demo_agent", "demo_training", "described", "finished", "gpus",
    "lifeline", "offline", "parts", "past", "release", "remote", "remote_disks", "reporting", "roster", "simulation",
    "source_wiring",
}  # fmt: skip
"""The modules beside the rooms, which build and run the whole."""

FLOORS = {
    "core": {"core"},
    "sources": {"core", "sources"},
    "store": {"core", "store"},
    "channels": {"core", "channels"},
    "config": {"core", "config"},
    "runtime": {"core", "store", "runtime"},
    "web": {"core", "store", "config", "runtime", "web"},
    **dict.fromkeys(ATTIC, ROOMS | ATTIC),
    "cli": {"core", "config", "cli"} | ATTIC,
    "__main__": {"cli"},
}
"""Which rooms each room may import. The rooms of the first floor know the ground and themselves."""

PURE = {
    "abc", "base64", "bisect", "collections", "dataclasses", "datetime", "enum", "fnmatch", "functools",
    "hashlib", "heapq", "importlib.resources", "ipaddress", "itertools", "json", "math", "operator",
    "pathlib.PurePath", "pathlib.PurePosixPath", "re", "statistics", "string", "textwrap", "tomllib", "types",
    "typing", "unicodedata", "urllib.parse", "uuid",
}
"""What core may use of the standard library: nothing here reads a clock, a file, a socket, chance or a thread."""

IMPURE_CALLS = {"open", "print", "input", "now", "utcnow", "today", "uuid1", "uuid4", "getLogger"}

ONLY = {
    "pynvml": {"sources/gpu/nvml.py"},
    "rich": {"cli/"},
    "click": {"cli/", "__main__.py"},
    "sqlite3": {"store/", "runtime/"},
    "starlette": {"web/"},
    "uvicorn": {"web/"},
    "watchdog": {"sources/"},
    "hyperscan": {"sources/logs/"},
    "httpx": {"cli/"},
    "httpcore": {"channels/shared/"},
    "matplotlib": {"channels/shared/drawing_child.py"},
    "prometheus_client": {"runtime/", "web/"},
}
"""Libraries that belong to one place, so that what needs none of them stays small and quick to start."""

MEASURES_DISKS = {"sources/filesystem.py", "store/"}
"""A look at a file system may hang: one source does it; the store looks at its own disk for the reserve."""

CATCHES_BROADLY = {"runtime/worker.py"}

MAX_FILE, MAX_FUNCTION = 300, 45


def name_of(path: Path) -> str:
    return path.relative_to(AGENT).as_posix()


def within(path: Path, places: set[str]) -> bool:
    name = name_of(path)
    return any(name.startswith(place) if place.endswith("/") else name == place for place in places)


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=[path.relative_to(ROOT).as_posix() for path in paths])


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, wherever in the file, with its line: (12, "agent.core.model")."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            # `from agent import app` names a module, and of pathlib only a part is pure.
            parents = {"agent", "importlib", "pathlib", "urllib"}
            split = node.module in parents
            yield from ((node.lineno, f"{node.module}.{a.name}" if split else node.module) for a in node.names)


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """The last name of everything that a file calls, with its line: `datetime.now()` is (7, "now")."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield node.lineno, name


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True)
    if listing.returncode != 0:
        pytest.skip(f"needs a git checkout: {listing.stderr.strip()}")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@each(MODULES)
def test_imports_point_downward_only(path: Path) -> None:
    room = Path(name_of(path)).parts[0].removesuffix(".py")
    wrong = [
        f"line {line}: {module}"
        for line, module in imports(path)
        if module.split(".")[0] == "agent" and module.split(".")[1] not in FLOORS[room]
    ]
    assert not wrong, f"{room} may import {sorted(FLOORS[room])} only"


@each([path for path in MODULES if within(path, {"core/"})])
def test_core_is_pure(path: Path) -> None:
    def allowed(module: str) -> bool:
        parts = module.split(".")
        return parts[0] in {"agent", *PURE} or ".".join(parts[:2]) in PURE

    wrong = [f"line {line}: imports {module}" for line, module in imports(path) if not allowed(module)]
    wrong += [f"line {line}: calls {name}" for line, name in calls(path) if name in IMPURE_CALLS]
    wrong += [f"line {node.lineno}: global" for node in ast.walk(tree_of(path)) if isinstance(node, ast.Global)]
    assert not wrong


def test_what_core_may_use_belongs_to_the_standard_library() -> None:
    assert {module.split(".")[0] for module in PURE} <= sys.stdlib_module_names


@each(MODULES)
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    wrong = [
        f"line {line}: {module}"
        for line, module in imports(path)
        if (library := module.split(".")[0]) in ONLY and not within(path, ONLY[library])
    ]
    assert not wrong


@each([path for path in MODULES if not within(path, MEASURES_DISKS)])
def test_only_the_disk_source_measures_disks(path: Path) -> None:
    assert not [(line, name) for line, name in calls(path) if name in {"disk_usage", "statvfs", "fstatvfs"}]


@each([path for path in MODULES if not within(path, CATCHES_BROADLY)])
def test_only_the_worker_catches_broadly(path: Path) -> None:
    def names(node: ast.ExceptHandler) -> set[str]:
        return {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"Exception"}

    handlers = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ExceptHandler)]
    assert not [node.lineno for node in handlers if names(node) & {"Exception", "BaseException"}]


@each(MODULES)
def test_modules_say_what_they_are_for(path: Path) -> None:
    assert ast.get_docstring(tree_of(path))


def test_package_files_are_empty() -> None:
    assert not [name_of(path) for path in AGENT.rglob("__init__.py") if path.stat().st_size]


@each(MODULES)
def test_files_and_functions_fit_on_a_desk(path: Path) -> None:
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    sizes = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    assert len(path.read_text().splitlines()) <= MAX_FILE
    assert not {name: size for name, size in sizes.items() if size > MAX_FUNCTION}


def listed_files() -> dict[str, str]:
    """The files that the page lists, with what it says of each.

    The page has one `text` block a room. Its first line is the folder, each further line a file, indented by two
    spaces a level, and two or more spaces later what the file is for; folders end with a slash.
    """
    files = {}
    for block in re.findall(r"^```text\n(agent/.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        folders: list[str] = []
        for line in block.splitlines():
            name, _, purpose = line.strip().partition("  ")
            depth = (len(line) - len(line.lstrip())) // 2
            folders = folders[:depth]
            if name.endswith("/"):
                folders.append(name)
            else:
                files["".join([*folders, name])] = purpose.strip()
    return files


def test_the_architecture_page_lists_every_file() -> None:
    kinds = {".py", ".toml", ".sql"}
    existing = {
        path.relative_to(ROOT).as_posix()
        for path in AGENT.rglob("*")
        if path.suffix in kinds and path.name != "__init__.py"
    }
    listed = listed_files()
    assert sorted(existing - listed.keys()) == [], "these files are not on the page"
    assert sorted(listed.keys() - existing) == [], "the page lists files that do not exist"
    assert not [name for name, purpose in listed.items() if not purpose]


# Each word is cut in two, so that this file does not hold what it forbids.
FORBIDDEN = {
    "a registry's host": r"py" r"pi\.org|python" r"hosted|registry\.npm" r"js|deb\." r"debian\.org",
    "a path of one machine": r"/wo" r"rk/|/fa" r"rm/|/opt/py" r"pi|/ro" r"ot/\.",
    "an unfinished mark": r"\bTO" r"DO\b|\bFIX" r"ME\b|\bX" r"XX\b|NotImplemented" r"Error",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    places = []
    for path in tracked():
        lines = path.read_text(errors="replace").splitlines()
        places += [f"{path.relative_to(ROOT)}:{n}: {line}" for n, line in enumerate(lines, 1) if pattern.search(line)]
    assert not places


def comments(path: Path) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_every_lifted_lint_rule_has_a_reason() -> None:
    with_reason = re.compile(r"# noqa: [A-Z]+\d+(, ?[A-Z]+\d+)* - \w.+")
    sources = [path for path in tracked() if path.suffix == ".py"]
    assert not [
        f"{path.relative_to(ROOT)}:{line}: {comment}"
        for path in sources
        for line, comment in comments(path)
        if "noqa" in comment and not with_reason.search(comment)
    ]
