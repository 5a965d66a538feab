"""The shape of the workspace: every hand-kept list names the same members, and arrows point down."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from . import session

ROOT = Path(__file__).parent.parent
MEMBERS = (
    "libs/envid",
    "libs/reqparse",
    "libs/pkgcache",
    "libs/resolvers",
    "apps/cli",
    "apps/metaflow-ext",
)
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "apps",
    "docs",
    "libs",
    "pyproject.toml",
    "tests",
}
MODULE_LINES = 350


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


CONFIG = read(ROOT / "pyproject.toml")
PROJECTS = {member: read(ROOT / member / "pyproject.toml")["project"] for member in MEMBERS}
IMPORTS = {
    "libs/envid": "envid",
    "libs/reqparse": "reqparse",
    "libs/pkgcache": "pkgcache",
    "libs/resolvers": "resolvers",
    "apps/cli": "mfenv",
    "apps/metaflow-ext": "metaflow_extensions.mfenv",
}
BY_IMPORT = {name: member for member, name in IMPORTS.items()}


def version_of(member: str) -> str:
    about = ROOT / member / "src" / IMPORTS[member].replace(".", "/") / "__about__.py"
    (statement,) = ast.parse(about.read_text()).body
    assert isinstance(statement, ast.Assign)
    return str(ast.literal_eval(statement.value))


def modules(member: str) -> list[Path]:
    return sorted((ROOT / member / "src").rglob("*.py"))


@functools.cache
def statements(path: Path) -> tuple[ast.stmt, ...]:
    """All of a module, however deep they stand; tests look at each module several times."""
    return tuple(
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.stmt)
    )


def code_lines(path: Path) -> int:
    """Lines that carry code: no blanks, comments or docstrings."""
    text = path.read_text()
    lines = {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#")
    }
    for node in statements(path):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_top_level_is_the_design_cards() -> None:

    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} <= TOP_LEVEL


def test_every_list_names_the_members() -> None:
    envs = CONFIG["tool"]["hatch"]["envs"]
    assert tuple(envs["default"]["workspace"]["members"]) == MEMBERS
    assert tuple(envs["hatch-test"]["workspace"]["members"]) == MEMBERS
    assert tuple(envs["docs"]["workspace"]["members"]) == MEMBERS
    assert tuple(envs["alone"]["matrix"][0]["member"]) == MEMBERS
    assert tuple(CONFIG["tool"]["mypy"]["mypy_path"]) == tuple(f"{m}/src" for m in MEMBERS)
    assert tuple(CONFIG["tool"]["coverage"]["run"]["source_pkgs"]) == tuple(IMPORTS.values())


@pytest.mark.parametrize("member", MEMBERS)
def test_member_is_complete(member: str) -> None:
    folder = ROOT / member
    package = folder / "src" / IMPORTS[member].replace(".", "/")
    for path in (folder / "README.md", folder / "LICENSE", package / "py.typed"):
        assert path.is_file(), path
    assert list((folder / "tests").rglob("test_*.py")), "no tests"
    assert list((folder / "changelog.d").glob("+*.md")), "no changelog fragment"
    assert PROJECTS[member]["requires-python"] == ">=3.10"
    assert PROJECTS[member]["license"] == "Apache-2.0"


@pytest.mark.parametrize("folder", [*(f"{member}/tests" for member in MEMBERS), "tests"])
def test_tests_do_not_depend_on_how_busy_a_machine_is(folder: str) -> None:
    imported = {
        alias.name
        for node in ast.parse((ROOT / folder / "conftest.py").read_text()).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("session")
        for alias in node.names
    }
    assert imported == {*session.__all__}, "`tests.session` is not in force"


@pytest.mark.parametrize("member", MEMBERS)
def test_sibling_pins_admit_the_siblings_in_the_tree(member: str) -> None:
    versions = {PROJECTS[other]["name"]: version_of(other) for other in MEMBERS}
    sources = (
        read(ROOT / member / "pyproject.toml").get("tool", {}).get("uv", {}).get("sources", {})
    )
    siblings = set()
    for text in PROJECTS[member]["dependencies"]:
        requirement = Requirement(text)
        if requirement.name in versions:
            siblings.add(requirement.name)
            version = versions[requirement.name]
            assert requirement.specifier, f"{text} has no bounds"
            assert requirement.specifier.contains(version, prereleases=True), f"{text}: {version}"
    assert set(sources) == siblings, "every sibling is a workspace source"


@pytest.mark.parametrize("member", MEMBERS)
def test_siblings_are_imported_only_if_declared_and_only_by_public_names(member: str) -> None:
    names = {PROJECTS[other]["name"]: IMPORTS[other] for other in MEMBERS}
    declared = {
        names[Requirement(text).name]
        for text in PROJECTS[member]["dependencies"]
        if Requirement(text).name in names
    }
    for path in modules(member):
        for node in statements(path):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in imported:
                top = name.split(".")[0]
                if top not in BY_IMPORT or BY_IMPORT[top] == member:
                    continue
                assert top in declared, f"{path.name} imports {name}, which is not declared"
                private = [part for part in name.split(".") if part.startswith("_")]
                assert set(private) <= {"__version__", "__about__"}, f"{path.name} imports {name}"


@pytest.mark.parametrize("member", MEMBERS)
def test_modules_stay_small(member: str) -> None:
    long = {path.name: code_lines(path) for path in modules(member)}
    assert {name: lines for name, lines in long.items() if lines > MODULE_LINES} == {}


@pytest.mark.parametrize("member", MEMBERS)
def test_no_cycle_among_declared_siblings(member: str) -> None:
    names = {PROJECTS[other]["name"]: other for other in MEMBERS}
    order = {name: index for index, name in enumerate(MEMBERS)}
    for text in PROJECTS[member]["dependencies"]:
        sibling = names.get(Requirement(text).name)
        if sibling:
            assert order[sibling] < order[member], f"{member} points up at {sibling}"


def imports(member: str) -> dict[str, set[str]]:
    """The modules of a member, and those of its own that each imports, be it for types alone."""
    source = ROOT / member / "src"
    paths = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules(member)
    }
    found = {}
    for name, path in paths.items():
        asked = set()
        for node in statements(path):
            if isinstance(node, ast.Import):
                asked |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                asked |= inside & paths.keys() or {node.module}
        found[name] = asked & paths.keys() - {name}
    return found


@pytest.mark.parametrize("member", MEMBERS)
def test_imports_make_no_circle(member: str) -> None:
    try:
        TopologicalSorter(imports(member)).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_rooms_import_in_one_direction() -> None:
    rooms: dict[str, set[str]] = {}
    for name, asked in imports("libs/pkgcache").items():
        _, room, *rest = (*name.split("."), "")
        if rest[:-1]:
            others = {one.split(".")[1] for one in asked if one.count(".") > 1} - {room}
            rooms.setdefault(room, set()).update(others)
        else:  # what all rooms use knows none of them
            assert not {one for one in asked if one.count(".") > 1}, name
    assert len(rooms) > 4
    TopologicalSorter(rooms).prepare()


def test_resolvers_see_no_room_that_keeps_packages() -> None:
    rooms: set[str] = set()
    beside: set[str] = set()
    for path in modules("libs/resolvers"):
        for text in re.findall(
            r"^ *(?:from|import) pkgcache\.(\S+)", path.read_text(), re.MULTILINE
        ):
            room, dot, _ = text.partition(".")
            (rooms if dot else beside).add(room)
    assert rooms == {"archives", "web"}
    assert beside == {
        *("errors", "lacking", "lazy", "locks", "progress", "threads", "whole_files", "worker"),
    }


def test_a_class_has_a_name_of_its_own() -> None:
    defined: dict[str, list[str]] = {}
    for member in MEMBERS:
        for path in modules(member):
            for node in statements(path):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    defined.setdefault(node.name, []).append(f"{member}: {path.name}")
    twins = {name: places for name, places in defined.items() if len(places) > 1}
    # The extension's records, which import nothing, of what the libraries have under these names.
    assert twins.keys() == {"EnvId", "Runtime", "RuntimeObject"}, twins
    assert all(any("records.py" in place for place in places) for places in twins.values())


def test_commands_and_the_extension_see_the_face_alone() -> None:
    below = {"_database", "places", "registry", "site"}
    below |= {"answering", "building", "comparisons", "contents", "exports", "fetching", "finding"}
    below |= {"licences", "locking", "mending", "packing", "past", "prefixes", "publishing"}
    below |= {"removing", "resolving", "runtime", "sources", "usage"}
    commands = sorted((ROOT / "apps/cli/src/mfenv/_commands").glob("*.py"))
    for path in (*commands, *modules("apps/metaflow-ext")):
        text = path.read_text()
        assert "._site" not in text, path
        for name in re.findall(r"^ *(?:from|import) mfenv\.(\w+)", text, re.MULTILINE):
            assert name not in below, f"{path.name} imports {name}"


def test_every_test_of_the_root_is_in_a_suite_of_its_own() -> None:
    suites = re.findall(r"hatch test -- (\S+)", (ROOT / ".ci" / "run").read_text())
    files = [
        file
        for suite in suites
        for path in ROOT.glob(suite)
        for file in (path.rglob("test_*.py") if path.is_dir() else [path])
    ]
    assert sorted(files) == sorted((ROOT / "tests").rglob("test_*.py"))
