"""The errors of mfenv itself; those of the libraries pass through it unchanged.

Every error that a user can cause has a `hint`, by which the command line tells it from a defect.
"""

from __future__ import annotations

__all__ = [
    "Ambiguous",
    "Contradiction",
    "DamagedPrefix",
    "DamagedRow",
    "ImmutableAlias",
    "InvalidLock",
    "InvalidRequest",
    "InvalidSetting",
    "IsLock",
    "MfenvError",
    "NoProgram",
    "NoStore",
    "NotExecutable",
    "NotExportable",
    "NotHere",
    "NotInEnvironment",
    "RegistryError",
    "StaleLock",
    "StillNamed",
    "UnknownEnvironment",
]


class MfenvError(Exception):
    """Root of all errors of this distribution."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        # Of two arguments `OSError`, the other base of some, would take the first for an `errno`.
        super().__init__(message)
        self.args = (message, hint)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return self.message


class InvalidSetting(MfenvError, ValueError):
    """A setting has a value that it cannot have; the message says where it was set."""


class InvalidRequest(MfenvError, ValueError):
    """A request cannot be made of what was given."""


class Contradiction(InvalidRequest):
    """Two parts of one request exclude each other; the message names both places."""


class NothingAsked(InvalidRequest):
    """A request asks for nothing at all."""


class IsLock(InvalidRequest):
    """A file says what is there, where one was to say what is asked for."""


class NoProgram(InvalidRequest):
    """A program that was to run in an environment is not there. Shells end with 127 for it."""

    exit_code = 127


class NotExecutable(InvalidRequest):
    """What was to run in an environment is there, and no program. Shells end with 126 for it."""

    exit_code = 126


class NotExportable(MfenvError, ValueError):
    """A file of another tool would say something else than the environment."""


class NotInEnvironment(MfenvError, LookupError):
    """There is no package of that name in an environment."""


class InvalidLock(MfenvError, ValueError):
    """A lock file is not what `mfenv lock` writes; `line` of `file` says where, 0 for as a whole."""

    def __init__(self, file: str, line: int, reason: str, hint: str | None = None) -> None:
        place = f"{file}:{line}" if line else file
        again = "`mfenv lock` makes it whole again, and keeps what still fits"
        super().__init__(f"{place}: {reason}", hint or again)
        self.args = (file, line, reason, hint)
        self.file, self.line, self.reason = file, line, reason


class StaleLock(MfenvError, ValueError):
    """A lock file no longer fits what is asked for; `differences` say where, a line each."""

    def __init__(self, file: str, differences: tuple[str, ...], again: str) -> None:
        lines = "".join(f"\n  {difference}" for difference in differences)
        super().__init__(
            f"`{file}` does not fit what is asked for:{lines}", f"`{again}` locks it again"
        )
        self.args = (file, differences, again)
        self.file, self.differences, self.again = file, differences, again


class UnknownEnvironment(MfenvError, LookupError):
    """A reference names no environment that the registry or the store knows."""


class Ambiguous(MfenvError, LookupError):
    """A text fits several environments, or an environment and a file."""


class ImmutableAlias(MfenvError, ValueError):
    """An alias that never changes was to be given to another environment."""


class DamagedPrefix(MfenvError, OSError):
    """An environment on this disk is not what it was created as; `problems` says where.

    `again` is the command that makes it anew.
    """

    def __init__(self, path: str, problems: tuple[str, ...], again: str) -> None:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        message = f"`{path}` is not what it was created as: {problems[0]}{more}"
        super().__init__(message, f"`{again}` makes it again")
        self.args = (path, problems, again)
        self.path, self.problems, self.again = path, problems, again


class StillNamed(MfenvError, ValueError):
    """An environment was to be deleted that has other names too, `names`.

    `less` is the command that takes one name away, and leaves the environment.
    """

    def __init__(self, name: str, names: tuple[str, ...], less: str) -> None:
        known = ", ".join(f"`{other}`" for other in names)
        super().__init__(
            f"`{name}` is also known as {known}, and these would mean nothing any more",
            f"`--force` deletes it all the same; `{less}` takes a name away",
        )
        self.args = (name, names, less)
        self.name, self.names, self.less = name, names, less


class NoStore(InvalidRequest):
    """Something needs the shared store, and none is set, or `local_only` forbids to ask it."""

    def __init__(self, purpose: str, *, local_only: bool = False) -> None:
        store = "MFENV_STORE names the store of your team, such as `file:///srv/team/mfenv`"
        hint = "leave out `local_only`" if local_only else store
        super().__init__(f"there is no store {purpose}", hint)
        self.args = (purpose,)


class NotHere(MfenvError, LookupError):
    """Packages of an environment are not on this machine, and `local_only` forbids to fetch them.

    `missing` are the names of their archives.
    """

    _SHOWN = 3

    def __init__(self, env: str, missing: tuple[str, ...]) -> None:
        shown = ", ".join(f"`{filename}`" for filename in missing[: self._SHOWN])
        more = len(missing) - self._SHOWN
        message = (
            f"`{env}` needs what is not here, and `local_only` forbids to fetch it:"
            f" {shown}{f' and {more} more' if more > 0 else ''}"
        )
        super().__init__(message, "leave out `local_only` once")
        self.args = (env, missing)
        self.env, self.missing = env, missing


class RegistryError(MfenvError, OSError):
    """The local registry cannot be read or written."""


class DamagedRow(RegistryError):
    """What the registry has of one environment cannot be read."""
