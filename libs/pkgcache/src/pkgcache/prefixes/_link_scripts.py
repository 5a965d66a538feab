"""Programs that conda packages bring to be run when they are linked."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pkgcache.prefixes._programs import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from pkgcache.archives.records import UnpackedConda
    from pkgcache.prefixes._making import BuildSite
    from pkgcache.progress import Progress

_MESSAGES = ".messages.txt"
# The scripts that there can be (CEP 34), and why they are never run, if they are not.
_ACTIONS = {
    "pre-link": "a package is linked as it is",
    "post-link": "",
    "pre-unlink": "an environment is deleted as a whole",
    "post-unlink": "an environment is deleted as a whole",
}
# As conda does: in the activated environment, and sourced, so that a script may `return`.
_SOURCED = """
for script in "$PREFIX"/etc/conda/activate.d/*.sh; do
    if [ -e "$script" ]; then . "$script"; fi
done
. "$1"
"""


def plan_scripts(
    packages: Iterable[tuple[UnpackedConda, Sequence[Mapping[str, Any]]]],
    site: BuildSite,
    *,
    allowed: bool,
    progress: Progress,
) -> None:
    """See to it that post-link scripts run once the environment is in its place, if `allowed`.

    Each package comes with the paths that it has in the prefix, which for a package for Python
    are not those in its archive. What is never run, or not allowed to be, is noted.
    """
    for package, paths in packages:
        present = {entry["_path"] for entry in paths}
        for action, reason in _ACTIONS.items():
            script = f"bin/.{package.name}-{action}.sh"
            if script not in present:
                continue
            if allowed and not reason:
                site.in_place.append(partial(_run, package, script, site.final, progress))
            else:
                because = reason or "link scripts are not allowed"
                progress.note(f"the {action} script of `{package.name}` is not run: {because}")


def _run(package: UnpackedConda, script: str, prefix: Path, progress: Progress) -> None:
    path = f"{prefix / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    own = {
        "CONDA_PREFIX": str(prefix),
        "PATH": path,
        "PKG_BUILDNUM": str(package.index["build_number"]),
        "PKG_NAME": package.name,
        "PKG_VERSION": str(package.index["version"]),
        "PREFIX": str(prefix),
        # There is no base environment whose programs a script could call.
        "ROOT_PREFIX": str(prefix),
        "SOURCE_DIR": str(prefix),
    }
    # conda takes bash too; `sh` is for machines without it.
    shell = shutil.which("bash") or "sh"
    command = [shell, "-c", _SOURCED, shell, str(prefix / script)]
    failure = f"the post-link script of `{package.name}` failed"
    # Where a script leaves what a user should read; conda prints it as well.
    messages = prefix / _MESSAGES
    try:
        run(command, prefix, failure, environ=own)
    finally:
        with suppress(FileNotFoundError):
            progress.note(messages.read_text(encoding="utf-8", errors="replace").strip())
            messages.unlink()
