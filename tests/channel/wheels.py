"""`noarch: python` packages from pure-Python wheels."""

from __future__ import annotations

import re
import subprocess
import zipfile
from configparser import ConfigParser
from email.parser import Parser
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .package import Entry, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["WHEELS", "fetch_wheels", "wheel_recipe"]

WHEELS = (
    "certifi==2024.8.30",
    "charset-normalizer==3.4.0",
    "click==8.1.7",
    "idna==3.10",
    "markdown-it-py==3.0.0",
    "mdurl==0.1.2",
    "packaging==24.2",
    "pip==24.3.1",
    "pygments==2.18.0",
    "requests==2.32.3",
    "rich==13.9.4",
    "setuptools==75.6.0",
    "six==1.17.0",
    "typing-extensions==4.12.2",
    "urllib3==2.2.3",
    "wheel==0.45.1",
)
"""Pure-Python wheels with entry points, data files, vendored and namespace packages."""

_SKIPPED = re.compile(r".*\.dist-info/(RECORD\..*|INSTALLER|direct_url\.json)|[^/]*\.data/.*")


def fetch_wheels(into: Path, pythons: Iterable[Path]) -> list[Path]:
    """Download `WHEELS` with the first Python that has pip; empty where no index answers."""
    options = ["--quiet", "--disable-pip-version-check", "--retries=1", "--timeout=10"]
    options += ["--no-deps", "--only-binary=:all:", "--platform=any", "--dest", str(into)]
    for python in pythons:
        command = [str(python), "-m", "pip", "download", *options, *WHEELS]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0:
            return sorted(into.glob("*.whl"))
    return []


def wheel_recipe(path: Path) -> Recipe:
    """The conda package of a wheel."""
    with zipfile.ZipFile(path) as wheel:
        content = {one.filename: wheel.read(one) for one in wheel.infolist() if not one.is_dir()}
    info = next(name.split("/")[0] for name in content if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(content[f"{info}/METADATA"].decode())
    files = {
        f"site-packages/{name}": Entry(data=data)
        for name, data in content.items()
        if not _SKIPPED.fullmatch(name)
    }
    files[f"site-packages/{info}/INSTALLER"] = Entry(data=b"conda\n")
    record = content[f"{info}/RECORD"] + f"{info}/INSTALLER,,\n".encode()
    files[f"site-packages/{info}/RECORD"] = Entry(data=record)
    python = f"python {metadata['Requires-Python'] or ''}".replace(" >= ", " >=").strip()
    required = _depends(metadata.get_all("Requires-Dist") or [])
    return Recipe(
        name=canonicalize_name(metadata["Name"]),
        version=metadata["Version"],
        build="pyh0_0",
        noarch="python",
        depends=(python.replace(" ,", ","), *required),
        files=files,
        entry_points=tuple(_entry_points(content.get(f"{info}/entry_points.txt", b""))),
    )


def _depends(texts: list[str]) -> Iterator[str]:
    for text in sorted(texts):
        one = Requirement(text)
        if not one.marker or one.marker.evaluate({"extra": "", "python_version": "3.9"}):
            bounds = ",".join(sorted(str(bound) for bound in one.specifier))
            yield f"{canonicalize_name(one.name)} {bounds}".strip()


def _entry_points(data: bytes) -> Iterator[str]:
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(data.decode())
    for group in ("console_scripts", "gui_scripts"):
        if parser.has_section(group):
            yield from (f"{name} = {target}" for name, target in parser.items(group))
