"""`python` packages from the interpreters of this machine: relocatable, and of no other use.

They link the system's own libraries (OpenSSL, SQLite), so they are for machines like this one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .package import PLACEHOLDER, Entry, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Interpreter", "find_interpreters", "python_recipe"]

_ASK = """
import json, os, platform, sys, sysconfig
get = sysconfig.get_config_var
print(json.dumps({
    "version": platform.python_version(),
    "implementation": sys.implementation.name + sys.abiflags,
    "prefix": sys.base_prefix,
    "executable": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
    "stdlib": sysconfig.get_path("stdlib"),
    "dynload": get("DESTSHARED"),
    "library": os.path.join(get("LIBDIR") or "", get("INSTSONAME") or "-"),
    "include": get("INCLUDEPY") or "",
    "debian": "posix_local" in sysconfig.get_scheme_names(),
}))
"""
_LEFT_OUT = re.compile(
    r"__pycache__|test|tests|idlelib|idle_test|tkinter|turtledemo|lib2to3|config-.*|site-packages"
    r"|dist-packages|.*\.a|_tkinter\..*|nis\..*|_test.*\.so|xxlimited.*|EXTERNALLY-MANAGED"
    r"|sitecustomize\.py|_distutils_system_mod\.py"
)
_HOLDS_PREFIX = re.compile(r"_sysconfigdata.*\.py|.*\.pc|python3.*-config|pydoc3.*|pip3?.*")
# What conda's packages have too: else each new environment's Python would compile what it imports.
# The same every time, and right whatever the times of files are.
_COMPILE = """
import json, py_compile, sys
for source, target, name in json.load(sys.stdin):
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(source, target, name, doraise=True, invalidation_mode=mode)
"""
_SUPPORTED = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

# Debian's Python looks elsewhere than conda's packages lie. Its `site` is compiled into the program.
_SITE = b"""import site, sys

