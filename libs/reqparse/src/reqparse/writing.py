"""Writing what was read: requirements.txt and environment.yml.

What is written is read again before it is given out, so that a set for which a format has no
words is refused instead of being written as something else.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import fields, replace
from itertools import groupby, takewhile
from typing import TYPE_CHECKING
from urllib.parse import unquote

from reqparse import environment_yml, requirements_txt
from reqparse._conda import pep440
from reqparse._flaw import Flaw
from reqparse._pypi import from_filename
from reqparse._reading import Reading
from reqparse._url import is_vcs
from reqparse.errors import NotExpressible, ParseErrors
from reqparse.model import Requirement, RequirementSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse.stated import PythonRequirement, StatedSource

__all__ = ["to_constraints_txt", "to_environment_yml", "to_requirements_txt"]

_SOURCES = {
    "index": "--index-url",
    "extra-index": "--extra-index-url",
    "find-links": "--find-links",
    "channel": "--conda-channel",
}
_SECTIONS = {"conda": "", "sys": "sys", "pypi": "pip", "npconda": "pip"}
_SELECTORS = {
    "linux-64": "linux64",
    "linux-aarch64": "aarch64",
    "osx-64": "osx64",
    "osx-arm64": "arm64",
}


def to_requirements_txt(
    requirements: RequirementSet, *, constraints_file: str | None = None, secrets: bool = False
) -> str:
    """A requirements.txt that reads as an equal set, notes and places aside.

    `constraints_file` is where the text of `to_constraints_txt()` will lie. Credentials are
    left out unless `secrets` asks for them. Raises NotExpressible, with every reason.
    """
    target = "requirements.txt"
    _check(_requirements_txt_of(requirements, None, secrets=secrets), requirements, target)
    _need_file(requirements, constraints_file, target)
    return _requirements_txt_of(requirements, constraints_file, secrets=secrets)


def to_constraints_txt(requirements: RequirementSet, *, secrets: bool = False) -> str:
    """A requirements file with the constraints alone, for `-c`. Raises NotExpressible."""
    constraints = RequirementSet(requirements=requirements.constraints)
    return to_requirements_txt(constraints, secrets=secrets)


def to_environment_yml(
    requirements: RequirementSet, *, constraints_file: str | None = None, secrets: bool = False
) -> str:
    """An environment.yml that reads as an equal set; otherwise as `to_requirements_txt`."""
    target = "environment.yml"
    _check(_environment_yml_of(requirements, None, secrets=secrets), requirements, target)
    _need_file(requirements, constraints_file, target)
    return _environment_yml_of(requirements, constraints_file, secrets=secrets)


def _requirements_txt_of(requirements: RequirementSet, file: str | None, *, secrets: bool) -> str:
    lines = [*_options(requirements), *(_source(s, secrets=secrets) for s in requirements.sources)]
    lines += [f"-c {shlex.quote(file)}"] if file else []
    lines += [_python(p) for p in requirements.python]
    lines += [_line(r, secrets=secrets) for r in requirements.requirements]
    return "".join(f"{line}\n" for line in lines)


def _environment_yml_of(requirements: RequirementSet, file: str | None, *, secrets: bool) -> str:
    # Sources keep their order: a channel behind an index cannot stand under `channels:`.
    channels = list(takewhile(lambda source: source.kind == "channel", requirements.sources))
    lines = [f"name: {json.dumps(requirements.name)}"] if requirements.name is not None else []
    lines += [
        f"category: {json.dumps(g)}" for g in {r.group for r in requirements.requirements} if g
    ]
    if channels or requirements.no_defaults:
        lines.append("channels:")
        lines += ["  - nodefaults"] if requirements.no_defaults else []
        lines += [_item(s.secret_url if secrets else s.url, s.platforms, 2) for s in channels]
    if requirements.platforms:
        lines.append(f"platforms: {json.dumps(list(requirements.platforms))}")
    lines.append("dependencies:")
    pip: list[tuple[str, tuple[str, ...] | None]] = [
        (option, None) for option in _options(requirements)
    ]
    pip += [
        (_source(s, secrets=secrets), s.platforms) for s in requirements.sources[len(channels) :]
    ]
    pip += [(f"-c {shlex.quote(file)}", None)] if file else []
    # conda's `python` will be read as such a statement again.
    said = {(pep440(r.specifier), r.platforms) for r in requirements.requirements if _is_python(r)}
    stated = [
        (_python(p), p.platforms)
        for p in requirements.python
        if (p.specifier, p.platforms) not in said
    ]
    options = [_item(text, platforms, 4) for text, platforms in (*pip, *stated)]
    # What is stated of Python has to be read before conda's own.
    apart = bool(stated) or not any(
        _SECTIONS[r.category] == "pip" for r in requirements.requirements
    )
    lines += ["  - pip:", *options] if options and apart else []
    head = [] if apart else options
    lines += _dependencies(requirements.requirements, head, secrets=secrets)
    if requirements.variables:
        lines.append("variables:")
        lines += [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in requirements.variables.items()]
    return "".join(f"{line}\n" for line in lines)


def _dependencies(
    requirements: tuple[Requirement, ...], options: list[str], *, secrets: bool
) -> Iterator[str]:
    """The items, with those for pip and the virtual packages in lists of their own.

    `options` are those of pip, which begin its first list: of several conda takes the last alone.
    """
    # Only neighbours share a list, so that they are read in the same order.
    for section, group in groupby(requirements, key=lambda r: _SECTIONS[r.category]):
        if section:
            yield f"  - {section}:"
        if section == "pip":
            yield from options
            options = []
        for r in group:
            text = _line(r, secrets=secrets) if section == "pip" else _text(r, secrets=secrets)
            yield _item(text, r.platforms, 4 if section else 2)


def _item(text: str, platforms: tuple[str, ...] | None, indent: int) -> str:
    comment = ""
    if platforms is not None:
        names = [_SELECTORS.get(p, p) for p in platforms]
        # For no platform at all: `win` is a selector that no known platform fulfils.
        comment = f"  # [{' or '.join(names) or 'win'}]"
    # JSON's strings are YAML's, too, whatever they hold.
    return f"{' ' * indent}- {json.dumps(text)}{comment}"


def _options(requirements: RequirementSet) -> Iterator[str]:
    for flag, option in (
        ("no_index", "--no-index"),
        ("prereleases", "--pre"),
        ("prefer_binary", "--prefer-binary"),
        ("require_hashes", "--require-hashes"),
    ):
        if getattr(requirements, flag):
            yield option
    formats = [(requirements.no_binary, "--no-binary"), (requirements.only_binary, "--only-binary")]
    formats.sort(key=lambda chosen: ":all:" not in chosen[0])  # `:all:` empties the other
    others = [
        (requirements.trusted_hosts, "--trusted-host"),
        (requirements.features, "--use-feature"),
    ]
    for values, option in (*formats, *others):
        yield from (f"{option} {value}" for value in values)


def _need_file(requirements: RequirementSet, file: str | None, target: str) -> None:
    if requirements.constraints and file is None:
        raise NotExpressible(target, ("constraints, unless a file for them is named",))


def _source(source: StatedSource, *, secrets: bool) -> str:
    return f"{_SOURCES[source.kind]} {source.secret_url if secrets else source.url}"


def _python(statement: PythonRequirement) -> str:
    marker = f"; {statement.marker}" if statement.marker else ""
    return f"python{statement.specifier}{marker}"


def _is_python(requirement: Requirement) -> bool:
    return requirement.category == "conda" and requirement.name == "python"


def _text(requirement: Requirement, *, secrets: bool) -> str:
    text = requirement.text
    if secrets and requirement.url and requirement.secret:
        text = text.replace(requirement.url, requirement.secret.value)
    return text


def _line(requirement: Requirement, *, secrets: bool) -> str:
    """A requirement as a line of a requirements file."""
    r = requirement
    if r.category != "pypi":
        option = "--sys-pkg" if r.category == "sys" else "--conda-pkg"
        return f"{option} {r.text}"
    text = _text(r, secrets=secrets)
    url = r.secret_url if secrets else r.url
    # `NAME @ URL` cannot stand behind `-e`, and says no version but that of the file's own name.
    if url and r.name and (r.editable or r.specifier != _version_in(url)):
        text = _with_egg(r, url)
    words = [f"-e {text}" if r.editable else text]
    words += [f"--hash={h}" for h in r.hashes]
    words += [f"--config-settings={shlex.quote(f'{k}={v}')}" for k, v in r.config_settings]
    words += [f"--global-option={shlex.quote(o)}" for o in r.global_options]
    return " ".join(words)


def _version_in(url: str) -> str:
    address = url.partition("#")[0]
    return "" if is_vcs(address) else from_filename(unquote(address)).get("specifier", "")


def _with_egg(r: Requirement, url: str) -> str:
    """A named URL in pip's older spelling, which also says a version and goes behind `-e`."""
    extras = f"[{','.join(r.extras)}]" if r.extras else ""
    egg = f"egg={r.name}{extras}{r.specifier}"
    text = f"{url}{'&' if '#' in url else '#'}{egg}"
    return f"{text} ; {r.marker}" if r.marker else text


def _check(text: str, requirements: RequirementSet, target: str) -> None:
    """Read a text again; NotExpressible names what does not come back as it was."""
    read = requirements_txt.read if target == "requirements.txt" else environment_yml.read
    # Those are in a file that does not lie there yet.
    wanted = replace(requirements, constraints=())
    # Without variables: a `${NAME}` that was left as written must not be put in now.
    reading = Reading(env={})
    try:
        read(reading, f"/{target}", text.encode())
        # Whether that is a lock is told by what it says.
        again = replace(reading.result(), lock=wanted.lock)
    except (ParseErrors, Flaw, UnicodeEncodeError) as error:
        raise NotExpressible(target, (str(error).partition("\n")[0],)) from None
    if again == wanted:
        return
    back = set(again.requirements)
    reasons = tuple(f"all that `{r.text}` says" for r in requirements.requirements if r not in back)
    if not reasons:
        names = [field.name for field in fields(RequirementSet) if field.compare]
        reasons = tuple(n for n in names if getattr(again, n) != getattr(wanted, n))
    raise NotExpressible(target, reasons)
