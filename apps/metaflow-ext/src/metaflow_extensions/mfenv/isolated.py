"""The program of the process that mfenv runs in, apart from the one that asks it.

`python -I isolated.py IN OUT` reads messages from one pipe and writes them to the other: see `bridge`.
As the interpreter is isolated, neither what lies beside a flow or on PYTHONPATH nor what a flow
imports decides what is imported here, and none of this is in its way. The extension itself is the
one that this file is part of, wherever that is; on other machines, what is in
`metaflow_extensions.mfextmeta_mfenv.APART` comes with mfenv.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

__all__ = ["add_paths"]

_PACKAGE = "metaflow_extensions"


def add_paths(paths: list[str]) -> None:
    """Have modules found in these directories too, before those that are installed here."""
    installed = (
        place
        for place, path in enumerate(sys.path)
        if os.path.basename(path) in ("site-packages", "dist-packages")  # noqa: PTH119
    )
    # Behind the standard library, whose modules nothing in these directories may replace.
    place = next(installed, len(sys.path))
    sys.path[place:place] = [path for path in paths if path not in sys.path]
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    # Behind ours: what others have there can be imported, and is never taken for ours.
    extensions = [os.path.join(path, _PACKAGE) for path in sys.path]  # noqa: PTH118
    # A package without a file of its own: `metaflow_extensions` of somebody else, with an
    # `__init__`, would hide ours.
    package = sys.modules.setdefault(_PACKAGE, ModuleType(_PACKAGE))
    package.__path__ = [own, *extensions]


def main() -> None:
    add_paths([])  # nothing of the extension can be imported before
    from metaflow_extensions.mfenv.serving import serve

    serve(int(sys.argv[1]), int(sys.argv[2]), add_paths)


if __name__ == "__main__":
    main()
