"""The CUDA driver of a machine, played by a library that is compiled on the spot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from resolvers.cuda import cuda_version

if TYPE_CHECKING:
    from pathlib import Path

ASK = "from resolvers.cuda import cuda_version; print(cuda_version())"


def asked_beside(folder: Path, source: str) -> str:
    """What a process says that finds a driver of this source before any other."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("there is no C compiler")
    command = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", str(folder / "libcuda.so.1")]
    subprocess.run(command, input=source, text=True, check=True)
    environ = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    environ.pop("CONDA_OVERRIDE_CUDA", None)
    done = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, check=True, env=environ
    )
    return done.stdout.strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the library is one of Linux")
@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("*version = 12040; return 0;", "12.4"),
        ("*version = 9020; return 0;", "9.2"),
        ("*version = 0; return 0;", "None"),
        ("*version = 12040; return 100;", "None"),
    ],
)
def test_the_driver_is_asked(tmp_path: Path, body: str, found: str) -> None:
    assert asked_beside(tmp_path, f"int cuDriverGetVersion(int *version) {{ {body} }}") == found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the library is one of Linux")
def test_a_library_that_is_no_driver_says_nothing(tmp_path: Path) -> None:
    assert asked_beside(tmp_path, "int other;") == "None"


@pytest.mark.parametrize(("stated", "found"), [("11.8", "11.8"), ("", None), (" 12 ", "12")])
def test_what_is_stated_is_believed(
    monkeypatch: pytest.MonkeyPatch, stated: str, found: str | None
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", stated)
    assert cuda_version() == found
