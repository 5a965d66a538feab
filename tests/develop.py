#!/usr/bin/env python3
"""Hatch, without having to install it: `python3 tests/develop.py test` is `hatch test`.

Needs Python 3.10 or newer with its `venv` module and a package index. On first use it installs
hatch and uv into `.venv` at the root of the checkout; after that it only runs them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("hatch>=1.16.4", "uv>=0.11.15")


def main() -> None:
    tools = Path(os.environ.get("MFENV_DEVELOP", ROOT / ".venv"))
    if not (tools / "bin" / "hatch").exists():
        subprocess.run([sys.executable, "-m", "venv", tools], check=True)
        pip = [str(tools / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
        subprocess.run([*pip, "--quiet", *TOOLS], check=True)
    environment = {**os.environ, "PATH": f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("VIRTUAL_ENV", None)
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(tools / "bin" / "hatch", ["hatch", *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
