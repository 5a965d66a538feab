"""The errors of resolvers: why no exact packages could be chosen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BuildFailed",
    "EngineFailed",
    "IndexUnreachable",
    "MachineLacks",
    "NeedsPlatform",
    "NoExtra",
    "NoMatchingFile",
    "NoSolution",
    "PackageUnreadable",
    "PackagesClash",
    "PythonNotFound",
    "PythonRefused",
    "RequirementsUnmet",
    "ResolveError",
    "UnknownChannel",
    "UnknownContents",
    "UnknownPackage",
    "UnsupportedRequest",
]

CHECK_ADDRESS = "check the address and the network"
"""The hint where no server could be reached."""

CHECK_REPOSITORY = "check the address, and whether you may read it"
"""The hint where a git repository could not be read."""

Asked = tuple[tuple[str, str | None], ...]
"""Requirements that a failure is about, each with its origin (`file:line`) where it is known."""


class ResolveError(Exception):
    """Root of all errors of this library. `retryable` says whether the same call may succeed.

    `python` is a minor version of Python that may do in the place of the one that was asked for,
    where one was looked for.
    """

    hint: str | None = None
    python: str | None = None
    retryable: bool = False


# Each has a built-in base beside the root, for who knows no more of it.
class UnsupportedRequest(ValueError, ResolveError):
    """The request asks for what this resolver cannot do, whatever the packages there are."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason, hint)
        self.reason, self.hint = reason, hint

    def __str__(self) -> str:
        return self.reason


class NoExtra(UnsupportedRequest):
    """A distribution that conda brings on `platform`, `name`, has not the extra that is asked for."""

    def __init__(self, platform: str, name: str, reason: str, hint: str) -> None:
        super().__init__(reason, hint)
        # Copies are made by these, and those of the base are fewer.
        self.args = platform, name, reason, hint
        self.platform, self.name = platform, name


class PythonNotFound(LookupError, ResolveError):
    """No interpreter on this machine satisfies the specifier; `found` lists the versions seen.

    Who knows where the specifier was said sets `origin`, to its `file:line`.
    """

    origin: str | None = None

    def __init__(self, specifier: str, found: tuple[str, ...]) -> None:
        super().__init__(specifier, found)
        self.specifier, self.found = specifier, found
        self.hint = "install such a Python, or ask for one of those found"

    def __str__(self) -> str:
        seen = f"found {', '.join(self.found)}" if self.found else "found none at all"
        asked = f" (asked by {self.origin})" if self.origin else ""
        return f"no Python on this machine satisfies `{self.specifier}`{asked}; {seen}"


class NoSolution(ValueError, ResolveError):
    """The requirements cannot hold together.

    `reason` is the solver's own, a line or a tree of them; `asked` are the requirements that it
    speaks of.
    """

    def __init__(
        self, platform: str, reason: str, asked: Asked = (), hint: str | None = None
    ) -> None:
        super().__init__(platform, reason, asked, hint)
        self.platform, self.reason, self.asked, self.hint = platform, reason, asked, hint

    def __str__(self) -> str:
        origins = [f"`{text}` is asked by {origin}" for text, origin in self.asked if origin]
        separator = "\n" if "\n" in self.reason else "; "
        return separator.join([f"no solution for {self.platform}: {self.reason}", *origins])


class UnknownPackage(NoSolution):
    """A package is on none of the sources."""


class PythonRefused(NoSolution):
    """The packages that were asked for do not support the Python that was asked for."""


class RequirementsUnmet(ValueError, ResolveError):
    """What was found does not hold, by what its packages say of themselves.

    `problems` name package and requirement, and what is there.
    """

    def __init__(self, platform: str, problems: tuple[str, ...]) -> None:
        super().__init__(platform, problems)
        self.platform, self.problems = platform, problems
        self.hint = (
            "ask conda for another version of what it brings"
            if any("conda brings" in problem for problem in problems)
            else "an index describes a package otherwise than that does itself: ask for another"
            " version of it"
        )

    def __str__(self) -> str:
        return f"what was found for {self.platform} does not hold: {'; '.join(self.problems)}"


