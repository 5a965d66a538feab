"""Completion of the command line: scripts for shells, and where these look for them.

What is completed is asked of the command itself, as `click` has it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import (
    BashComplete,
    FishComplete,
    add_completion_class,
    get_completion_class,
)

from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

__all__ = ["SHELLS", "Installed", "install", "script"]

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_MFENV_COMPLETE"
_BEGIN, _END = b"# >>> completion of mfenv >>>", b"# <<< completion of mfenv <<<"
# A line that loads the package bash-completion, which loads the files of a user; that the package is
# there is not enough, and bash by itself loads none.
_LOADER = re.compile(rb"^[^#\n]*bash[-_]completion", re.MULTILINE)
_BASH = """\
%(complete_func)s() {
    local line typed before completion type value IFS=$'\\n'
    local -a words
    # Not the words of bash, which end at each colon: names have some.
    line=${COMP_LINE:0:COMP_POINT}
    typed=${line##* }
    IFS=' ' read -ra words <<< "$line"
    # What bash takes for words of their own stays as it was typed.
    [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && before=${typed%%"${typed##*:}"}
    for completion in $(env COMP_WORDS="$line" COMP_CWORD=$(( ${#words[@]} - (${#typed} > 0) )) \\
        %(complete_var)s=bash_complete "$1"); do
        IFS=',' read -r type value <<< "$completion"
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


@add_completion_class
class _Bash(BashComplete):
    """As click has it, but for names with colons, which bash takes apart."""

    source_template = _BASH


@add_completion_class
class _Fish(FishComplete):
    """As click has it, but for descriptions with commas, which it cuts at the first."""

    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split --max 1 ","'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Where a script is, and the file that loads it, None where the shell does so by itself.

    `changed` are those of them that were not as they are now.
    """

    script: Path
    loader: Path | None
    changed: tuple[Path, ...]


def script(command: click.Command, shell: str) -> str:
    """The script by which a shell, one of `SHELLS`, completes `mfenv`."""
    made = get_completion_class(shell)
    assert made, shell  # noqa: S101 - click knows all of them
    return made(command, {}, "mfenv", _VARIABLE).source()


def install(command: click.Command, shell: str, environ: Mapping[str, str]) -> Installed:
    """Put the script where a user's shell looks for it, once; say so in its own file if it must be.

    Raises `InvalidRequest` for a user without a home, and `OSError`.
    """
    path, loader, lines = _places(shell, environ)
    changed = []
    if _put(path, script(command, shell).encode()):
        changed.append(path)
    if loader and _put(loader, _with_block(loader, lines)):
        changed.append(loader)
    return Installed(script=path, loader=loader, changed=tuple(changed))


def _places(shell: str, environ: Mapping[str, str]) -> tuple[Path, Path | None, str]:
    """Where the script goes; the file that must load it, if any, and the lines for that."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - as where a user has no home
    if not home.is_absolute():
        raise InvalidRequest("this user has no home directory", "`mfenv completion show` prints it")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    if shell == "fish":
        config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        return config / "fish/completions/mfenv.fish", None, ""
    if shell == "zsh":
        path = data / "zsh/site-functions/_mfenv"
        begin = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }"
        return path, Path(environ.get("ZDOTDIR") or home) / ".zshrc", f"{begin}\n{_sourced(path)}"
    # It may be a list, as PATH is.
    own = environ.get("BASH_COMPLETION_USER_DIR", "").partition(":")[0]
    path = Path(own or data / "bash-completion") / "completions/mfenv"
    rc = home / ".bashrc"
    if any(_loads_all(file) for file in (rc, Path("/etc/bash.bashrc"))):
        return path, None, ""
    return path, rc, _sourced(path)


def _loads_all(file: Path) -> bool:
    text = file.read_bytes() if file.exists() else b""
    # Our own lines name the directory `bash-completion`, and load nothing but our file.
    return bool(_LOADER.search(text.partition(_BEGIN)[0]))


def _sourced(path: Path) -> str:
    from shlex import quote

    return f"[ -f {quote(str(path))} ] && . {quote(str(path))}"


def _with_block(path: Path, lines: str) -> bytes:
    """The file with the lines in our marks, in the place of those that were there."""
    old = path.read_bytes() if path.exists() else b""
    block = b"\n".join((_BEGIN, lines.encode(), _END)) + b"\n"
    before, begun, rest = old.partition(_BEGIN)
    _, ended, after = rest.partition(_END + b"\n")
    if begun and ended:
        return before + block + after
    return old + (b"\n" if old and not old.endswith(b"\n") else b"") + block


def _put(path: Path, content: bytes) -> bool:
    """Whether the file had to be written."""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by renaming: it may be a link into a directory of the user's.
    path.write_bytes(content)
    return True
