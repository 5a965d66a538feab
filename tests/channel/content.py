"""Packages written on the spot: programs, conflicts, twins, and what virtual packages decide."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .package import PLACEHOLDER, Entry, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main_recipes", "second_recipes", "stub_python", "support_recipes"]

_BOTH = (".conda", ".tar.bz2")
_LATE = 1_735_689_600  # 2025-01-01
_PLATFORMS = {
    "linux-64": "__glibc >=2.17",
    "linux-aarch64": "__glibc >=2.17",
    "osx-64": "__osx >=11.0",
    "osx-arm64": "__osx >=11.0",
}


def support_recipes(minor: str) -> Iterator[Recipe]:
    """What a `python` of a minor version needs beside itself."""
    tag = "cp" + minor.replace(".", "")
    yield Recipe(
        name="python_abi",
        version=minor,
        build=f"8_{tag}",
        build_number=8,
        noarch="generic",
        constrains=(f"python {minor}.* *_cpython",),
    )


def stub_python(version: str, subdir: str) -> Recipe:
    """A `python` that can be chosen for a platform, and not be run on this one."""
    minor = ".".join(version.split(".")[:2])
    tag = "cp" + minor.replace(".", "")
    return Recipe(
        name="python",
        version=version,
        build="hstub_0_cpython",
        subdir=subdir,
        depends=(_PLATFORMS[subdir], f"python_abi {minor}.* *_{tag}", "tzdata"),
        files={"share/python-stub.txt": Entry(data=f"{version} for {subdir}\n".encode())},
    )


def main_recipes(host: str) -> Iterator[Recipe]:
    """The packages of the first channel."""
    yield Recipe(
        name="tzdata",
        version="2024a",
        build="h0_0",
        noarch="generic",
        files={"share/zoneinfo/tzdata.zi": Entry(data=b"# version 2024a\n")},
        formats=_BOTH,
    )
    for subdir, floor in _PLATFORMS.items():
        yield from _natives(subdir, floor, runs=subdir == host)
    yield from _conflicts()
    yield from _pure()


def second_recipes(host: str) -> Iterator[Recipe]:
    """The packages of the second channel: names of the first one in other builds and versions."""
    for recipe in main_recipes(host):
        if recipe.name in ("shared", "greeter", "colours") and recipe.version != "3.0":
            yield replace(recipe, build=f"second_{recipe.build}", build_number=7)
    yield _module("colours", "9.0", build="second_0")
    yield _module("only-second", "1.0", depends=("colours",))


def _natives(subdir: str, floor: str, *, runs: bool) -> Iterator[Recipe]:
    hello = (
        f"#!/bin/sh\nprefix='{PLACEHOLDER}'\n"
        'echo "hello from $prefix"\ncat "$prefix/share/greeter/greeting.txt"\n'
    )
    files = {
        "bin/greeter": Entry(data=hello.encode(), prefix="text", executable=True),
        "bin/hello": Entry(link="greeter"),
        "bin/.greeter-post-link.sh": Entry(
            data=b'#!/bin/sh\necho linked > "$PREFIX/share/greeter-was-linked.txt"\n',
            executable=True,
        ),
        "etc/conda/activate.d/greeter.sh": Entry(data=b"export GREETER_HOME=$CONDA_PREFIX\n"),
        "etc/conda/deactivate.d/greeter.sh": Entry(data=b"unset GREETER_HOME\n"),
        "lib/libgreeter.so": Entry(link="libgreeter.so.1"),
        "lib/libgreeter.so.1": Entry(
            data=b"\x7fBIN\0" + PLACEHOLDER.encode() + b"/lib\0tail\0", prefix="binary"
        ),
        "share/greeter/greeting.txt": Entry(data=f"good morning, {subdir}\n".encode()),
        "share/greeter/na\u00efve name.txt": Entry(data=b"odd, and legal\n"),
        "share/greeter/empty": Entry(),
    }
    for number, version in enumerate(("1.0", "1.1")):
        yield Recipe(
            name="greeter",
            version=version,
            build=f"h{number}_0",
            subdir=subdir,
            depends=(floor, "libgreet >=1,<2"),
            files=files,
            formats=_BOTH if version == "1.0" else (".conda",),
            timestamp=_LATE if version == "1.1" else 1_577_836_800,
        )
    yield Recipe(
        name="libgreet",
        version="1.5",
        build="h0_0",
        subdir=subdir,
        depends=(floor,),
        files={"lib/libgreet.txt": Entry(data=b"a library\n")},
        formats=(".tar.bz2",),
    )
    if subdir.startswith("linux-"):
        for version, needs in (("1.0", "__glibc >=2.17"), ("2.0", "__glibc >=2.40")):
            yield Recipe(
                name="floored", version=version, build="h0_0", subdir=subdir, depends=(needs,)
            )
        yield Recipe(
            name="cuda-tool", version="1.0", build="h0_0", subdir=subdir, depends=("__cuda >=12",)
        )
        yield Recipe(
            name="vectored",
            version="1.0",
            build="h0_0",
            subdir=subdir,
            depends=("__archspec * x86_64_v3",),
        )
    if runs:
        yield Recipe(name="host-only", version="1.0", build="h0_0", subdir=subdir)


def _conflicts() -> Iterator[Recipe]:
    for version in ("1.0", "1.5", "2.0", "3.0"):
        yield _module("shared", version)
    yield _module("left", "1.0", depends=("shared <2",))
    yield _module("right", "1.0", depends=("shared >=2,<3",))
    yield _module("right", "0.9", depends=("shared >=2,<3",))
    yield _module("either", "1.0", depends=("shared >=1",))
    yield _module("old-python", "1.0", depends=("python <3.5",))
    yield _module("lacks", "1.0", depends=("nowhere >=1",))


def _pure() -> Iterator[Recipe]:
    yield _module("colours", "1.0", extra={"purls": ["pkg:pypi/colour-names"]})
    yield _module("colours", "2.0", extra={"purls": ["pkg:pypi/colour-names"]})
    yield _module("pytool", "1.0", depends=("colours",), entry_points=("pytool = pytool:main",))
    yield Recipe(name="wrapper", version="1.0", noarch="generic", depends=("pytool >=1",))
    yield Recipe(
        name="data-only",
        version="1.0",
        noarch="generic",
        files={"share/data-only/table.csv": Entry(data=b"a,b\n1,2\n")},
        formats=_BOTH,
    )


def _module(
    name: str,
    version: str,
    *,
    build: str = "pyh0_0",
    depends: tuple[str, ...] = (),
    **options: object,
) -> Recipe:
    module = name.replace("-", "_")
    info = f"site-packages/{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    code = f"__version__ = {version!r}\n\n\ndef main():\n    print({name!r}, __version__)\n"
    texts = {
        f"site-packages/{module}.py": code,
        f"{info}/METADATA": metadata,
        f"{info}/INSTALLER": "conda\n",
        f"{info}/RECORD": "".join(
            f"{path},,\n"
            for path in (
                f"{module}.py",
                *(f"{module}-{version}.dist-info/{one}" for one in ("METADATA", "INSTALLER")),
                f"{module}-{version}.dist-info/RECORD",
            )
        ),
    }
    python = () if any(one.startswith("python ") for one in depends) else ("python",)
    return Recipe(
        name=name,
        version=version,
        build=build,
        noarch="python",
        depends=(*python, *depends),
        files={path: Entry(data=text.encode()) for path, text in texts.items()},
        **options,  # type: ignore[arg-type]  # passed on as they are
    )
