"""Every statement that a request can hold is used, noted or refused by name; none is dropped.

`statement_tables` says how the tables in `statements/` are written. Used: the request differs from
the same without the statement. Noted: a note names it. Refused: an error names it.
"""

from __future__ import annotations

import ast
import ensurepip
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from mfenv.request import Request
from mfenv.settings import ALL_SETTINGS
from reqparse import ParseErrors, Requirement, RequirementSet, StatedSource, parse_file
from reqparse.files import kind_of

from . import statement_tables as tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from .helpers import Done, Machine
    from .statement_tables import Row


SHARED = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.mark.parametrize("row", tables.named("runs", other=True), ids=str)
def test_a_statement_is_used_noted_or_refused(row: Row, tmp_path: Path) -> None:
    plain = tables.outcome(row, row.plain, tmp_path / "plain")
    said = tables.outcome(row, row.example, tmp_path / "said")
    assert not plain.error
    if row.outcome == "refused":
        assert row.says in said.error
        return
    assert not said.error
    if row.outcome == "used":
        assert said.request != plain.request
    else:
        assert [note for note in said.notes if row.says in note], said.notes
        assert not [note for note in plain.notes if row.says in note], plain.notes


@pytest.mark.slow
@pytest.mark.parametrize("row", tables.named("runs"), ids=str)
def test_an_option_of_the_run_makes_a_difference(
    row: Row, machines: Callable[[str], Machine]
) -> None:
    def end(machine: Machine, words: str) -> tuple[Any, ...]:
        if row.before:
            machine.ok("resolve", *shlex.split(row.before))
        done = machine.run("resolve", *shlex.split(words))
        assert "defect of mfenv" not in done.err
        return done.status, done.out, _timeless(done), machine.objects(), _names(machine)

    plain = machines("plain")
    assert end(machines("said"), row.example) != end(plain, row.plain)


def _timeless(done: Done) -> str:
    return re.sub(r"\d+\.\d+ s\b", "", done.err)


def _names(machine: Machine) -> tuple[int, ...]:
    return tuple(
        len(machine.rows().get(name, ())) for name in ("environments", "defaults", "aliases")
    )


# No statement is forgotten: whoever adds one finds here where its row is missing


def test_every_option_of_resolve_has_a_row() -> None:
    from mfenv._commands.resolve import resolve
    from mfenv._output import output_options

    def names(command: click.Command) -> list[str]:
        return [max(parameter.opts, key=len) for parameter in command.params]

    # How much is said, and in which colours, is nothing that is asked for.
    shown = names(output_options(click.Command("any")))
    options = [name for name in names(resolve) if name not in shown]
    assert sorted(options) == sorted(tables.statements("resolve", "resolve-run"))


def test_a_lock_file_keeps_every_option_that_says_what_is_asked() -> None:
    from mfenv._commands.lock import lock
    from mfenv.lockfile.names import ASKED, SETTINGS

    kept = {f"--{name}" for name in (*ASKED, *SETTINGS)}
    # What is known somewhere is nothing that a repository holds, and another lock is one already.
    known = {"--from", "--using", "--lock", "--locked", "--environment"}
    known |= {"--no-group", "--default-groups", "--only-group", "--package"}
    assert tables.statements("resolve") - kept == known
    offered = {max(parameter.opts, key=len) for parameter in lock.params}
    assert kept <= offered


def test_every_setting_has_a_row() -> None:
    assert tables.statements("settings", "settings-here") == ALL_SETTINGS.keys()
    assert not tables.statements("settings") & tables.statements("settings-here")


def test_every_field_of_a_request_has_a_row() -> None:
    # A request again, and one beside another, need an environment: `--from`, `--using`.
    known = set(Request._fields) - {"same_as", "using"}
    assert tables.statements("request") == known


def test_every_field_of_what_a_file_says_has_a_row() -> None:
    # The python, the lock files, the notes and what is dynamic of a file have rows of their own; how
    # it was made is said in comments.
    known = {one.name for one in fields(RequirementSet)}
    known -= {"notes", "packages", "places", "python", "requirements", "sources", "no_defaults"}
    known -= {"lock", "compiled", "dynamic"}
    # What is said in the text, where it stands, and what is no statement.
    parts = {"category", "name", "extras", "specifier", "build", "url", "marker", "path"}
    parts |= {"origin", "original", "secret"}
    known |= {f"requirement.{one.name}" for one in fields(Requirement) if one.name not in parts}
    labels = {"name", "origin", "secret"}
    known |= {f"source.{one.name}" for one in fields(StatedSource) if one.name not in labels}
    assert tables.statements("stated") - {"source"} == known


