"""What pages say that is known elsewhere: a Sphinx extension that fills in two kinds of comments.

`<!-- generated: NAME -->` is made from the code, `<!-- table: README: HEAD -->` is the table of a README
whose first head is HEAD. Each part is MyST Markdown, so that tests read it without Sphinx.
"""

from __future__ import annotations

import json
import os
import re
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["LIBRARIES", "PARTS", "commands", "filled", "public_modules", "setup"]

_ROOT = Path(__file__).parent.parent
_GENERATED = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)
_TABLE = re.compile(r"^<!-- table: (\S+): (.+) -->$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#]+)(#[^)]*)?\)")

LIBRARIES = {
    "envid": "libs/envid",
    "reqparse": "libs/reqparse",
    "pkgcache": "libs/pkgcache",
    "resolvers": "libs/resolvers",
    "mfenv": "apps/cli",
}
"""The libraries, and where they are."""


def filled(text: str, folder: Path) -> str:
    """The text of a page in `folder` with what belongs into it.

    Raises `KeyError` for a part that is none, and `ValueError` for a table that is not there.
    """
    text = _GENERATED.sub(lambda mark: PARTS[mark[1]](), text)
    return _TABLE.sub(lambda mark: _table_of(_ROOT / mark[1], mark[2], folder), text)


