"""A universe: all packages that there are, on a channel and on an index, and one request."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Build", "Held", "Release", "Universe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A distribution in a conda package; `requires` are its `Requires-Dist`."""

    name: str
    version: str
    extras: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    def __str__(self) -> str:
        return _line(f"{self.name} {self.version}", requires=self.requires, extras=self.extras)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A conda package, in each of `subdirs`.

    One that `holds` distributions must need Python; it is `noarch: python`, or for one `minor`
    version of Python.
    """

    name: str
    version: str
    build: str = "0"
    number: int = 0
    subdirs: tuple[str, ...] = ("noarch",)
    depends: tuple[str, ...] = ()
    holds: tuple[Held, ...] = ()
    minor: str = ""

    def __str__(self) -> str:
        subdirs = () if self.subdirs == ("noarch",) else self.subdirs
        text = f"{self.name} {self.version} {self.build}"
        return _line(text, depends=self.depends, only=subdirs, holds=tuple(map(str, self.holds)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version of a PyPI package, as wheels.

    They are for the `minors` of Python and the `platforms` alone where there are some.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    requires_python: str = ""
    minors: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()

    def __str__(self) -> str:
        python = (self.requires_python,) if self.requires_python else ()
        return _line(
            f"{self.name} {self.version}",
            requires=self.requires,
            extras=self.extras,
            python=python,
            wheels=(*self.minors, *self.platforms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """The packages, Python among the `builds`; and what is asked, `python` as a request has it.

    No two conda packages that can be there together hold the same distribution. There are no
    pre-releases, and all versions of a distribution have the same extras: who asks for one that a
    distribution lacks, asks for nothing.
    """

    builds: tuple[Build, ...]
    releases: tuple[Release, ...] = ()
    conda: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    python: str = ""
    platforms: tuple[str, ...] = ("linux-64",)

    def __str__(self) -> str:
        asked = {
            "--conda": self.conda,
            "--pypi": self.pypi,
            "--constraint": self.constraints,
            "--python": (self.python,) if self.python else (),
            "--platform": self.platforms,
        }
        lines = [f'{option} "{one}"' for option, values in asked.items() for one in values]
        lines += ["conda:", *(f"  {one}" for one in self.builds)]
        lines += ["PyPI:", *(f"  {one}" for one in self.releases)]
        return "\n".join(lines)


def _line(text: str, **parts: tuple[str, ...]) -> str:
    said = (f"{key} [{' | '.join(values)}]" for key, values in parts.items() if values)
    return "  ".join((text, *said))
