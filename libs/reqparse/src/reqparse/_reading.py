"""What is known while a file is read: what it states, what is wrong with it, what is noted."""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from envid.redaction import redact
from reqparse._flaw import Flaw
from reqparse._url import is_remote, join, path_to_url, split_secret
from reqparse.errors import ParseErrors, Problem
from reqparse.model import Note, Origin, Requirement, RequirementSet
from reqparse.stated import PythonRequirement, Setting, SettingName, SourceKind, StatedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reqparse._node import Node
    from reqparse.locked import LockedPackage

# conda's kind of variables, in channels: other than those of a requirements file.
_VARIABLE = r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})"

MAX_MESSAGE = 600
_NAMES = ("no_binary", "only_binary", "trusted_hosts", "features")

MAX_BYTES = 64 * 1024 * 1024
"""No requirement or lock file comes near this; what is larger is something else."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """Collects what the parsers find; `result()` is the set, or raises every problem at once."""

    env: Mapping[str, str]
    fetch: Callable[[str], bytes] | None = None
    groups: Sequence[str] = ()
    extras: Sequence[str] = ()
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)
    constraints: list[Requirement] = field(default_factory=list)
    sources: dict[StatedSource, None] = field(default_factory=dict)
    python: list[PythonRequirement] = field(default_factory=list)
    packages: list[LockedPackage] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """The remaining fields of the result, by name."""
    places: dict[str, Origin] = field(default_factory=dict)
    """Where those were stated first, and the lists of names."""
    names: dict[str, dict[str, None]] = field(default_factory=lambda: {name: {} for name in _NAMES})
    """The fields of the result that are lists of names, each once and in order."""
    index: StatedSource | None = None
    """The index that holds now."""
    platforms: tuple[str, ...] | None = None
    """The platforms that what is being read applies to."""
    group: str | None = None
    """The group that what is being read belongs to."""

    def problem(self, origin: Origin, message: str, hint: str | None = None) -> None:
        self.problems.append(problem_of(origin, message, hint))

    def set(self, name: SettingName, value: str, origin: Origin) -> None:
        """Take a statement of how packages are to be chosen."""
        self.settings.append(Setting(name=name, value=value, origin=origin))

    def note(self, origin: Origin, text: str) -> None:
        self.notes.append(Note(text=shown(text), origin=origin))

    def note_unread(
        self, root: Node, file: str, reasons: Mapping[str, str | None] | None = None
    ) -> None:
        """Note all of a document that nobody read, each kind of it once.

        `reasons` are by the keys that lead there, joined with dots, a `*` for any; None says that
        there is nothing to be said of it.
        """
        said: dict[str, Node] = {}
        for path, node in root.unread():
            said.setdefault(".".join(path), node)
        for key, node in said.items():
            known = [reason for way, reason in (reasons or {}).items() if fnmatchcase(key, way)]
            reason = known[0] if known else "it is not known here"
            if reason is not None:
                self.note(Origin(file=file, line=node.line), f"`{key}` is not used: {reason}")

    def guard(self, origin: Origin) -> _Guard:
        """A context in which a Flaw becomes a problem at this place, and work goes on after it."""
        return _Guard(self, origin)

    @contextmanager
    def scope(
        self, platforms: tuple[str, ...] | None = None, group: str | None = None
    ) -> Iterator[None]:
        """A context for what applies to some platforms only, or belongs to a group."""
        outer = self.platforms, self.group
        self.platforms, self.group = platforms, group
        try:
            yield
        finally:
            self.platforms, self.group = outer

    def add(self, requirement: Requirement, *, constraint: bool = False) -> None:
        """Take a requirement; `python`, asked of PyPI, states the version of Python."""
        # No index has Python itself; people write it there all the same, and mean its version.
        if requirement.category == "pypi" and requirement.name == "python" and not requirement.url:
            self.add_python(requirement.specifier, requirement.origin, requirement.marker)
            return
        if self.platforms is not None or self.group is not None:
            requirement = replace(requirement, platforms=self.platforms, group=self.group)
        (self.constraints if constraint else self.requirements).append(requirement)

    def add_python(self, specifier: str, origin: Origin, marker: str | None = None) -> None:
        """Take a statement of the Python version."""
        self.python.append(
            PythonRequirement(
                specifier=specifier, marker=marker, platforms=self.platforms, origin=origin
            )
        )

    def add_source(
        self,
        kind: SourceKind,
        text: str,
        origin: Origin,
        *,
        base: str = "",
        name: str | None = None,
        explicit: bool = False,
    ) -> None:
        """Take a source; repeated, it says nothing new, and a second index replaces the first.

        The channel `nodefaults` is none: it says that conda's own defaults are not wanted.
        """
        if kind == "channel" and text == "nodefaults":
            # conda's way to say so in a list of channels.
            self.facts["no_defaults"] = True
            return
        if kind == "channel":
            _check_channel(text)
        url, secret = split_secret(text)
        path = None
        if kind != "channel" and ("://" not in text or text.startswith("file:")):
            if text.startswith("~") and not is_remote(base):  # as pip does, unless it is there
                home = os.path.expanduser(text)  # noqa: PTH111 - the path is a string
                text = text if os.path.exists(join(base, text)) else home  # noqa: PTH110
            path = join(base, text)
            if is_remote(path):
                url, path = path, None
            else:
                url = path_to_url(path)
        source = StatedSource(
            kind=kind,
            url=url,
            name=name,
            explicit=explicit,
            path=path,
            platforms=self.platforms,
            origin=origin,
            secret=secret,
        )
        if kind == "index":
            # As with pip, the last index that is named holds.
            old = self.index
            if old and old != source:
                # Its place goes with it: the new one comes last, where the order of sources
                # decides.
                del self.sources[old]
                self.note(old.origin, f"index `{old.url}` is replaced by the one at {origin}")
            self.index = source
        # Equal sources differ in their places alone; a dict keeps the first of them, in order.
        self.sources.setdefault(source)

    def expand(self, text: str, origin: Origin) -> str:
        """A text with `$NAME` and `${NAME}` put in, as conda does in channels; unset ones stay."""

        def value(variable: re.Match[str]) -> str:
            name = variable[1] or variable[2]
            if name not in self.env:
                self.note(origin, f"environment variable `{name}` is not set; left as written")
            return self.env.get(name, variable[0])

        return re.sub(_VARIABLE, value, text)

    def load(self, location: str, *, included: bool = True) -> bytes:
        """The bytes of a file or, with a fetcher, of a URL; Flaw if they cannot be had."""
        name = redact(location)
        if is_remote(location):
            if self.fetch is None:
                raise Flaw(
                    f"`{name}` is a URL and nothing to fetch it with was given",
                    "download it and name the file instead",
                )
            try:
                data = self.fetch(location)
            except OSError as error:
                raise Flaw(f"cannot fetch `{name}`: {redact(str(error))}") from None
        else:
            data = _read(location, regular=included)
        if len(data) > MAX_BYTES:
            raise Flaw(f"`{name}` is larger than {MAX_BYTES >> 20} MiB")
        return data

    def result(self) -> RequirementSet:
        if self.problems:
            raise ParseErrors(tuple(self.problems))
        others: dict[str, Any] = {name: tuple(names) for name, names in self.names.items()}
        return RequirementSet(
            requirements=tuple(self.requirements),
            constraints=tuple(self.constraints),
            sources=tuple(self.sources),
            python=tuple(self.python),
            packages=tuple(self.packages),
            settings=tuple(self.settings),
            notes=tuple(self.notes),
            places=dict(self.places),
            **others,
            **self.facts,
        )


def _check_channel(text: str) -> None:
    """Raise Flaw for what can be neither a channel's name, its URL nor a path."""
    if text.startswith("-") or re.search(r"\s-", text):
        raise Flaw(f"`{redact(text)}` is not a channel", "name one channel each, without options")
    if text != text.strip() or (re.search(r"\s", text) and ("/" not in text or "://" in text)):
        raise Flaw(f"the channel `{redact(text)}` holds white space", "leave it out")


