"""requirements.txt as pip documents it, and the extensions for conda, without pip.

Follows pip's "Requirements File Format"; `--conda-pkg SPEC`, `--conda-channel CHANNEL` and
`--sys-pkg NAME=VERSION` are this library's own.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from envid.redaction import redact
from reqparse._conda import conda_requirement, sys_requirement
from reqparse._flaw import Flaw
from reqparse._lines import LogicalLine, decode, logical_lines
from reqparse._options import PER_REQUIREMENT, SPELLING, LineOptions, split_options
from reqparse._pypi import pypi_requirement
from reqparse._strange import check_file, of_lines
from reqparse._url import absolute, directory, is_remote, join
from reqparse.model import Origin, Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reqparse._reading import Reading

__all__ = ["RequirementsReader", "read"]

_HASH = re.compile(r"(sha256|sha384|sha512|md5|sha1|sha224):([0-9A-Fa-f]+)")


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a requirements file and those that it includes say to `reading`."""
    RequirementsReader(reading).read(location, data)


class RequirementsReader:
    """Reads a file and what it includes for a reading.

    The files being read are kept in a dict of our own, since a chain of includes may be deeper
    than Python's stack.
    A file that is included twice in the same role is read once.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._open: dict[str, _File] = {}
        self._seen: dict[tuple[str, bool, object], Origin] = {}
        self._scope: object = None

    def read(self, location: str, data: bytes) -> None:
        """Read a file whose bytes are here already, such as the file that the caller named."""
        # Else no comment says how it was made.
        if b"#" in data:
            from reqparse._compiled import read_compiled

            with suppress(Flaw):  # told where its lines are read
                self._reading.facts["compiled"] = read_compiled(decode(data))
        self._push(location, data, Origin(file=location), constraint=False)
        self._run()

    def line(self, text: str, location: str, origin: Origin, scope: object = None) -> None:
        """Read a line of another file, such as an item of environment.yml's pip list.

        Within a scope a file is included once.
        """
        self._scope = scope
        for line in logical_lines(text, self._reading.env):
            self._line(_File(location, iter(()), constraint=False), line, origin)
            self._run()

    def _run(self) -> None:
        while self._open:
            # What was included last; when it ends, the file that includes it goes on.
            file = next(reversed(self._open.values()))
            line = next(file.lines, None)
            if line is None:
                self._open.popitem()
                self._check(file)
            else:
                file.read += 1
                self._line(file, line, Origin(file=redact(file.location), line=line.number))

    def _check(self, file: _File) -> None:
        """Put a single problem in the place of all, where a file is something else."""
        name, problems = redact(file.location), self._reading.problems
        wrong = {
            problem.origin.line: problem for problem in problems if problem.origin.file == name
        }
        # One for each line, however many an option of it has; those without a line are of the file.
        messages = [problem.message for line, problem in wrong.items() if line]
        if flaw := of_lines(file.data, messages, file.read):
            # Of this file alone: a file that it includes may be what it should.
            self._reading.problems = [
                problem for problem in problems if problem.origin.file != name
            ]
            self._reading.problem(next(iter(wrong.values())).origin, flaw.message, flaw.hint)

    def _push(self, location: str, data: bytes, origin: Origin, *, constraint: bool) -> None:
        with self._reading.guard(Origin(file=redact(location))):
            # Before it is decoded: an archive is no badly encoded text.
            check_file(location, data, "requirements.txt")
            lines = logical_lines(decode(data), self._reading.env)
            # By its role, too: a file that is required and constrains is read as both.
            self._seen[_key(location), constraint, self._scope] = origin
            file = _File(location, lines, constraint=constraint, data=data)
            self._open[_key(location)] = file

    def _enter(self, location: str, origin: Origin, *, constraint: bool) -> None:
        key = _key(location)
        if key in self._open:
            keys = list(self._open)
            cycle = [redact(self._open[k].location) for k in keys[keys.index(key) :]]
            raise Flaw(
                f"the file includes itself: {' -> '.join([*cycle, cycle[0]])}",
                "remove one of the includes",
            )
        if earlier := self._seen.get((key, constraint, self._scope)):
            self._reading.note(origin, f"`{location}` is read already, see {earlier}")
            return
        self._push(location, self._reading.load(location), origin, constraint=constraint)

    def _line(self, file: _File, line: LogicalLine, origin: Origin) -> None:
        for name in line.unset:
            self._reading.note(origin, f"environment variable `{name}` is not set; left as written")
        try:
            text, options = split_options(line.text)
            if text or options.flag("editable"):
                self._requirement(file, line, origin, text, options)
            else:
                self._global(file, line, origin, options)
        except Flaw as flaw:
            # The message may quote what a variable held.
            self._reading.problem(origin, line.hide(flaw.message), flaw.hint)

    def _requirement(
        self, file: _File, line: LogicalLine, origin: Origin, text: str, options: LineOptions
    ) -> None:
        if misplaced := [o for o in options.values if o not in (*PER_REQUIREMENT, "editable")]:
            raise Flaw(
                f"`{SPELLING[misplaced[0]]}` on the line of a requirement",
                "put it on a line of its own",
            )
        if text and options.flag("editable"):
            raise Flaw("`-e` after a requirement means nothing", "put it on a line of its own")
        for value in options.many("install_options"):
            self._reading.note(origin, f"`--install-option={value}`: installers no longer have it")
        extra = {
            "hashes": options.many("hashes"),
            "config": options.many("config_settings"),
            "global_options": options.many("global_options"),
        }
        for target in [text] if text else options.many("editable"):
            requirement = pypi_requirement(target, base=file.base, editable=not text)
            requirement = _with_options(requirement, origin, line, **extra)
            if file.constraint:
                _check_constraint(requirement)
            self._reading.add(requirement, constraint=file.constraint)

    def _global(self, file: _File, line: LogicalLine, origin: Origin, options: LineOptions) -> None:
        for name in PER_REQUIREMENT:
            if options.flag(name):
                raise Flaw(
                    f"`{SPELLING[name]}` without a requirement",
                    "put it behind the requirement, or end the line before with a backslash",
                )
        _set_facts(self._reading, origin, options)
        self._sources(file, origin, options)
        # A requirements file is PyPI's, and what it wants of conda must not bring another Python.
        requirements = [
            replace(conda_requirement(v), category="npconda") for v in options.many("conda_pkg")
        ]
        requirements += [sys_requirement(value) for value in options.many("sys_pkg")]
        for made in requirements:
            placed = replace(made, origin=origin, original=redact(line.raw))
            self._reading.add(placed, constraint=file.constraint)
        included, constraints = options.many("include"), options.many("constrain")
        if len(included) + len(constraints) > 1:
            raise Flaw("more than one file on a line", "give each `-r` and `-c` its own line")
        for target in included or constraints:
            # All that a constraints file includes are constraints.
            constraint = bool(constraints) or file.constraint
            self._enter(join(directory(file.location), target), origin, constraint=constraint)

    def _sources(self, file: _File, origin: Origin, options: LineOptions) -> None:
        add = self._reading.add_source
        for url in options.many("index"):
            add("index", url, origin, base=file.base)
        for url in options.many("extra_index"):
            add("extra-index", url, origin, base=file.base)
        for url in options.many("find_links"):
            add("find-links", url, origin, base=file.base)
        for channel in options.many("conda_channel"):
            add("channel", channel, origin)


class _File:
    """A file being read: its path or URL, where paths in it start, and what is left of it."""

    __slots__ = ("base", "constraint", "data", "lines", "location", "read")

    def __init__(
        self, location: str, lines: Iterator[LogicalLine], *, constraint: bool, data: bytes = b""
    ) -> None:
        self.location, self.lines, self.constraint = location, lines, constraint
        self.base = absolute(directory(location))
        self.data, self.read = data, 0


def _key(location: str) -> str:
    return (
        location if is_remote(location) else os.path.realpath(location)
    )  # one file, one key, however it is spelled


def _with_options(
    requirement: Requirement,
    origin: Origin,
    line: LogicalLine,
    *,
    hashes: Sequence[str],
    config: Sequence[str],
    global_options: Sequence[str],
) -> Requirement:
    if not (hashes or config or global_options):
        return replace(requirement, origin=origin, original=redact(line.raw))
    settings = []
    for setting in config:
        key, equals, value = setting.partition("=")
        if not equals:
            raise Flaw(f"`--config-settings={setting}` has no value", "write KEY=VALUE")
        settings.append((key, value))
    return replace(
        requirement,
        hashes=tuple(dict.fromkeys([*requirement.hashes, *map(_hash, hashes)])),
        config_settings=tuple(settings),
        global_options=tuple(global_options),
        origin=origin,
        original=redact(line.raw),
    )


def _hash(text: str) -> str:
    parts = _HASH.fullmatch(text)
    if not parts:
        raise Flaw(f"`--hash={text}` is not ALGORITHM:HEX", "write for example `sha256:` and hex")
    return f"{parts[1]}:{parts[2].lower()}"


def _check_constraint(requirement: Requirement) -> None:
    """What pip's user guide rules out in a constraints file."""
    wrong = (
        "has no name" if requirement.name is None else
        "is editable" if requirement.editable else
        "has extras" if requirement.extras else
        None
    )  # fmt: skip
    if wrong:
        raise Flaw(f"the constraint `{requirement.text}` {wrong}", "move it to a requirements file")


