"""`metaflow environment create --into-dir`: a directory in which the code of a step runs again."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from envid.platforms import PLATFORMS, host_platform
from metaflow_extensions.mfenv.asking import ask
from metaflow_extensions.mfenv.command_records import CodeOfStep, CopyMetaflow
from metaflow_extensions.mfenv.messages import Refused
from mfenv.errors import InvalidRequest, UnknownEnvironment
from mfenv.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable

    from mfenv.results import Created

__all__ = ["CREATE_OPTIONS", "PYTHON", "SETUP", "create_into"]

PYTHON = "__conda_python"
"""What starts the interpreter of the environment, by the name that it has in remote tasks."""

SETUP = "metaflow_setup.sh"
"""What a shell reads to work in the directory; by it a directory of ours is told from others."""

CREATE_OPTIONS = (
    click.Option(
        ["--into-dir"],
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Make DIR hold the code of the step, or Metaflow, and the interpreter.",
    ),
    click.Option(
        ["--strict/--no-strict"],
        default=True,
        help="Refuse where the Metaflow that the step ran with cannot be had, or take this one.",
    ),
    click.Option(
        ["--platform", "--arch"],
        type=click.Choice(PLATFORMS),
        help="Platform; environments are created for the machine's own.",
    ),
)

_PUBLIC = re.compile(r"[0-9]+(\.[0-9]+)*")


def create_into(callback: Callable[..., Any]) -> Callable[..., Any]:
    """The callback of `create` with `CREATE_OPTIONS` added."""

    @wraps(callback)
    def creating(
        *, into_dir: Path | None, strict: bool, platform: str | None, **options: Any
    ) -> None:
        here = host_platform()
        if platform not in (None, here):
            raise InvalidRequest(
                f"an environment for `{platform}` cannot be created on `{here}`",
                "leave out `--platform`, or create it on such a machine",
            )
        if into_dir is None:
            callback(**options)
            return
        # Before anything is resolved or created.
        _check_empty(into_dir, force=options["force"])
        step = options["env"] if options["pathspec"] else ""
        step = step or (options["env"] if options["env"].startswith("step:") else "")
        into_dir = into_dir.absolute()
        into_dir.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that it is there by a rename, whole. After that the directory is gone
        # under its first name, which is no error.
        with tempfile.TemporaryDirectory(
            dir=into_dir.parent, prefix=".mfenv-", ignore_cleanup_errors=True
        ) as made:
            if step:
                _fill(Path(made), step.removeprefix("step:"), strict=strict)
            # Before the callback, which makes the kernel.
            if host := click.get_current_context().find_object(Host):
                host.kernel_variables = {"PYTHONPATH": ":".join(_paths(Path(made), into_dir))}
            created = callback(**options)
            _finish(Path(made), into_dir, created)
            # Last, with all of the new one there: a directory cannot take the place of one with
            # something in it.
            shutil.rmtree(into_dir, ignore_errors=True)
            # A temporary directory is for its owner alone.
            Path(made).chmod(0o755)
            Path(made).rename(into_dir)

    return creating


def _check_empty(place: Path, *, force: bool) -> None:
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return
    if not (force and (place / SETUP).is_file()):
        raise InvalidRequest(
            f"`{place}` is there and is not empty",
            "choose another directory; `--force` replaces one that this command made",
        )


def _fill(place: Path, pathspec: str, *, strict: bool) -> None:
    """Put the code that a step ran with into `place`, or else the Metaflow it ran with."""
    try:
        version = ask(CodeOfStep(pathspec=pathspec, folder=str(place)))
    except Refused as error:
        raise UnknownEnvironment(str(error), "a step is named `Flow/run/step`") from None
    if version is None:
        return
    # Behind `+` Metaflow names its extensions; the version of a checkout, `1.2.post3-git0a1b2c`, is
    # none that an index has.
    public = version.partition("+")[0]
    if _PUBLIC.fullmatch(public):
        _install_metaflow(place, public)
    elif strict:
        raise InvalidRequest(
            f"`{pathspec}` ran with Metaflow {version or 'of an unknown version'}, which was never"
            " released",
            "`--no-strict` takes the Metaflow that is here",
        )
    else:
        ask(CopyMetaflow(folder=str(place)))


def _install_metaflow(place: Path, version: str) -> None:
    from uv import find_uv_bin

    from mfenv.settings import Settings

    index = Settings.load().index_url
    done = subprocess.run(
        [
            # Without dependencies: the environment has them, as Metaflow asked for them.
            *(find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--no-config"),
            *("--target", str(place), f"metaflow=={version}"),
        ],
        # Not as an argument, which everybody on the machine may read: it may hold a login.
        env={**os.environ, **({} if index == "pypi" else {"UV_DEFAULT_INDEX": index})},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = " ".join(done.stderr.split()).removeprefix("error: ")
        raise InvalidRequest(f"Metaflow {version} cannot be installed: {reason}", "see the index")


def _paths(made: Path, place: Path) -> list[str]:
    """What stands on PYTHONPATH in the directory, once it is at its place."""
    # In which code packages of newer releases have their modules, beside what else is in them.
    return [str(place), *([str(place / ".mf_code")] if (made / ".mf_code").is_dir() else [])]


def _finish(made: Path, place: Path, created: Created) -> None:
    folder = created.prefix / "bin"
    # Through a link, the Python of a virtual environment would not find its packages.
    start = f'#!/bin/sh\nexec {shlex.quote(str(folder / "python"))} "$@"\n'
    (made / PYTHON).write_text(start, encoding="utf-8")
    (made / PYTHON).chmod(0o755)
    path = f"{shlex.quote(str(folder))}:$PATH"
    modules = shlex.quote(":".join(_paths(made, place)))
    (made / SETUP).write_text(
        f"# For bash and its like: . {SETUP}\nexport PATH={path}\nexport PYTHONPATH={modules}\n",
        encoding="utf-8",
    )
