"""What a shell evaluates to be in an environment, with a function `deactivate` that undoes it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from mfenv.activation import SHELLS, check_shell, fish_quote, scripts, variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["EVALUATED", "shell_code"]

_SAVED = "_MFENV_SAVED_"

EVALUATED = (*SHELLS, "dash", "sh")
"""Shells that such lines are written for: POSIX says all that they have, but for those of fish."""


def shell_code(prefix: Path, environ: Mapping[str, str], shell: str, prompt: str) -> str:
    """The lines that lead the shell with `environ` into `prefix`; its prompt calls that `prompt`.

    `shell` is the name or path of one of `EVALUATED`. What is active is undone first; what else is
    on PATH stays there, behind the environment. The lines define `deactivate`, and hold no value of
    `environ`. Raises `InvalidRequest` for another shell, and as `mfenv.activation.variables` does.
    """
    name = check_shell(shell, EVALUATED)
    environment = variables(prefix, environ, prompt)
    # The same value may be another environment's, which takes it away when it is undone.
    ours = variables(prefix, {}, prompt)
    values = {key: environment[key] for key in ours if key != "PATH"}
    # The shell is the user's, who goes on with mfenv in it: its settings stay.
    gone = [key for key in environ if key not in environment and not key.startswith("MFENV_")]
    if name == "fish":
        # `eval (mfenv activate ENV)` gives fish the lines as words of one.
        return "".join(f"{line};\n" for line in _fish(prefix, values, gone, f"({prompt}) "))
    return "".join(f"{line}\n" for line in _posix(prefix, values, gone, f"({prompt}) "))


def _posix(
    prefix: Path, values: Mapping[str, str], gone: Sequence[str], prompt: str
) -> Iterator[str]:
    # Its name alone is what POSIX has `command -v` say of a function; of a program it says a path.
    yield 'if [ "$(command -v deactivate)" = deactivate ]; then deactivate; fi'
    for key in ("PATH", *values, *gone):
        yield f'if [ -n "${{{key}+x}}" ]; then {_SAVED}{key}="${key}"; fi'
    for key, value in values.items():
        yield f"export {key}={shlex.quote(value)}"
    # As it is when this is evaluated: without what was just undone.
    yield f'export PATH={shlex.quote(str(prefix / "bin"))}:"${{PATH:-{os.defpath}}}"'
    for key in gone:
        yield f"unset {key}"
    yield from _read(scripts(prefix))
    yield f'if [ -n "${{PS1+x}}" ]; then {_SAVED}PS1="$PS1"; fi'
    yield f'PS1={shlex.quote(prompt)}"${{PS1-}}"'
    # The shell may remember where it found a program before, or be told to remember nothing.
    yield "hash -r 2> /dev/null || :"
    yield "deactivate() {"
    yield from _read(reversed(scripts(prefix, folder="deactivate.d")))
    for key in ("PATH", *values, *gone, "PS1"):
        saved, export = f"{_SAVED}{key}", "" if key == "PS1" else "export "
        yield f'  if [ -n "${{{saved}+x}}" ]; then {export}{key}="${saved}"; unset {saved}'
        yield f"  else unset {key}; fi"
    yield "  hash -r 2> /dev/null || :"
    yield "  unset -f deactivate"
    yield "}"


def _read(files: Iterable[Path]) -> Iterator[str]:
    """Read scripts of packages, which are not written for shells that end at the first failure."""
    words = [f". {shlex.quote(str(file))}" for file in files]
    if words:
        yield f"{_SAVED}OPTIONS=$-; set +eu"
        yield from words
        for letter in "eu":
            yield f'case "${_SAVED}OPTIONS" in *{letter}*) set -{letter};; esac'
        yield f"unset {_SAVED}OPTIONS"


def _fish(
    prefix: Path, values: Mapping[str, str], gone: Sequence[str], prompt: str
) -> Iterator[str]:
    yield "if functions -q deactivate; deactivate; end"
    for key in ("PATH", *values, *gone):
        yield f"if set -q {key}; set -g {_SAVED}{key} ${key}; end"
    for key, value in values.items():
        yield f"set -gx {key} {fish_quote(value)}"
    yield f"set -gx PATH {fish_quote(str(prefix / 'bin'))} $PATH"
    for key in gone:
        yield f"set -e {key}"
    for script in scripts(prefix, ".fish"):
        yield f"source {fish_quote(str(script))}"
    # fish has no variable for its prompt: the function is wrapped.
    yield "functions -q fish_prompt; or function fish_prompt; end"
    yield "functions -c fish_prompt _mfenv_prompt"
    yield f"function fish_prompt; echo -n {fish_quote(prompt)}; _mfenv_prompt; end"
    yield "function deactivate"
    for script in reversed(scripts(prefix, ".fish", "deactivate.d")):
        yield f"  source {fish_quote(str(script))}"
    for key in ("PATH", *values, *gone):
        saved = f"{_SAVED}{key}"
        yield f"  if set -q {saved}; set -gx {key} ${saved}; set -e {saved}"
        yield f"  else; set -e {key}; end"
    yield "  functions -e fish_prompt"
    yield "  functions -c _mfenv_prompt fish_prompt; functions -e _mfenv_prompt"
    yield "  functions -e deactivate"
    yield "end"