def _table_of(readme: Path, head: str, folder: Path) -> str:
    """A table of a README, with its links to other pages of the site, and without its others."""
    lines = readme.read_text(encoding="utf-8").splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith(f"| {head} |")), None)
    if start is None:
        raise ValueError(f"{readme}: there is no table `{head}`")
    end = next(n for n in range(start, len(lines) + 1) if n == len(lines) or not lines[n])

    def link(match: re.Match[str]) -> str:
        there = (readme.parent / match[2]).resolve()
        if not there.is_relative_to(_ROOT / "docs"):
            return match[1]
        return f"[{match[1]}]({os.path.relpath(there, folder)}{match[3] or ''})"

    return _LINK.sub(link, "\n".join(lines[start:end]))


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by what is typed, such as `mfenv cache verify`, groups included."""
    from mfenv._cli import cli

    yield from _below("mfenv", cli)


def public_modules(library: str) -> list[str]:
    """The modules of a library that others may import."""
    source = _ROOT / LIBRARIES[library] / "src"
    if library == "mfenv":
        readme = (_ROOT / LIBRARIES[library] / "README.md").read_text(encoding="utf-8")
        rows = readme.partition("| public name |")[2].partition("\n\n")[0]
        firsts = "".join(row.split(" | ")[0] for row in rows.splitlines())
        return re.findall(r"`(mfenv\.\w+)`", firsts)
    found = []
    for path in sorted((source / library).rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        # A package only names again what its modules have.
        if not any(part.startswith("_") for part in parts):
            found.append(".".join(parts))
    return found


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for word, subcommand in sorted(command.commands.items()):
            yield from _below(f"{name} {word}", subcommand)


def _of_commands() -> str:
    (_, whole), *others = commands()
    common = {option for one in whole.params for option in one.opts}
    context = click.Context(whole, info_name="mfenv")
    parts = [_table(("option of every command", "does"), _options(whole, context, set()))]
    parts += [_of_command(name, command, common) for name, command in others]
    return "\n\n".join(parts)


def _of_metaflow() -> str:
    """The commands that Metaflow has beside those of `mfenv`."""
    from metaflow._vendor import click as its_click

    from metaflow_extensions.mfenv.commands import environment
    from metaflow_extensions.mfenv.environment_cli import environment as of_flow

    common = {option for one in environment.params for option in one.opts}
    ours = {command.name for _, command in commands()}
    own = [one for name, one in sorted(environment.commands.items()) if name not in ours]
    flow = "python flow.py --environment=conda environment"
    parts = [_of_command(f"metaflow environment {one.name}", one, common) for one in own]
    parts += [
        _of_command(f"{flow} {one.name}", one, set(), of=its_click)
        for one in of_flow.commands.values()
    ]
    return "\n\n".join(parts).replace("## ", "### ")


def _of_command(name: str, command: Any, common: set[str], *, of: Any = click) -> str:
    """A section on a command, which is made with `of`: Metaflow has a click of its own."""
    context = of.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"## {name}", f"```text\n{usage}\n```", _prose(command.help or "")]
    if options := list(_options(command, context, common)):
        parts.append(_table(("option", "does"), options))
    if command.epilog:
        lines = command.epilog.replace("\b", "").strip().splitlines()[1:]
        examples = "\n".join(line.removeprefix("  ") for line in lines)
        parts.append(f"```text\n{examples}\n```")
    return "\n\n".join(parts)


def _options(command: Any, context: Any, left_out: set[str]) -> Iterator[tuple[str, str]]:
    for one in command.params:
        record = one.get_help_record(context)
        # Of arguments nothing is told.
        if record and record[1] and not left_out.intersection(one.opts):
            yield f"`{record[0]}`", _escaped(record[1])


def _of_settings() -> str:
    from mfenv.settings import ALL_SETTINGS

    rows = []
    for name, setting in ALL_SETTINGS.items():
        meaning = setting.help
        if isinstance(setting.choices, range):
            meaning += f" ({setting.choices[0]} to {setting.choices[-1]})"
        rows.append((f"`{name}`", f"`{_toml(setting.default)}`", meaning))
    return _table(("setting", "default", "is"), rows)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _of_exports() -> str:
    from mfenv.exporting.formats import ASKED, FORMATS, LICENSED, module_of

    rows = []
    for name in FORMATS:
        text = import_module(module_of(name)).__doc__ or ""
        more = ["`--asked`"] * (name in ASKED) + ["licences"] * (name in LICENSED)
        rows.append((f"`{name}`", text.partition("\n\n")[0].replace("\n", " "), ", ".join(more)))
    return _table(("`--format`", "is", "also"), rows)


def _of_json() -> str:
    schema = json.loads((_ROOT / "docs/schemas/commands.schema.json").read_text(encoding="utf-8"))
    shared = {
        name: one
        for name, one in schema["$defs"].items()
        if f'"#/$defs/{name}"' in json.dumps(schema)
    }
    parts = []
    for name, one in schema["$defs"].items():
        if name not in shared:
            outline = "\n".join(_outline(one, shared, ""))
            parts.append(f"## mfenv {name}\n\n```text\n{outline}\n```")
    return "\n\n".join(parts)


def _outline(schema: dict[str, Any], shared: Mapping[str, Any], indent: str) -> Iterator[str]:
    """The fields of an object, a line each; those of objects in them are indented."""
    fields = schema.get("properties") or {"NAME": schema["additionalProperties"]}
    for name, field in fields.items():
        kind, inner = _kind(field, shared)
        about = f"  # {field['description']}" if "description" in field else ""
        yield f"{indent}{name}: {kind}{about}"
        if inner:
            yield from _outline(inner, shared, f"{indent}  ")


def _kind(schema: dict[str, Any], shared: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """How the values of a field are called, and the schema of the objects in it, if any."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found = shared.get(name, {})
        called = "object" if "properties" in found else name
        return called if found else "description", found if called == "object" else None
    if "anyOf" in schema:
        kind, inner = _kind(schema["anyOf"][0], shared)
        return f"{kind}?", inner
    if "enum" in schema:
        return " | ".join(schema["enum"]), None
    kinds = [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
    null = "?" if "null" in kinds else ""
    kinds = [one for one in kinds if one != "null"]
    if kinds == ["array"]:
        kind, inner = _kind(schema["items"], shared)
        return f"list{null} of {kind}", inner
    return " | ".join(kinds) + null, schema if kinds == ["object"] else None


def _of_library(library: str) -> Callable[[], str]:
    def part() -> str:
        found = (
            f"## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n```"
            for module in public_modules(library)
        )
        return "\n\n".join(found)

    return part


PARTS: Mapping[str, Callable[[], str]] = {
    "commands": _of_commands,
    "metaflow": _of_metaflow,
    "settings": _of_settings,
    "exports": _of_exports,
    "json": _of_json,
    **{f"api-{library}": _of_library(library) for library in LIBRARIES},
}
"""What makes each part."""


def _prose(text: str) -> str:
    """The help of a command, whose paragraphs click would fill."""
    paragraphs = text.replace("\f", "").split("\n\n")
    return "\n\n".join(
        f"```text\n{one.removeprefix(chr(8)).strip()}\n```"
        if one.startswith("\b")
        else _escaped(one)
        for one in paragraphs
    )


def _escaped(text: str) -> str:
    """Plain text as Markdown: what stands in backticks is code, all else means itself."""
    parts = " ".join(text.split()).split("`")
    parts[::2] = [re.sub(r"([\\*_<>\[\]$#])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def _plain_docstring(*arguments: Any) -> None:
    """Make reStructuredText of a docstring: plain text with code in backticks, and tables."""
    lines: list[str] = arguments[-1]
    made: list[str] = []
    for is_table, group in groupby(lines, lambda line: line.startswith("|")):
        part = list(group)
        made += _list_table(part) if is_table else _plain_text(part)
    lines[:] = made


def _plain_text(lines: Sequence[str]) -> list[str]:
    text = re.sub(r"\n\n(?=    )", "\n\n::\n\n", "\n".join(lines))  # an example
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\*_|])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"``{part}``\\ " for part in parts[1::2]]
    return "".join(parts).split("\n")


def _list_table(lines: Sequence[str]) -> list[str]:
    made = [".. list-table::", "   :header-rows: 1", ""]
    for line in (lines[0], *lines[2:]):
        for number, cell in enumerate(line.strip("| ").split(" | ")):
            (text,) = _plain_text([cell.strip()])
            made.append(f"   {' ' if number else '*'} - {text}")
    return made


def _fill(app: Any, page: str, content: list[str]) -> None:
    content[0] = filled(content[0], Path(app.env.doc2path(page)).parent)


def setup(app: Any) -> dict[str, bool]:
    """Connect what is generated with Sphinx."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-docstring", _plain_docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
