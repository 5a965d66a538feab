"""Compiling the modules of an environment that is being built, without running any of them.

The interpreter runs alone (`-I -S`): no `.pth` file, no `sitecustomize`, nothing of site-packages.
"""

from __future__ import annotations

import json
import os
import posixpath
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pkgcache.errors import PrefixError
from pkgcache.web.credentials import without_secrets

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from pkgcache.prefixes._making import BuildSite
    from pkgcache.progress import Progress

_CHILD = Path(__file__).with_name("_bytecode_child.py")
_LONGEST = 200


def compile_modules(
    site: BuildSite, python: Path, owners: Mapping[str, str], progress: Progress
) -> None:
    """Compile the modules among the files of packages, `owners`, that lie in `lib`.

    What does not compile is noted. Raises `PrefixError` where none can be.
    """
    from pkgcache.threads import Threads

    modules = sorted(path for path in owners if path.startswith("lib/") and path.endswith(".py"))
    jobs = os.cpu_count() or 1
    with Threads(jobs) as pool:
        # Dealt out like cards, so that the large modules of a package do not all come to the same
        # interpreter.
        parts = [modules[start::jobs] for start in range(jobs)]
        failures = list(chain.from_iterable(pool.map(partial(_compiled, site, python), parts)))
    failed: dict[str, list[tuple[str, str]]] = {}
    for path, reason in sorted(failures):
        failed.setdefault(owners[path], []).append((path, reason))
    for owner, ((path, reason), *others) in sorted(failed.items()):
        more = f" and {len(others)} more" if others else ""
        progress.note(f"`{path}`{more} of `{owner}` cannot be compiled: {reason}")


def _compiled(site: BuildSite, python: Path, modules: Sequence[str]) -> list[tuple[str, str]]:
    """Compile modules; those that do not compile, each with the reason."""
    failed: list[tuple[str, str]] = []
    while modules:
        done = _run(site, python, modules)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        failed += [(modules[at], _plain(why)) for at, why in answers if at is not None and why]
        at, why = answers[-1] if answers else (None, done.stderr.strip().rpartition("\n")[2])
        # The last that it told of is the module that it did not survive, or why it gave up.
        if at is None:
            raise _unable(site, why or f"`{python}` ended with status {done.returncode}")
        if not done.returncode:
            break
        # There are modules that the compiler itself does not survive.
        failed.append((modules[at], "the compiler ended before it was done"))
        modules = modules[at + 1 :]
    return failed


def _run(site: BuildSite, python: Path, modules: Sequence[str]) -> subprocess.CompletedProcess[str]:
    import subprocess  # few are compiled when they are made

    # Tracebacks name a source where it will be, not where it was built.
    pairs = [
        (f"{site.root}/{module}", f"{site.final}/{posixpath.dirname(module)}") for module in modules
    ]
    try:
        return subprocess.run(
            [python, "-I", "-S", "-W", "ignore", _CHILD],
            input=json.dumps(pairs),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=without_secrets(os.environ),
            check=False,
        )
    except OSError as error:
        raise _unable(site, (error.strerror or str(error)).lower()) from error


def _unable(site: BuildSite, reason: str) -> PrefixError:
    return PrefixError(str(site.final), f"modules cannot be compiled: {reason}")


def _plain(text: str) -> str:
    """The words of an error, which may quote what is in a module."""
    return "".join(char for char in text if char.isprintable())[:_LONGEST]
