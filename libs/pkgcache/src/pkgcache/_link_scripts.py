"""Programs that conda packages bring to be run when they are linked."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pkgcache._prefixes import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pkgcache._prefixes import Site
    from pkgcache.conda_packages import UnpackedConda
    from pkgcache.progress import Progress

_MESSAGES = ".messages.txt"
# As conda does: in the activated environment, and sourced, so that a script may `return`.
_SOURCED = """
for script in "$PREFIX"/etc/conda/activate.d/*.sh; do
    if [ -e "$script" ]; then . "$script"; fi
done
. "$1"
"""


def plan_scripts(
    packages: Sequence[UnpackedConda], site: Site, *, allowed: bool, progress: Progress
) -> None:
    """See to it that post-link scripts run once the environment is in its place, if `allowed`."""
    for package in packages:
        script = f"bin/.{package.name}-post-link.sh"
        if not any(one.path == script for one in package.files):
            continue
        if allowed:
            site.in_place.append(partial(_run, package, script, site.final, progress))
        else:
            progress.note(
                f"the post-link script of `{package.name}` is not run: link scripts are not allowed"
            )


def _run(package: UnpackedConda, script: str, prefix: Path, progress: Progress) -> None:
    path = f"{prefix / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    own = {
        "CONDA_PREFIX": str(prefix),
        "PATH": path,
        "PKG_BUILDNUM": str(package.index["build_number"]),
        "PKG_NAME": package.name,
        "PKG_VERSION": str(package.index["version"]),
        "PREFIX": str(prefix),
        "ROOT_PREFIX": str(prefix),
    }
    shell = shutil.which("bash") or "sh"
    command = [shell, "-c", _SOURCED, shell, str(prefix / script)]
    failure = f"the post-link script of `{package.name}` failed"
    messages = prefix / _MESSAGES
    try:
        run(command, prefix, failure, environ={**os.environ, **own})
    finally:
        with suppress(FileNotFoundError):
            progress.note(messages.read_text(encoding="utf-8", errors="replace").strip())
            messages.unlink()
