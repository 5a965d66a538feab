"""The tables in `statements/`, and how their examples are read: by the product's own readers.

One table for each place where statements are made. It says by `reader` how an example is read, and
by `plain` what it is compared with. Under `[used]`, `[noted]` and `[refused]` stands each statement
with the smallest example of it. What follows ` (` in its name tells two examples of one statement
apart. An example may also be a table: `example`, `plain` where it is compared with something else,
`says` for what the note or the error says instead of the name, `files` beside it, `environ` around
it, the groups and extras that are `asked` of it, and, where the command is run, another one `before`
it. `head`, of a row or a whole table, stands in front of the example.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfenv.environments import Environments
from mfenv.host import Host
from mfenv.importing.preparing import prepare_import
from mfenv.request import Request, prepare
from mfenv.settings import Settings
from pkgcache.web.credentials import Credentials
from reqparse import RequirementSet, Setting, StatedSource, parse_file, parse_requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mfenv.request import Prepared

TABLES = Path(__file__).with_name("statements")
OUTCOMES = ("used", "noted", "refused")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One statement of a table."""

    table: str
    outcome: str
    name: str
    example: Any
    plain: Any
    says: str
    files: Mapping[str, str]
    environ: Mapping[str, str]
    asked: Mapping[str, list[str]]
    head: str
    before: str

    def __str__(self) -> str:
        return f"{self.table}: {self.name}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an example: the whole of the request, and what was said."""

    request: Any = None
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an example is read: its table, a folder with its files, and what is around it."""

    table: Mapping[str, Any]
    folder: Path
    environ: Mapping[str, str]
    asked: Mapping[str, list[str]]
    head: str


@cache
def table(name: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((TABLES / f"{name}.toml").read_text())
    return found


def names() -> list[str]:
    return sorted(path.stem for path in TABLES.glob("*.toml"))


def named(reader: str, *, other: bool = False) -> list[Row]:
    """The rows of all tables that are read so, or of all others."""
    return [
        row for name in names() if (table(name)["reader"] == reader) ^ other for row in rows(name)
    ]


def rows(name: str) -> list[Row]:
    whole = table(name)
    found = []
    for outcome in OUTCOMES:
        for key, value in whole.get(outcome, {}).items():
            row = value if isinstance(value, dict) and "example" in value else {"example": value}
            found.append(
                Row(
                    table=name,
                    outcome=outcome,
                    name=key,
                    example=row["example"],
                    plain=row.get("plain", whole["plain"]),
                    says=row.get("says", key.partition(" (")[0]),
                    files=row.get("files", {}),
                    environ=row.get("environ", {}),
                    asked=row.get("asked", {}),
                    head=row.get("head", whole.get("head", "")),
                    before=row.get("before", ""),
                )
            )
    return found


def statements(*tables: str) -> set[str]:
    """The statements that tables name."""
    return {row.name.partition(" (")[0] for name in tables for row in rows(name)}


def outcome(row: Row, example: Any, folder: Path) -> Outcome:
    """What comes of an example of a row, in a folder of its own."""
    folder.mkdir()
    for name, text in row.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    place = Place(
        table=table(row.table),
        folder=folder,
        environ=row.environ,
        asked=row.asked,
        head=row.head,
    )
    try:
        return _READERS[place.table["reader"]](example, place)
    except Exception as error:
        if not hasattr(error, "hint") and not hasattr(error, "format_message"):
            raise
        return Outcome(error=f"{error}; {getattr(error, 'hint', '')}")


def _of(prepared: Prepared) -> Outcome:
    return Outcome(request=(prepared.spec.to_dict(), prepared.platforms), notes=prepared.notes)


def _prepared(request: Request, place: Place) -> Outcome:
    settings = Settings.load(environ=place.environ, directory=place.folder)
    return _of(_understood(request, settings))


def _understood(request: Request, settings: Settings) -> Prepared:
    if request.locks:
        return prepare_import(request, settings, Credentials(), note=lambda _: None)
    return prepare(request, settings, lambda *_: ())


def _file(example: str, place: Place) -> Path:
    path: Path = place.folder / place.table["file"]
    path.write_text(place.head + example)
    return path


def _read_prepared(example: str, place: Place) -> Outcome:
    """A file that says what is asked for."""
    return _prepared(Request(files=(_file(example, place),)), place)


def _read_project(example: str, place: Place) -> Outcome:
    """A file that offers groups and extras, of which some are asked for."""
    asked: dict[str, Any] = {what: tuple(names) for what, names in place.asked.items()}
    return _prepared(Request(pyprojects=(_file(example, place),), **asked), place)


def _read_parsed(example: str, place: Place) -> Outcome:
    """A file that says what was found: reqparse alone reads it."""
    found = parse_file(_file(example, place), env=place.environ)
    return Outcome(request=found, notes=tuple(note.text for note in found.notes))


def _read_conda(example: str, place: Place) -> Outcome:
    """A MatchSpec."""
    return _prepared(Request(conda=(example,)), place)


def _read_request(example: Mapping[str, Any], place: Place) -> Outcome:
    """Fields of a `Request`. Names of files beside it are their paths."""
    asked: dict[str, Any] = {
        key: tuple(_field(key, one, place) for one in value) if isinstance(value, list) else value
        for key, value in example.items()
    }
    return _prepared(Request(**asked), place)


def _field(key: str, value: Any, place: Place) -> Any:
    if key == "stated":
        return _stated(value)
    if key == "contents":
        return place.folder / value[0], value[1].encode()
    if isinstance(value, list):
        return tuple(value)
    return place.folder / value if "." in value and (place.folder / value).is_file() else value


def _stated(value: Mapping[str, Any]) -> RequirementSet:
    """A `RequirementSet` of `app`, with what is said of it under `requirement`."""
    said: dict[str, Any] = {name: _tuples(one) for name, one in value.items()}
    more: dict[str, Any] = said.pop("requirement", {})
    app = replace(parse_requirement("app"), **{name: _tuples(one) for name, one in more.items()})
    sources = tuple(StatedSource(**one) for one in said.pop("sources", ()))
    settings = tuple(Setting(**one) for one in said.pop("settings", ()))
    constraints = tuple(map(parse_requirement, said.pop("constraints", ())))
    return RequirementSet(
        requirements=(app,), sources=sources, settings=settings, constraints=constraints, **said
    )


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


class _Stopped(Exception):
    pass


class _Preparing(Environments):
    """Prepares what it is asked to resolve, and stops there."""

    def resolve(self, request: Request, **_: Any) -> Any:
        if request.locks:
            raise _Stopped(_understood(request, self.settings))
        raise _Stopped(prepare(request, self.settings, self.find, self._site.credentials))


class _PreparingHost(Host):
    def __init__(self, place: Place) -> None:
        super().__init__(quiet=True)
        self._place = place

    def environments(self, options: dict[str, Any] | None = None) -> Environments:
        environ = {"MFENV_HOME": str(self._place.folder / "home"), **self._place.environ}
        return _Preparing(Settings.load(options, environ=environ, directory=self._place.folder))


def _read_words(example: str, place: Place) -> Outcome:
    """The words behind `mfenv resolve`, up to where the request is prepared."""
    from mfenv._cli import cli

    words = ["resolve", *shlex.split(example.replace("FOLDER", str(place.folder)))]
    try:
        cli.main(words, obj=_PreparingHost(place), standalone_mode=False)
    except _Stopped as stopped:
        return _of(stopped.args[0])
    raise AssertionError(words)


def _read_settings(example: Mapping[str, str], place: Place) -> Outcome:
    """Variables around one request."""
    settings = Settings.load(environ=example, directory=place.folder)
    return _of(prepare(Request(**place.table["request"]), settings, lambda *_: ()))


def _read_here(example: Mapping[str, str], place: Place) -> Outcome:
    """Variables that say how this machine works, and nothing of what is asked for."""
    return Outcome(request=Settings.load(environ=example, directory=place.folder))


def _read_decorators(example: Mapping[str, Mapping[str, Any]], place: Place) -> Outcome:
    """The decorators of a step, and of its flow (`_base`), by name, each with its arguments."""
    from metaflow_extensions.mfenv.collect import statement
    from metaflow_extensions.mfenv.run_records import StepStatements
    from metaflow_extensions.mfenv.step_requests import step_request

    settings = Settings.load(environ=place.environ, directory=place.folder)
    stated = tuple(
        statement(
            name.removesuffix("_base"),
            "flow" if name.endswith("_base") else "step",
            f"@{name}",
            {
                key: str(place.folder) + value.removeprefix("FOLDER")
                if isinstance(value, str) and value.startswith("FOLDER")
                else value
                for key, value in attributes.items()
            },
        )
        for name, attributes in example.items()
    )
    asked = StepStatements(step="start", platform=None, gpu=False, stated=stated)
    found = step_request(asked, settings, pins={}, gpu=(), environ=place.environ)
    if found.request is None or found.request.using:
        return Outcome(request=found, notes=found.notes)
    prepared = _of(_understood(found.request, settings))
    return replace(prepared, notes=(*found.notes, *prepared.notes))


_READERS: dict[str, Callable[[Any, Place], Outcome]] = {
    "conda": _read_conda,
    "decorators": _read_decorators,
    "here": _read_here,
    "parsed": _read_parsed,
    "prepared": _read_prepared,
    "project": _read_project,
    "request": _read_request,
    "settings": _read_settings,
    "words": _read_words,
}
