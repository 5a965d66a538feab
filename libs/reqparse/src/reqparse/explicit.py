"""`@EXPLICIT` lists: a conda package's URL per line, as conda and conda-lock write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envid.redaction import redact
from reqparse._conda import conda_requirement
from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._locked import Place, conda_parts, hash_text
from reqparse._pypi import pypi_requirement
from reqparse.locked import Lock, LockedPackage
from reqparse.model import Origin

if TYPE_CHECKING:
    from reqparse._reading import Reading

__all__ = ["read"]

_PLATFORM = re.compile(r"#\s*platform:\s*(\S+)")
_PIP = re.compile(r"#\s*pip\s+(\S+\s+@\s+\S+)\s*((?:--hash=\S+\s*)*)")
_HASH = re.compile(r"(?:(sha256|md5):)?([0-9a-fA-F]{32}|[0-9a-fA-F]{64})")


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what an explicit list says to `reading`."""
    reader = _Reader(reading, Place(location, redact(location)))
    for number, line in enumerate(decode(data, pep263=False).splitlines(), start=1):
        origin = Origin(file=redact(location), line=number)
        with reading.guard(origin):
            reader.line(line.strip(), origin)
    reading.facts["lock"] = Lock(kind="explicit", origin=Origin(file=redact(location)))
    if not reader.explicit:
        reading.problem(
            Origin(file=redact(location)), "no `@EXPLICIT` line", "is it an explicit list?"
        )


class _Reader:
    def __init__(self, reading: Reading, place: Place) -> None:
        self._reading, self._place = reading, place
        self._platforms: tuple[str, ...] | None = None
        self.explicit = False

    def line(self, line: str, origin: Origin) -> None:
        if line == "@EXPLICIT":
            self.explicit = True
        elif match := _PLATFORM.fullmatch(line):
            self._platforms = (match[1],)
            self._reading.facts["platforms"] = self._platforms
        # Before comments are passed over: conda-lock writes them as such, for conda to pass over.
        elif match := _PIP.fullmatch(line):
            self._pip(match[1], match[2].split(), origin)
        elif line and not line.startswith("#"):
            if not self.explicit:
                raise Flaw(f"`{line}` before the `@EXPLICIT` line")
            self._conda(line, origin)

    def _conda(self, line: str, origin: Origin) -> None:
        address, _, digest = line.partition("#")
        hashes = []
        if digest:
            parts = _HASH.fullmatch(digest)
            if not parts:
                raise Flaw(f"`#{digest}` is not a hash", "write an md5, or `sha256:` and hex")
            hashes = [hash_text("md5" if len(parts[2]) == 32 else "sha256", parts[2])]  # noqa: PLR2004 - md5
        name, version, build = conda_parts(address)
        conda_requirement(f"{name} =={version} {build}")  # a file name may hold anything
        self._reading.packages.append(
            LockedPackage(
                category="conda",
                name=name,
                version=version,
                build=build,
                artifacts=(self._place.artifact(address, hashes=hashes),),
                platforms=self._platforms,
                origin=origin,
            )
        )

    def _pip(self, text: str, options: list[str], origin: Origin) -> None:
        """conda-lock's comment for a PyPI package."""
        requirement = pypi_requirement(text, base=self._place.base)
        hashes = [hash_text(*o.removeprefix("--hash=").partition(":")[::2]) for o in options]
        artifact = self._place.artifact(
            requirement.secret_url or "", hashes=dict.fromkeys([*requirement.hashes, *hashes])
        )
        self._reading.packages.append(
            LockedPackage(
                category="pypi",
                name=requirement.name or "",
                version=requirement.specifier.removeprefix("==") or None,
                artifacts=(artifact,),
                platforms=self._platforms,
                origin=origin,
            )
        )