class PackagesClash(ValueError, ResolveError):
    """Packages bring the same modules, so that they would be installed over each other.

    `pairs` name both, and a path, a line for each.
    """

    hint = "ask for one of the two; with the setting `clobber` it is accepted, and noted"

    def __init__(self, platform: str, pairs: tuple[str, ...]) -> None:
        super().__init__(platform, pairs)
        self.platform, self.pairs = platform, pairs

    def __str__(self) -> str:
        return f"no environment for {self.platform} can hold all of it: {'; '.join(self.pairs)}"


class IndexUnreachable(ConnectionError, ResolveError):
    """A source does not answer, or not to us. `where` is its URL without credentials.

    Who knows which file names the source sets `origin`, to its `file:line`.
    """

    origin: str | None = None

    def __init__(
        self, where: str, reason: str, status: int | None = None, hint: str | None = None
    ) -> None:
        # Of several arguments `OSError` would take the first two for `errno` and `strerror`.
        super().__init__(reason)
        self.args = (where, reason, status, hint)
        self.where, self.reason, self.status, self.hint = where, reason, status, hint
        self.retryable = status is None or status >= 500  # noqa: PLR2004 - server errors pass

    def __str__(self) -> str:
        asked = f" (asked by {self.origin})" if self.origin else ""
        return f"cannot read `{self.where}`: {self.reason}{asked}"


class PackageUnreadable(ValueError, ResolveError):
    """What a source has, or a URL leads to, is no package, or not the one that is asked for.

    `filename` is the file, or the requirement with the URL; `where` the source, without credentials,
    empty where it is a URL. `origin` is the `file:line` that asks for a URL.
    """

    hint = "have it replaced there, or ask for another version"

    def __init__(
        self,
        filename: str,
        where: str,
        reason: str,
        hint: str | None = None,
        origin: str | None = None,
    ) -> None:
        super().__init__(filename, where, reason, hint, origin)
        self.filename, self.where, self.reason = filename, where, reason
        self.hint, self.origin = hint or type(self).hint, origin

    def __str__(self) -> str:
        of = f" of `{self.where}`" if self.where else ""
        asked = f" (asked by {self.origin})" if self.origin else ""
        return f"cannot read `{self.filename}`{of}: {self.reason}{asked}"


class UnknownChannel(LookupError, ResolveError):
    """There is no conda channel where it is looked for. `where` has no credentials.

    Who knows which file names the channel sets `origin`, to its `file:line`.
    """

    hint = "check the name of the channel, and where channels are looked for"
    origin: str | None = None

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where, self.reason = where, reason

    def __str__(self) -> str:
        asked = f" (asked by {self.origin})" if self.origin else ""
        return f"`{self.where}` is not a conda channel: {self.reason}{asked}"


class UnknownContents(LookupError, ResolveError):
    """Whether conda `packages`, by file name, hold the PyPI packages `names` is not to be found out."""

    hint = (
        "resolve where their channel can be read, ask for builds that it still has, or say in a"
        " table which PyPI names they have"
    )

    def __init__(self, packages: tuple[str, ...], names: tuple[str, ...], reason: str) -> None:
        super().__init__(packages, names, reason)
        self.packages, self.names, self.reason = packages, names, reason

    def __str__(self) -> str:
        packages, names = (
            " and ".join(f"`{name}`" for name in some) for some in (self.packages, self.names)
        )
        hold = "hold" if len(self.packages) > 1 else "holds"
        asked = f"nothing says whether conda's {packages} {hold} {names}, needed from PyPI"
        return f"{asked}: {self.reason}"


class NoMatchingFile(ValueError, ResolveError):
    """A package has no file with any of the hashes that were asked for."""

    def __init__(
        self, package: str, expected: tuple[str, ...], found: tuple[str, ...], origin: str | None
    ) -> None:
        super().__init__(package, expected, found, origin)
        self.package, self.expected, self.found, self.origin = package, expected, found, origin
        asked, stated = ({text.partition(":")[0] for text in own} for own in (expected, found))
        # Who has a hash of another kind is not wrong: nobody can tell.
        unknown = asked and stated and asked.isdisjoint(stated)
        self.hint = (
            f"no {' or '.join(sorted(asked))} of its files is known: give {' or '.join(sorted(stated))}"
            if unknown
            else "check where the hashes come from, or take them out of the request"
        )

    def __str__(self) -> str:
        if not self.expected:
            return f"hashes are required, and none is given for `{self.package}`"
        asked = f" (asked by {self.origin})" if self.origin else ""
        have = ", ".join(self.found) or "no file for this platform"
        return f"`{self.package}` has {have}, not {' or '.join(self.expected)}{asked}"


