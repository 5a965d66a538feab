"""Run by the target interpreter as a script, Python 3.8 or later: makes an empty environment.

Takes the directory to build in and the path that it will have in the end; prints where things go
in it, as JSON. Imports nothing but the standard library.
"""

# ruff: noqa: PTH118, PTH119, PTH123, T201  (as few imports as possible; its output is its answer)

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
import venv
from typing import Any


class VenvBuilder(venv.EnvBuilder):
    """Builds here what will be used elsewhere."""

    def __init__(self, final: str) -> None:
        super().__init__(symlinks=True, prompt=os.path.basename(final))
        self.final = final

    def create_configuration(self, context: Any) -> None:
        super().create_configuration(context)
        # `command = ...` names the place of the build; nothing reads it.
        with open(context.cfg_path, encoding="utf-8") as file:
            lines = [line for line in file if not line.startswith("command ")]
        with open(context.cfg_path, "w", encoding="utf-8") as file:
            file.writelines(lines)

    def setup_scripts(self, context: Any) -> None:
        # The scripts name the place where they will be used.
        context.env_dir = self.final
        context.env_name = os.path.basename(self.final)
        super().setup_scripts(context)


def scheme(final: str) -> dict[str, str]:
    """Where the parts of a wheel go, relative to the environment."""
    # There from Python 3.11 on, for interpreters whose own scheme was changed by who built them.
    name = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
    places = ("base", "platbase", "installed_base", "installed_platbase")
    paths = sysconfig.get_paths(name, dict.fromkeys(places, final))
    parts = {key: paths[key] for key in ("purelib", "platlib", "scripts", "data")}
    python = "python" + sysconfig.get_python_version()
    parts["headers"] = os.path.join(final, "include", "site", python)
    return {key: os.path.relpath(path, final) for key, path in parts.items()}


def main(build: str, final: str) -> None:
    """Make the environment and print the facts."""
    VenvBuilder(final).create(build)
    facts = {
        "scheme": scheme(final),
        "version": platform.python_version(),
        "machine": [sys.platform, platform.machine()],
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