@pytest.mark.slow
def test_every_option_that_pip_knows_in_a_file_has_a_row() -> None:
    bundled = list((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if not bundled:
        pytest.skip("this Python brings no pip")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pip._internal.req.req_file import SUPPORTED_OPTIONS, SUPPORTED_OPTIONS_REQ\n"
        "for make in SUPPORTED_OPTIONS + SUPPORTED_OPTIONS_REQ:\n"
        "    option = make(); print(*option._long_opts)"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(bundled[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    named = tables.statements("requirements-txt")
    assert not [line for line in done.stdout.splitlines() if not named.intersection(line.split())]


def test_every_option_that_we_read_in_a_file_has_a_row() -> None:
    from reqparse._options import SPELLING

    named = tables.statements("requirements-txt")
    assert not set(SPELLING.values()) - named


def test_every_key_of_an_environment_file_has_a_row() -> None:
    from reqparse.environment_yml import KEYS

    assert not set(KEYS) - tables.statements("environment-yml")


# Where keys of tables are read, and the tables of statements with their rows.
TABLES = {
    "_conda_lock_table": ("conda-lock-table",),
    "_conda_table": ("pixi-toml",),
    "_other_tools": ("project-table",),
    "_pixi_feature": ("pixi-toml",),
    "_pixi_table": ("pixi-toml",),
    "_poetry": ("poetry-table",),
    "_project": ("uv-table", "pixi-toml"),
    "_uv_table": ("uv-table",),
    "conda_lock": ("conda-lock-yml", "pixi-lock"),
    "pixi_lock": ("pixi-lock",),
    "pipfile_lock": ("pipfile-lock",),
    "poetry_lock": ("poetry-lock",),
    "pylock": ("pylock-toml",),
    "pyproject": ("project-table", "script"),
    "uv_lock": ("uv-lock",),
}
# What is no statement of a request: it describes a project or a file, or names a table of a tool.
NO_STATEMENTS = {
    "_other_tools": {"metadata", "resolution", "file", "name", "url"},
    "_pixi_feature": {"tasks", "variables"},
    "_pixi_table": {"project", "workspace", "$schema", "name"},
    "_poetry": {"name"},
    "_uv_table": {"name", "url", "default", "format"},
    "conda_lock": {"metadata", "package", "name", "platform", "url", "version"},
    "pixi_lock": {"conda", "environments", "packages", "kind", "name", "version", "path", "url"},
    "pipfile_lock": {"_meta", "name", "url"},
    "poetry_lock": {"metadata", "package", "name", "url", "file"},
    "pylock": {"commit-id", "type", "url", "path"},
    "pyproject": {"dependencies", "project", "tool", "uv", "pixi", "pdm", "poetry", "flit"}
    | {"conda-lock", "setuptools", "build-system", "skip-non-conda-lock", "name"},
    "uv_lock": {
        "package",
        "metadata",
        "url",
        "path",
        "registry",
        "git",
        "rev",
        "subdirectory",
        "size",
    },
}


# The tables of reasons in those modules: keys that are known, and not used.
REASONS = (
    "_UNUSED",
    "_OPTIONS",
    "_INDEX",
    "_TOP",
    "_ENVIRONMENT",
    "_OF_UV",
    "_NOT_HERE",
    "_SYSTEM",
)


@pytest.mark.parametrize("name", TABLES)
def test_every_key_that_is_read_in_a_table_has_a_row(name: str) -> None:
    module = import_module(f"reqparse.{name}")
    known = {key for reasons in REASONS for key in getattr(module, reasons, ())}
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            arguments = node.args if node.func.attr in ("get", "opt", "number") else []
            known |= {ast.literal_eval(a) for a in arguments if isinstance(a, ast.Constant)}
            if node.func.attr == "unused" and isinstance(node.args[1], ast.Dict):
                known |= {ast.literal_eval(key) for key in node.args[1].keys if key}
    named = tables.statements(*TABLES[name]) | NO_STATEMENTS.get(name, set())
    assert sorted(key for key in known - named if isinstance(key, str) and key) == []


@pytest.mark.shared
def test_every_key_of_other_peoples_environment_files_has_a_row() -> None:
    folders = [SHARED / "wild/env", SHARED / "environment-yml"]
    paths = [path for folder in folders for path in folder.rglob("*.y*ml")]
    if not paths:
        pytest.skip(f"no files in {SHARED}")
    found: set[str] = set()
    for path in paths:
        data = path.read_bytes()
        with suppress(ParseErrors):
            if kind_of(path.name, data) == "environment.yml" and parse_file(path).requirements:
                found.update(re.findall(r"(?m)^([A-Za-z][\w-]*):", data.decode()))
    assert not found - tables.statements("environment-yml")


def test_every_key_in_the_brackets_of_a_matchspec_has_a_row() -> None:
    from rattler import MatchSpec

    from reqparse._conda import KEYS

    named = tables.statements("matchspec")
    # The attributes of another reader's MatchSpec that are no names of keys, and its methods.
    theirs = {"file_name": "fn", "condition": "when"}
    keys = {theirs.get(name, name) for name in vars(MatchSpec) if not name.startswith("_")}
    methods = {"matches", "from_nameless", "from_url", "to_canonical_string", "name"}
    assert not (set(KEYS) | keys) - methods - named


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Metaflow vendors
def test_every_argument_of_a_decorator_has_a_row() -> None:
    import metaflow  # noqa: F401 - it imports its extensions in an order of its own

    from metaflow_extensions.mfenv import decorators

    known = {
        f"{one.name.removesuffix('_base')}.{argument}"
        for name in decorators.__all__
        for one in (getattr(decorators, name),)
        for argument in one.defaults
    }
    assert not known - tables.statements("decorators")
