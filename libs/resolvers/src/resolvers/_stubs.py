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
    from collections.abc import Iterable, Mapping, Sequence

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
    """Stubs as files in `folder`, which uv is offered beside the sources.

    `by_name` has one stub of each distribution. `pins` are constraints, and `lines` requirements,
    that hold uv to what was chosen among them.
    """

    folder: Path
    by_name: Mapping[str, Stub]
    pins: tuple[str, ...]
    lines: tuple[str, ...] = ()

    @classmethod
    def write(cls, stubs: Iterable[Stub], root: Path) -> Stubs:
        """Write one stub of each distribution below `root`, and allow nothing else.

        The same stubs lie at the same place, which uv's cache likes.
        """
        by_name = {stub.name: stub for stub in stubs}
        pins = tuple(f"{name}=={stub.version}" for name, stub in sorted(by_name.items()))
        return cls(folder=_folder(by_name.values(), root), by_name=by_name, pins=pins)

    @classmethod
    def choices(
        cls,
        held: Mapping[str, Sequence[Stub]],
        loose: Mapping[str, Sequence[Stub]],
        offered: Iterable[Stub],
        root: Path,
    ) -> Stubs:
        """Write several stubs of a distribution below `root`.

        Of what is `held` one must be taken, the first that goes, and of what is `loose` too, unless
        none goes. What is `offered` stands beside what the sources have.
        """
        lists = {name: [*some] for name, some in held.items()} | {
            name: [*some, None] for name, some in loose.items()
        }
        stubs = [*offered, *(stub for some in lists.values() for stub in some if stub)]
        # PEP 440 has no word for "one of these", but each version of a package can need another one.
        # Nobody else can have thought of its name, nor is any version of it ever built.
        texts = sorted(f"{name} {stub and stub.version}" for name in lists for stub in lists[name])
        secret = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
        switches = [
            # uv takes the newest version that goes, so that the first choice has the highest
            # number.
            _Switch(f"choice-{secret}-{name}", len(some) - number, stub)
            for name, some in sorted(lists.items())
            for number, stub in enumerate(some)
            if len(some) > 1
        ]
        # As requirements, so that constraints count for them.
        singles = [
            f"{name}=={some[0].version}" for name, some in sorted(held.items()) if len(some) == 1
        ]
        return cls(
            folder=_folder([*stubs, *switches], root),
            by_name={stub.name: stub for stub in stubs},
            pins=(),
            lines=(*singles, *dict.fromkeys(switch.name for switch in switches)),
        )


class _Switch:
    """A package of ours, in a version that needs one stub or, without one, nothing."""

    def __init__(self, name: str, rank: int, stub: Stub | None) -> None:
        self.name, self.version = name, f"{rank}+conda"
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Dist: {stub.name}=={stub.version}"] if stub else []
        self.metadata = "\n".join([*lines, ""])


def _folder(stubs: Iterable[Stub | _Switch], root: Path) -> Path:
    by_stem = {f"{wheel.name.replace('-', '_')}-{wheel.version}": wheel for wheel in stubs}
    texts = [by_stem[stem].metadata for stem in sorted(by_stem)]
    folder = root / hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:32]
    if not folder.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as work:
            made = Path(work) / "stubs"
            made.mkdir()
            for stem, wheel in by_stem.items():
                _write(stem, wheel.metadata, made)
            # Visible when complete: another process may be reading the same stubs.
            try:
                made.rename(folder)
            except OSError:  # another process was as quick
                if not folder.is_dir():
                    raise
    return folder


def _write(stem: str, metadata: str, folder: Path) -> None:
    files = {
        "METADATA": metadata,
        "WHEEL": "Wheel-Version: 1.0\nGenerator: stub\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",  # nobody installs it
    }
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(f"{stem}.dist-info/{name}", _EPOCH), text)
