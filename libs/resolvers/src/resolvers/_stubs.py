"""Stub wheels: what conda brings, offered to uv as wheels that hold metadata alone.

uv then treats them as what they are, versions that are there and cannot be changed, and looks for
other versions of the rest. The local label `+conda` tells them from what an index has; by PEP 440
`==`, `~=`, `<=`, `<` and `>=` accept it where they accept the public version, `!=` and `>` refuse
it, and `===` does not match it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envid.packages import Package

__all__ = ["Stub", "Stubs"]

# A stub has the same bytes whenever it is written.
_EPOCH = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """A distribution that a conda package brings; `extras` are requirements by extra.

    `own_version` is that of its metadata, which need not be the package's.
    """

    name: str
    own_version: str
    package: Package
    extras: Mapping[str, tuple[str, ...]]

    @property
    def version(self) -> str:
        """The version with the label, which takes the place of one that it has itself."""
        # A version has one label at most (PEP 440), and `==` without a label accepts any.
        return f"{Version(self.own_version).public}+conda"

    @property
    def metadata(self) -> str:
        # It requires nothing but for extras: what conda's package needs, conda has brought already.
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        for extra, requirements in sorted(self.extras.items()):
            lines.append(f"Provides-Extra: {extra}")
            lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
        return "\n".join([*lines, ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stubs:
    """The stubs of one platform, as files in `folder`."""

    folder: Path
    by_name: Mapping[str, Stub]

    @classmethod
    def write(cls, stubs: Iterable[Stub], root: Path) -> Stubs:
        """Write wheels below `root`; the same stubs lie at the same place, which uv's cache likes."""
        by_name = {stub.name: stub for stub in stubs}
        texts = [by_name[name].metadata for name in sorted(by_name)]
        folder = root / hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:32]
        if not folder.is_dir():
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=root) as work:
                made = Path(work) / "stubs"
                made.mkdir()
                for stub in by_name.values():
                    _write(stub, made)
                # Visible when complete: another process may be reading the same stubs.
                try:
                    made.rename(folder)
                except OSError:  # another process was as quick
                    if not folder.is_dir():
                        raise
        return cls(folder=folder, by_name=by_name)

    @property
    def pins(self) -> tuple[str, ...]:
        """Constraints that allow nothing else."""
        return tuple(f"{name}=={stub.version}" for name, stub in sorted(self.by_name.items()))


def _write(stub: Stub, folder: Path) -> None:
    stem = f"{stub.name.replace('-', '_')}-{stub.version}"
    files = {
        "METADATA": stub.metadata,
        "WHEEL": "Wheel-Version: 1.0\nGenerator: stub\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",  # nobody installs it
    }
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(f"{stem}.dist-info/{name}", _EPOCH), text)