_FOLDER = f"{sys.prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
site.getsitepackages = lambda prefixes=None: [_FOLDER]
site.addsitedir(_FOLDER)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A CPython on this machine, as it describes itself."""

    version: str
    prefix: Path
    executable: Path
    stdlib: Path
    dynload: Path
    library: Path | None
    include: Path
    debian: bool

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])

    @property
    def state(self) -> str:
        """What changes when the interpreter does."""
        found = self.executable.stat()
        return f"{self.executable} {self.version} {found.st_size} {found.st_mtime_ns}"


def find_interpreters() -> list[Interpreter]:
    """The running interpreter, then one of every other version, newest first."""
    found: dict[str, Interpreter] = {}
    for number, path in enumerate(_candidates()):
        one = _describe(path)
        if one and one.minor in _SUPPORTED and one.version not in found and _relocatable(one):
            found[one.version] = one
        elif number == 0:
            raise RuntimeError(f"no package can be made of {path}")
    (first, *rest) = found.values()
    return [first, *sorted(rest, key=lambda one: _key(one.version), reverse=True)]


def _key(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _candidates() -> Iterator[str]:
    yield sys.executable
    roots = [
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions",
        Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "uv/python",
    ]
    for root in roots:
        yield from (str(path) for path in sorted(root.glob("*/bin/python3")))
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if not folder.endswith("/shims"):
            for minor in _SUPPORTED:
                path = Path(folder) / f"python{minor}"
                if path.is_file():
                    yield str(path)


def _describe(python: str) -> Interpreter | None:
    done = subprocess.run([python, "-I", "-c", _ASK], capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    if found["implementation"] != "cpython":
        return None
    executable, library = Path(found["executable"]), Path(found["library"])
    shared = library.is_file() and library.name.encode() in executable.read_bytes()
    return Interpreter(
        version=found["version"],
        prefix=Path(found["prefix"]).resolve(),
        executable=executable,
        stdlib=Path(found["stdlib"]),
        dynload=Path(found["dynload"]),
        library=library if shared else None,
        include=Path(found["include"]),
        debian=found["debian"],
    )


def _relocatable(one: Interpreter) -> bool:
    data = one.executable.read_bytes()
    return data[:4] == b"\x7fELF" and _run_path(data, one, "bin") is not None


def _run_path(data: bytes, one: Interpreter, folder: str) -> bytes | None:
    """The program with a run path that is relative to `folder`; None if there is no room."""
    old = f"{one.prefix}/lib".encode()
    new = ("$ORIGIN/" + os.path.relpath("lib", folder)).encode()
    if b"\0" + old + b"\0" not in data:
        return data
    if len(new) > len(old):
        return None
    return data.replace(b"\0" + old + b"\0", b"\0" + new.ljust(len(old) + 1, b"\0"))


def python_recipe(one: Interpreter, work: Path, subdir: str) -> Recipe:
    """The package of an interpreter, staged in the directory `work`."""
    lib = f"lib/python{one.minor}"
    files: dict[str, Entry] = {
        "bin/python": Entry(link=f"python{one.minor}"),
        "bin/python3": Entry(link=f"python{one.minor}"),
        f"bin/python{one.minor}": _binary(one, one.executable, "bin", work),
        f"{lib}/site-packages/README.txt": Entry(data=b"Packages go here.\n"),
    }
    if one.debian:
        files[f"{lib}/sitecustomize.py"] = Entry(data=_SITE)
    if one.library:
        files[f"lib/{one.library.name}"] = _binary(one, one.library, "lib", work)
    for path in _tree(one.stdlib):
        target = f"{lib}/{path.relative_to(one.stdlib)}"
        if path.name.endswith(".so"):
            files[target] = _binary(one, path, target.rpartition("/")[0], work)
        else:
            files[target] = _text(one, path)
    for path in _tree(one.dynload) if not one.dynload.is_relative_to(one.stdlib) else ():
        target = f"{lib}/lib-dynload/{path.name}"
        files[target] = _binary(one, path, f"{lib}/lib-dynload", work)
    files |= _compiled(one, lib, files, work)
    for path in _tree(one.include) if one.include.is_dir() else ():
        files[f"include/python{one.minor}/{path.relative_to(one.include)}"] = Entry(source=path)
    tag = "cp" + one.minor.replace(".", "")
    return Recipe(
        name="python",
        version=one.version,
        build=f"h{'d' if one.debian else 'a'}_0_cpython",
        subdir=subdir,
        depends=("__glibc >=2.17", f"python_abi {one.minor}.* *_{tag}", "tzdata"),
        files=files,
    )


def _compiled(
    one: Interpreter, lib: str, files: Mapping[str, Entry], work: Path
) -> dict[str, Entry]:
    """What Python makes of those modules of it that are packed as they are."""
    found: dict[str, Entry] = {}
    asked = []
    tag = f"cpython-{one.minor.replace('.', '')}"
    for name, entry in files.items():
        if not name.endswith(".py") or entry.source is None:
            continue
        folder, _, module = name.rpartition("/")
        target = f"{folder}/__pycache__/{module[:-3]}.{tag}.pyc"
        found[target] = Entry(source=work / target)
        asked.append((str(entry.source), str(work / target), f"{PLACEHOLDER}/{name}"))
    command = [str(one.executable), "-I", "-c", _COMPILE]
    subprocess.run(command, input=json.dumps(asked), text=True, check=True, capture_output=True)
    return found


def _tree(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if _LEFT_OUT.fullmatch(path.name):
            continue
        if path.is_dir():
            yield from _tree(path)
        elif path.is_file():
            yield path


def _binary(one: Interpreter, path: Path, folder: str, work: Path) -> Entry:
    target = work / folder / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    data = _run_path(path.read_bytes(), one, folder)
    target.write_bytes(data if data is not None else path.read_bytes())
    strip = shutil.which("strip")
    if strip:
        subprocess.run([strip, "--strip-unneeded", target], capture_output=True, check=False)
    return Entry(source=target, executable=folder == "bin" or path.name.endswith(".so"))


def _text(one: Interpreter, path: Path) -> Entry:
    data = path.read_bytes()
    if one.debian and path == one.stdlib / "sysconfig.py":
        return Entry(
            data=data.replace(b"prefix_scheme = 'posix_local'", b"prefix_scheme = 'posix_prefix'")
        )
    prefix = str(one.prefix)
    # A prefix such as /usr stands in paths that are none of Python's.
    if _HOLDS_PREFIX.fullmatch(path.name) and prefix.count("/") > 1 and prefix.encode() in data:
        return Entry(data=data.replace(prefix.encode(), PLACEHOLDER.encode()), prefix="text")
    return Entry(source=path)
