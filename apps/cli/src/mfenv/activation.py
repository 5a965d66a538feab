"""What a process needs to run in a prefix: conda's activation, or that of a virtual environment.

For a conda prefix, in this order: `etc/conda/env_vars.d/*.json`, the variables in
`conda-meta/state`, and the scripts in `etc/conda/activate.d`, which a shell must read.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfenv.errors import InvalidRequest, NoProgram
from pkgcache.web.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "SHELLS",
    "activated",
    "check_place",
    "check_shell",
    "fish_quote",
    "program",
    "say_left_out",
    "scripts",
    "shell_command",
    "variables",
]

# What would lead a program out of its environment.
_NOT_INHERITED = re.compile(
    r"PYTHON(HOME|PATH)|VIRTUAL_ENV(_PROMPT)?"
    r"|CONDA_(DEFAULT_ENV|PROMPT_MODIFIER|SHLVL|(PREFIX|STACKED)(_[0-9]+)?)"
)
# A Python, or a pip, that is not the environment's would look at packages that are not either.
_PYTHONS = re.compile(r"(?:python|pip)[0-9.]*")
_OF_THE_SHELL = ("OLDPWD", "PWD", "SHLVL", "_")
_UNSET = "***unset***"  # what conda writes for a variable that was unset
_CONFIGURATION = Path(__file__).with_name("_shell")
_HOOK = "_MFENV_ACTIVATE"

SHELLS = ("bash", "zsh", "fish")


def variables(prefix: Path, environ: Mapping[str, str], name: str = "") -> dict[str, str]:
    """The variables of a process that runs in `prefix`, those of `environ` led there.

    Prompts show it as `name`, or by the name of its directory. Raises `InvalidRequest` for a file of the prefix that cannot be read.
    """
    check_place(prefix)
    environment = {
        key: value for key, value in environ.items() if not _NOT_INHERITED.fullmatch(key)
    }
    # What an index wants to know of us is none of a program's business.
    environment |= {
        key: _public(value) for key, value in environment.items() if key.startswith("MFENV_")
    }
    environment["PATH"] = os.pathsep.join((str(prefix / "bin"), *_outside(environ)))
    # A virtual environment has no more: neither variables of packages nor scripts.
    if not (prefix / "conda-meta").is_dir():
        prompt = {"VIRTUAL_ENV_PROMPT": name} if name else {}
        return environment | {"VIRTUAL_ENV": str(prefix)} | prompt
    environment |= {
        "CONDA_DEFAULT_ENV": str(prefix),
        "CONDA_PREFIX": str(prefix),
        "CONDA_PROMPT_MODIFIER": f"({name or prefix.name}) ",
        "CONDA_SHLVL": "1",
    }
    for key, value in _own(prefix):
        if value == _UNSET:
            environment.pop(key, None)
        else:
            environment[key] = value
    return environment


def say_left_out(environ: Mapping[str, str]) -> str:
    """What a user may miss of `environ` in an environment; empty for nothing."""
    if not environ.get("PYTHONPATH"):
        return ""
    hint = "`env PYTHONPATH=DIRECTORY CMD` sets it for a program"
    return f"PYTHONPATH is left out, which leads out of the environment; {hint}"


def _outside(environ: Mapping[str, str]) -> Iterator[str]:
    """The directories on PATH that are of no environment: what activating leaves there."""
    for directory in environ.get("PATH", os.defpath).split(os.pathsep):
        root = os.path.dirname(directory.rstrip("/"))  # noqa: PTH120 - may be empty or relative
        marks = (os.path.join(root, mark) for mark in ("pyvenv.cfg", "conda-meta"))  # noqa: PTH118
        if not any(map(os.path.lexists, marks)):
            yield directory


def check_place(prefix: Path) -> None:
    """Raise `InvalidRequest` for a directory whose programs would not be found on PATH."""
    if os.pathsep in str(prefix):
        raise InvalidRequest(
            f"`{prefix}` cannot be on PATH, whose directories `{os.pathsep}` separates",
            "create the environment in another directory, or choose another MFENV_HOME",
        )


def _public(value: str) -> str:
    return " ".join(Credentials().add(word) for word in value.split(" ")) if "@" in value else value


def program(prefix: Path, name: str, environment: Mapping[str, str]) -> str:
    """The path of the program that `name` means in `prefix`, or behind it on PATH.

    Raises `NoProgram` where there is none, or where only another environment has it.
    """
    # To a shell, what holds a slash is a path.
    if os.sep in name:
        return name
    path = shutil.which(name, path=environment["PATH"])
    inside = path is not None and Path(path).parent == prefix / "bin"
    if not inside and _PYTHONS.fullmatch(name):
        hint = f"ask for the package `{name.rstrip('0123456789.')}` too, and resolve again"
        raise NoProgram(f"there is no `{name}` in `{prefix}`, and no other is right there", hint)
    if path is None:
        file = f"; write `python {name}`" if name.endswith(".py") and Path(name).is_file() else ""
        hint = f"programs are looked for in it, and on PATH outside of environments{file}"
        raise NoProgram(f"there is no program `{name}` for `{prefix}`", hint)
    return path


def scripts(prefix: Path, suffix: str = ".sh", folder: str = "activate.d") -> list[Path]:
    """The scripts of a conda prefix, to activate it or in another folder, for shells that read `suffix`.

    In the order in which they are read to activate it.
    """
    return sorted((prefix / "etc" / "conda" / folder).glob(f"*{suffix}"))


def activated(prefix: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """`variables`, and what the activation scripts make of them, if there are any.

    What the scripts print goes to standard error. Raises `InvalidRequest` if they end the shell
    that reads them.
    """
    environment = variables(prefix, environ)
    hooks = scripts(prefix)
    if not hooks:
        return environment
    import subprocess
    import tempfile

    # Many are written with bash in mind; a small image has none.
    shell = shutil.which("bash") or "sh"
    options = ["--noprofile", "--norc"] if shell != "sh" else []
    words = [f". {shlex.quote(str(hook))}" for hook in hooks]
    # A file, since what a script leaves running would keep a pipe open.
    with tempfile.TemporaryFile() as answer:
        # A shell's own words for its variables cannot be read back.
        # By its path: on PATH the environment comes first, and may have an `env` of its own.
        words.append(f"/usr/bin/env -0 > /dev/fd/{answer.fileno()}")
        subprocess.run(
            [shell, *options, "-c", "\n".join(words)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=[answer.fileno()],
            check=False,
        )
        answer.seek(0)
        data = answer.read()
    if not data:
        names = ", ".join(f"`{hook.name}`" for hook in hooks)
        raise InvalidRequest(
            f"the activation of `{prefix}` failed with its scripts {names}",
            "the scripts are in `etc/conda/activate.d`, and were brought by packages",
        )
    pairs = (item.partition(b"=") for item in data.split(b"\0") if item)
    after = {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs}
    # What the shell made for itself alone must not look as if the user had set it.
    own = {key: environment[key] for key in _OF_THE_SHELL if key in environment}
    return {key: value for key, value in after.items() if key not in _OF_THE_SHELL} | own


def check_shell(shell: str, known: Sequence[str] = SHELLS) -> str:
    """The one of the `known` that a name or path means. Raises `InvalidRequest` for another."""
    name = Path(shell).name
    if name not in known:
        raise InvalidRequest(
            f"`{shell}` is not a shell that can be led into an environment",
            f"known are {', '.join(known)}; `--shell` takes one",
        )
    return name


def shell_command(
    prefix: Path, environ: Mapping[str, str], shell: str, prompt: str = ""
) -> tuple[list[str], dict[str, str]]:
    """The command line and variables of an interactive shell in `prefix`.

    `shell` is the path of one of `SHELLS`, `prompt` what its prompt calls the environment in place
    of the name of the directory. The user's own configuration is read first, so that it
    cannot lead out of the environment. Raises `InvalidRequest` for another shell.
    """
    name = check_shell(shell)
    environment = variables(prefix, environ, prompt)
    prompt = prompt or prefix.name
    if name == "fish":
        environment[_HOOK] = "\n".join(_fish_lines(prefix, environ, environment, prompt))
        # Read once and taken away at once, so that no program in the shell inherits it.
        arguments = ["--init-command", f"set -l hook ${_HOOK}; set -e {_HOOK}; eval $hook"]
    else:
        environment[_HOOK] = "\n".join(_posix_lines(prefix, environ, environment, prompt))
        arguments = ["--rcfile", str(_CONFIGURATION / "bashrc")] if name == "bash" else []
    if name == "zsh":
        environment |= {
            "_MFENV_ZDOTDIR": environ.get("ZDOTDIR", ""),
            "ZDOTDIR": str(_CONFIGURATION / "zsh"),
        }
    return [shell, *arguments, "-i"], environment


def _posix_lines(
    prefix: Path, environ: Mapping[str, str], environment: Mapping[str, str], prompt: str
) -> Iterator[str]:
    quote = shlex.quote
    for key in environ.keys() - environment.keys():
        yield f"unset {key}"
    for key, value in _changed(environ, environment):
        yield f"export {key}={quote(value)}"
    # In front of what the user's own configuration has made of PATH by now.
    yield f"export PATH={quote(str(prefix / 'bin'))}:$PATH"
    for script in scripts(prefix):
        yield f". {quote(str(script))}"
    # The shell may remember where it found a program before.
    yield "hash -r"
    yield f"PS1={quote(f'({prompt}) ')}$PS1"


def _fish_lines(
    prefix: Path, environ: Mapping[str, str], environment: Mapping[str, str], prompt: str
) -> Iterator[str]:
    quote = fish_quote
    for key in environ.keys() - environment.keys():
        yield f"set -e {key}"
    for key, value in _changed(environ, environment):
        yield f"set -gx {key} {quote(value)}"
    yield f"set -gx PATH {quote(str(prefix / 'bin'))} $PATH"
    for script in scripts(prefix, ".fish"):
        yield f"source {quote(str(script))}"
    # fish has no variable for its prompt: the function is wrapped, if there is one.
    yield "if functions -q fish_prompt; functions -c fish_prompt _mfenv_prompt"
    yield "else; function _mfenv_prompt; end; end"
    yield f"function fish_prompt; echo -n {quote(f'({prompt}) ')}; _mfenv_prompt; end"


def _changed(
    environ: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for key, value in environment.items():
        if key not in ("PATH", _HOOK) and environ.get(key) != value:
            yield key, value


def fish_quote(text: str) -> str:
    """A text as a word of fish."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _own(prefix: Path) -> Iterator[tuple[str, str]]:
    """The variables that packages and `conda env config vars` set."""
    for path in sorted((prefix / "etc" / "conda" / "env_vars.d").glob("*.json")):
        yield from _texts(path, _json(path))
    state = prefix / "conda-meta" / "state"
    if state.exists():
        yield from _texts(state, _json(state).get("env_vars", {}))


def _json(path: Path) -> dict[str, Any]:
    try:
        # Whoever opens a pipe waits for who writes into it.
        document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidRequest(
            f"`{path}` cannot be read as variables of an environment",
            "repair the file, or create the environment again with `--force`",
        )
    return document


def _texts(path: Path, texts: Any) -> Iterator[tuple[str, str]]:
    for key, value in texts.items() if isinstance(texts, dict) else [("", None)]:
        if not isinstance(value, str) or not key.isidentifier() or "\0" in value:
            raise InvalidRequest(
                f"`{path}` has the variable `{key}`, which is none",
                "repair the file, or create the environment again with `--force`",
            )
        yield key, value
