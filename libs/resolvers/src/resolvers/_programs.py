"""Programs of the user that were chosen in the place of our engines: found on PATH, and asked."""

from __future__ import annotations

import os
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from envid.redaction import redact
from resolvers._story import plain_text
from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from subprocess import CompletedProcess

    from resolvers._processes import Processes

__all__ = ["ChosenProgram", "ended", "find_program", "readable", "users_environment"]

# What is ours, and what would decide what a program of Python's imports.
_OURS = re.compile(r"(?:_?MFENV|METAFLOW|PYTHON)(?:_.*|[A-Z]*)")

_NUMBER = r"(\d+(?:\.\d+)+(?:[a-z]+\d+)?)\b"
_KINDS = r"(micromamba|mamba|conda-lock|conda|pip)"

# What is said in so many lines is all of it worth reading.
_FEW = 5

_found: dict[tuple[str, int], ChosenProgram] = {}
_looking = threading.Lock()

PATIENCE = 60.0
"""How many seconds a program may take to say its version."""


@dataclass(frozen=True, slots=True)
class ChosenProgram:
    """A program where it is, and its version."""

    name: str
    path: Path
    version: Version


def find_program(name: str, least: str, setting: str, processes: Processes) -> ChosenProgram:
    """The program of a name on PATH, or at a path, once it has said that it is new enough.

    `setting` is the one that chose it, and what it is set to without that. Raises `EngineFailed`.
    """
    told = os.path.expanduser(name)  # noqa: PTH111 - which works without a home
    executable = shutil.which(told)
    if not executable:
        place = "there is none at that path" if os.sep in name else "it is not on PATH"
        if os.sep in name and Path(told).exists():
            place = "what is at that path is no program that can be started"
        raise EngineFailed(name, place, hint=f"install it, or set {setting}")
    # It is started in another directory, where neither a path nor an entry of PATH may be relative.
    path = Path(executable).absolute()
    # It says its version once in a process; a file that was replaced is another one.
    key = str(path), path.stat().st_mtime_ns
    with _looking:
        if key not in _found:
            version = _version(name, setting, _asked(name, path, setting, processes))
            _found[key] = ChosenProgram(path.name, path, version)
    program = _found[key]
    if program.version < Version(least):
        raise EngineFailed(
            name,
            f"{path} is {program.version}, and {least} is the oldest that will do",
            hint=f"install a newer one, or set {setting}",
        )
    return program


def users_environment() -> Mapping[str, str]:
    """The variables that such a program gets: the user's own, by which it is configured.

    A program that is chosen for its logins finds them there, as in the user's shell; ours it does
    not get.
    """
    return {name: value for name, value in os.environ.items() if not _OURS.fullmatch(name)}


def ended(done: CompletedProcess[str]) -> str:
    """How a program ended, to stand behind what it said: nothing where all is well."""
    code = done.returncode
    if not code:
        return ""
    return f" (exit code {code})" if code > 0 else f" (ended by signal {-code})"


def readable(done: CompletedProcess[str]) -> CompletedProcess[str]:
    """What a program said, without what is for terminals, which its configuration may force."""
    # conda ends what it says of progress by a zero; a mark of the encoding may come first.
    said = (text.lstrip("\ufeff").replace("\0", "\n") for text in (done.stdout, done.stderr))
    done.stdout, done.stderr = map(plain_text, said)
    return done


def _asked(name: str, path: Path, setting: str, processes: Processes) -> CompletedProcess[str]:
    try:
        return readable(
            processes.run(
                f"{path.name} --version",
                (path, "--version"),
                environment=users_environment(),
                limit=PATIENCE,
            )
        )
    except TimeoutError:
        reason = f"{path} has not said its version within {PATIENCE:.0f} s"
        raise EngineFailed(name, reason, hint=f"see why, or set {setting}") from None
    except OSError as error:
        reason = f"{path} cannot be started: {error.strerror}"
        raise EngineFailed(name, reason, hint=f"see why, or set {setting}") from error


def _version(name: str, setting: str, done: CompletedProcess[str]) -> Version:
    said = done.stdout, done.stderr
    log = redact("\n".join(said))
    if done.returncode:
        # Its own configuration may be broken, and it says where; behind a traceback it says why.
        lines = [line.strip() for line in log.splitlines() if line.strip()] or ["it says nothing"]
        whole = len(lines) <= _FEW and not any(line.startswith("Traceback") for line in lines)
        shown = " ".join(lines) if whole else lines[-1]
        hint = f"see what `{name} --version` says by itself, or set {setting}"
        raise EngineFailed(name, f"{shown[:300]}{ended(done)}", log, hint)
    # `pip 26.3 from ...`, `conda 26.7.0`, `micromamba`'s bare `2.8.1`, and mamba's two lines.
    # What stands behind the name is meant, where a warning has another number.
    own = re.compile(rf"^{re.escape(Path(name).name)}\b\W+(?:version )?{_NUMBER}", re.MULTILINE)
    other = re.compile(rf"^{_KINDS}\W+(?:version )?{_NUMBER}", re.MULTILINE)
    kind = re.match(_KINDS, Path(name).name)
    for text in said:
        match = own.search(text)
        told = None if match else other.search(text)
        if kind and told and told[1] != kind[1]:
            raise EngineFailed(name, f"it says that it is {told[0]}", log, f"set {setting}")
        if match := match or re.search(rf"\b{_NUMBER}", text):
            try:
                return Version(match[1])
            except InvalidVersion:
                break
    raise EngineFailed(name, "it does not say its version", log, f"set {setting}")