def _set_facts(reading: Reading, origin: Origin, options: LineOptions) -> None:
    facts = reading.facts
    for flag in ("no_index", "prereleases", "prefer_binary", "require_hashes"):
        if options.flag(flag):
            facts[flag] = True
            reading.places.setdefault(flag, origin)
    for name in ("trusted_hosts", "features"):
        reading.names[name].update(dict.fromkeys(options.many(name)))
        if options.many(name):
            reading.places.setdefault(name, origin)
    for name in ("all_releases", "only_final"):
        for value in options.many(name):
            reading.note(origin, f"`{SPELLING[name]} {value}` is not used")
    for name, other in (("no_binary", "only_binary"), ("only_binary", "no_binary")):
        for value in options.many(name):
            choose_formats(value, reading.names[name], reading.names[other])
            if value.strip() in ("all", "none"):
                text = f"`{SPELLING[name]} {value}` is on a package of that name"
                reading.note(origin, f"{text}; `:{value.strip()}:` is on every one or none")


def choose_formats(value: str, chosen: dict[str, None], other: dict[str, None]) -> None:
    """Add pip's `:all:`, `:none:` or names to `--no-binary` or to `--only-binary`.

    Naming a package in either takes it from the other, and so does naming all.
    """
    for word in filter(None, map(str.strip, value.split(","))):
        if word == ":all:":
            other.clear()
            chosen.clear()
            chosen[":all:"] = None
        elif word == ":none:":
            chosen.clear()
        elif word.startswith((":", "-")):
            raise Flaw(f"`{word}` is not a package", "write `:all:`, `:none:` or names")
        else:
            from packaging.utils import canonicalize_name

            name = canonicalize_name(word)
            other.pop(name, None)
            chosen[name] = None