def shown(message: str) -> str:
    """A message fit for one line of a terminal, whatever the file holds that it quotes."""
    message = redact(message)
    if len(message) > MAX_MESSAGE:
        message = f"{message[: MAX_MESSAGE // 2]} ... {message[-MAX_MESSAGE // 2 :]}"
    # Escapes in a file must not reach a terminal as such.
    if message.isprintable():
        return message
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)


def problem_of(origin: Origin, message: str, hint: str | None) -> Problem:
    """A problem whose texts are fit to be shown."""
    return Problem(origin=origin, message=shown(message), hint=shown(hint) if hint else None)


# A class and no generator, whose cost every line of every file would pay.
class _Guard:
    __slots__ = ("_origin", "_reading")

    def __init__(self, reading: Reading, origin: Origin) -> None:
        self._reading, self._origin = reading, origin

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, Flaw):
            origin = Origin(file=self._origin.file, line=error.line or self._origin.line)
            self._reading.problem(origin, error.message, error.hint)
            return True
        return False


def _read(path: str, *, regular: bool) -> bytes:
    """At most one byte more than allowed; an included device or pipe could block for ever."""
    try:
        if regular and not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - the path is a string
            raise Flaw(f"`{path}` is not a regular file")
        with open(path, "rb") as file:  # noqa: PTH123 - the path is a string
            # One more, by which what is too large is told from what just fits.
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        # The file that was asked for is named by its origin already.
        if regular:
            raise Flaw(f"no such file `{path}`") from None
        raise Flaw("no such file", "a relative path starts in the current directory") from None
    except IsADirectoryError:
        raise Flaw("this is a directory", "name a file in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Flaw(f"cannot read `{path}`: {reason}") from None
