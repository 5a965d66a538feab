"""What `bin/mfenv-unpack` of an environment that was unpacked runs, Python 3.8 or later.

Takes the directory of the environment. For one whose Python is that of the machine, the interpreter
that runs this becomes its own.
"""

# ruff: noqa: PTH108, PTH113, PTH114, PTH118, PTH208, T201  (few imports; it talks to a user)

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pkgcache.prefixes import _setting

if TYPE_CHECKING:
    from typing import Any


def main(root: str) -> int:
    """Set the prefix to `root`; gives the exit status."""
    try:
        return _set_prefix(root)
    except KeyboardInterrupt:
        hint = "run it again: it goes on"
        print(f"error: `{root}` is not set up: interrupted\nhint: {hint}", file=sys.stderr)
        return 130


def _set_prefix(root: str) -> int:
    try:
        manifest = _setting.read_manifest(root)
        _setting.check_machine(manifest)
        before = _setting.prefix_set(root)
        if manifest["system_python"] and not (before == root and _is_venv(root)):
            _make_venv(root, manifest)
        notes = _setting.set_prefix(root, root, manifest)
    except (_setting.CannotSet, OSError) as error:
        reason = str(error)
        if isinstance(error, OSError) and error.strerror:
            reason = f"{error.strerror.lower()}: `{error.filename or root}`"
        print(f"error: `{root}` is not set up: {reason}", file=sys.stderr)
        return 1
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if before == root:
        print(f"the prefix is `{root}`, as it was")
    else:
        was = f", and was `{before}`" if before else ""
        print(f"the prefix is `{root}` now{was}")
    return 0


def _is_venv(root: str) -> bool:
    """Whether it is a virtual environment of the interpreter that runs this."""
    names = ("python", "python3", "python{}.{}".format(*sys.version_info))
    links = [os.path.join(root, "bin", name) for name in names]
    own = os.path.realpath(sys.executable)
    made = os.path.isfile(os.path.join(root, "pyvenv.cfg"))
    return made and all(os.path.realpath(link) == own for link in links)


def _make_venv(root: str, manifest: dict[str, Any]) -> None:
    from pkgcache.prefixes import _venv_child

    places = _venv_child.scheme(root)
    if any(places[part] != place for part, place in manifest["places"].items()):
        raise _setting.CannotSet(
            f"`{sys.executable}` installs into other places than it was packed for"
        )
    folder = os.path.join(root, "bin")
    for name in os.listdir(folder):
        # Links to the interpreter of another machine, or of another place.
        path = os.path.join(folder, name)
        if name.startswith("python") and os.path.islink(path):
            os.unlink(path)
    _venv_child.VenvBuilder(root).create(root)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
