"""The main job, shown: resolve a requirements file, create the environment, run a program in it.

Works in a directory of its own, which it deletes at the end.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REQUIREMENTS = """\
# What a small data step might ask for.
pandas>=2
matplotlib
scikit-learn
requests[socks]
rich
"""

PROGRAM = """\
import matplotlib, pandas, requests, rich, sklearn, sys
frame = pandas.DataFrame({"x": range(10), "y": [3 * n + 1 for n in range(10)]})
from sklearn.linear_model import LinearRegression
fit = LinearRegression().fit(frame[["x"]], frame["y"])
print(f"y = {fit.coef_[0]:.0f} x + {fit.intercept_:.0f}, on Python {sys.version.split()[0]}")
print("from", sys.prefix)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "requirements.txt").write_text(REQUIREMENTS)
        (folder / "program.py").write_text(PROGRAM)
        os.environ |= {
            "MFENV_HOME": str(folder / "home"),
            "MFENV_STORE": (folder / "store").as_uri(),
            "MFENV_PYTHON_PROVIDER": "system",
        }
        print(REQUIREMENTS)
        step(folder, "resolve", "-r", "requirements.txt", "--alias", "demo/step:v1")
        step(folder, "resolve", "-r", "requirements.txt")
        step(folder, "create", "demo/step:v1", "--name", "demo")
        step(folder, "run", "demo", "--", "python", "program.py")
        step(folder, "list")


def step(folder: Path, *words: str) -> None:
    print(f"$ mfenv {shlex.join(words)}", flush=True)
    started = time.monotonic()
    command = [str(Path(sys.executable).with_name("mfenv")), *words]
    subprocess.run(command, cwd=folder, check=True)
    print(f"  ({time.monotonic() - started:.2f} s)\n", flush=True)


if __name__ == "__main__":
    main()
