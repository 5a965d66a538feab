"""What a wheel that was built here needs of a machine, and the tags that say so.

A build backend writes the platform that it runs on, `linux_x86_64`, or even `any`, and that says
nothing of the C library. The versioned symbols of the files do. auditwheel reads them, and knows
which C library goes with which C++ library, compiler runtime and zlib; its report is asked for as a
process, because that is what it promises to keep, unlike its modules. ELF alone is read: on macOS
the backend takes the floor from MACOSX_DEPLOYMENT_TARGET, and writes it into the tag.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import sys
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from packaging.tags import parse_tag

from resolvers.errors import BuildFailed, EngineFailed

if TYPE_CHECKING:
    from pathlib import Path

    from resolvers._processes import Processes

__all__ = ["Needs", "compiled", "needs", "with_tags"]

_ELF = b"\x7fELF"
_OLDEST = (2, 17)  # below it, no floor lies
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)")
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_")
_OWN_ABI = re.compile(r"\.cpython-(\d+t?)-[^/]*\.so$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Of a wheel with compiled files: the glibc, libraries of the system, and the ABI of Python.

    `abi` is None where the files do not say, as with those for the stable ABI.
    """

    glibc: tuple[int, int]
    libraries: tuple[str, ...]
    abi: str | None


def compiled(wheel: Path) -> list[str]:
    """The files of a wheel that are compiled for some Linux."""
    names = []
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as file:
                    # By their first bytes, since names of compiled files have any form.
                    if file.read(len(_ELF)) == _ELF:
                        names.append(member.filename)
    return names


def needs(wheel: Path, processes: Processes) -> Needs | None:
    """What the files of a wheel need on Linux; None where none of them is compiled for it.

    Raises `BuildFailed` for a wheel for musl, `EngineFailed` where auditwheel is not there, or
    cannot read it.
    """
    files = compiled(wheel)
    if not files:
        return None
    if find_spec("auditwheel") is None:
        hint = "install the package `auditwheel`"
        raise EngineFailed("auditwheel", "it is not installed", hint=hint)
    command = (sys.executable, "-m", "auditwheel", "show", "--json", str(wheel))
    done = processes.run("auditwheel show", command)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {"error": "it does not answer"}
    if "error" in report:
        raise EngineFailed("auditwheel", f"{report['error']} for `{wheel.name}`", done.stderr)
    if report["sym_tag"].startswith("musllinux_"):
        hint = "resolve on a system with glibc"
        raise BuildFailed(wheel.name, "this machine builds for musl, not for glibc", hint=hint)
    symbols = [symbol for library in report["versioned_symbols"].values() for symbol in library]
    floors = [(int(major), int(minor)) for major, minor in _GLIBC.findall(" ".join(symbols))]
    if policy := _MANYLINUX.match(report["sym_tag"]):
        floors.append((int(policy[1]), int(policy[2])))
    abis = {match[1] for name in files if (match := _OWN_ABI.search(name))}
    return Needs(
        glibc=max(floors, default=_OLDEST),
        libraries=tuple(sorted(report["external_libs"])),
        abi=f"cp{abis.pop()}" if len(abis) == 1 else None,
    )


def with_tags(wheel: Path, needed: Needs, machine: str) -> Path:
    """The wheel with the tags of what it needs, which takes its place (PEP 425, 427, 600)."""
    stem, python, abi, _ = wheel.stem.rsplit("-", 3)
    # Tagged for any ABI, and its files are for a certain ABI.
    if abi == "none" and needed.abi:
        python, abi = needed.abi.rstrip("t"), needed.abi
    major, minor = max(needed.glibc, _OLDEST)
    tag = f"{python}-{abi}-manylinux_{major}_{minor}_{machine}"
    target = wheel.with_name(f"{stem}-{tag}.whl")
    if target == wheel:
        return wheel
    lines = [f"Tag: {text}" for text in sorted(map(str, parse_tag(tag)))]
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        info = next(name for name in old.namelist() if name.endswith(".dist-info/WHEEL"))
        kept = [
            line
            for line in old.read(info).decode().splitlines()
            if line and not line.startswith(("Tag:", "Root-Is-Purelib:"))
        ]
        text = "\n".join([*kept, "Root-Is-Purelib: false", *lines, ""]).encode()
        for member in old.infolist():
            data = text if member.filename == info else old.read(member)
            # It has the hash of the file that was changed.
            if member.filename == info.replace("/WHEEL", "/RECORD"):
                data = _recorded(data.decode(), info, text).encode()
            # With what the member was, its permissions among it.
            new.writestr(member, data)
    wheel.unlink()
    return target


def _recorded(record: str, name: str, data: bytes) -> str:
    """A RECORD with another hash and size for a file."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    rows = [
        [name, f"sha256={digest}", str(len(data))] if row[:1] == [name] else row
        for row in csv.reader(io.StringIO(record))
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