class NeedsPlatform(RuntimeError, ResolveError):
    """Packages without a wheel for `platform` can only be built there; `reasons` say why, for each.

    `floors` say which floors would let in wheels.
    """

    def __init__(
        self,
        platform: str,
        packages: tuple[str, ...],
        reasons: tuple[str, ...] = (),
        floors: tuple[str, ...] = (),
    ) -> None:
        super().__init__(platform, packages, reasons, floors)
        self.platform, self.packages, self.reasons = platform, packages, reasons
        self.floors = floors
        usual = f"resolve on {platform}, or ask for versions that have wheels for it"
        self.hint = "; ".join((*floors, usual))

    def __str__(self) -> str:
        # Who raises it need not know a reason for each.
        whys = [*self.reasons, *[""] * len(self.packages)]
        named = [
            f"`{name}` ({why})" if why else f"`{name}`"
            for name, why in zip(self.packages, whys, strict=False)
        ]
        return f"there is no wheel for {self.platform} of {', '.join(named)}, and it cannot be built here"


class NeedsBuild(RuntimeError, ResolveError):
    """`packages` have wheels for an older Python only, and nothing shall be built yet.

    Raised where another Python is to be tried first, and never to who calls a resolver.
    """

    def __init__(self, platform: str, packages: tuple[str, ...]) -> None:
        super().__init__(platform, packages)
        self.platform, self.packages = platform, packages

    def __str__(self) -> str:
        return f"{', '.join(self.packages)} must be built for {self.platform}"


class BuildFailed(RuntimeError, ResolveError):
    """A wheel could not be built from its source.

    `why` is the reason that there is no wheel, `version` that of the source, where it is known. `log`
    is all that the build wrote, `tail` its last lines, and `path` the file that has all of it; the
    newest of these files are kept.
    """

    version: str = ""
    tail: tuple[str, ...] = ()
    path: Path | None = None

    def __init__(
        self, package: str, reason: str, log: str = "", hint: str | None = None, why: str = ""
    ) -> None:
        super().__init__(package, reason, log, hint, why)
        self.package, self.reason, self.log, self.why = package, reason, log, why
        self.hint = hint or "install what its build needs, or ask for what has a wheel"

    def __str__(self) -> str:
        why = f" (it must be built: {self.why})" if self.why else ""
        lines = [f"cannot build `{self.package}`{why}: {self.reason}"]
        lines += (f"  | {line}" for line in self.tail)
        if self.path:
            lines.append(f"all that its build wrote is in {self.path}")
        return "\n".join(lines)


class MachineLacks(OSError, ResolveError):
    """An engine needs what this machine has not: space, memory, threads, open files.

    `errno` says what, `filename` where the engine writes. `log` is what it said.
    """

    retryable = True

    def __init__(self, engine: str, number: int, place: str, log: str = "") -> None:
        super().__init__(number, os.strerror(number), place)
        self.args = (engine, number, place, log)  # by which a copy is made
        self.engine, self.log = engine, log

    def __str__(self) -> str:
        return f"{self.engine} cannot go on: {os.strerror(self.errno or 0).lower()}"


class EngineFailed(RuntimeError, ResolveError):
    """An external tool failed in a way that we do not know. `log` is what it said."""

    def __init__(
        self,
        engine: str,
        reason: str,
        log: str = "",
        hint: str = "try again; if it happens again, please report it",
    ) -> None:
        super().__init__(engine, reason, log, hint)
        self.engine, self.reason, self.log, self.hint = engine, reason, log, hint

    def __str__(self) -> str:
        return f"{self.engine} failed: {self.reason}"


Refusal = NoSolution | BuildFailed | NoExtra
REFUSALS = (NoSolution, BuildFailed, NoExtra)
"""What is said where nothing goes with a choice of conda's."""
