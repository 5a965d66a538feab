"""What an export gives, and what the formats share: the platforms as markers, what is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envid.platforms import VIRTUAL_PACKAGES
from mfenv.errors import NotExportable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv

__all__ = [
    "MARKERS",
    "Exported",
    "beside_conda",
    "channels_of",
    "conda_packages",
    "facts_without_words",
    "heading",
    "is_local",
    "marker_for",
    "named",
    "notes_on_places",
    "one_platform",
    "pypi_packages",
    "sha256_of",
    "url_of",
    "what_systems_need",
]

MARKERS = {
    "linux-64": "sys_platform == 'linux' and platform_machine == 'x86_64'",
    "linux-aarch64": "sys_platform == 'linux' and platform_machine == 'aarch64'",
    "osx-64": "sys_platform == 'darwin' and platform_machine == 'x86_64'",
    "osx-arm64": "sys_platform == 'darwin' and platform_machine == 'arm64'",
}
"""The environment marker (PEP 508) that holds on a platform and on no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file for another tool. `notes` name, a line each, what it does not say."""

    text: str
    notes: tuple[str, ...] = ()


def marker_for(platforms: Collection[str], among: Collection[str]) -> str | None:
    """The marker that holds on `platforms`; None where these are all there are."""
    if len(platforms) == len(among):
        return None
    return " or ".join(MARKERS[platform] for platform in sorted(platforms))


def heading(envs: Sequence[ResolvedEnv]) -> Iterator[str]:
    """Comments that say which environment a file is of."""
    yield f"# {envs[0].env_id.ref}"
    for env in envs:
        yield f"# {env.platform}: Python {env.python}"


def facts_without_words(
    envs: Sequence[ResolvedEnv], form: str, *, python: str = "the version of Python"
) -> Iterator[str]:
    """Notes on what formats of PyPI packages alone cannot say: conda packages, Python, systems.

    `python` is what is not said of it.
    """
    conda = [package for env in envs for package in env.packages if package.kind == "conda"]
    if conda:
        yield f"{form} has no words for conda packages; left out: {named(conda)}"
    pythons = _by_platform(envs, lambda env: (env.python,))
    yield f"{form} does not say {python}: {', '.join(pythons)}"
    yield from what_systems_need(envs, form)


def what_systems_need(envs: Sequence[ResolvedEnv], form: str) -> Iterator[str]:
    """A note on the virtual packages that environments were resolved for, but those of everybody."""

    def needed(env: ResolvedEnv) -> Iterator[str]:
        for text in env.spec.for_platform(env.platform).get("sys", ()):
            if text not in VIRTUAL_PACKAGES[env.platform]:
                yield text

    needs = _by_platform(envs, needed)
    if needs:
        yield f"{form} does not say what a system must have: {', '.join(needs)}"


def named(packages: Iterable[Package]) -> str:
    """The names and versions of packages, each once."""
    return ", ".join(sorted({f"{package.name} {package.version}" for package in packages}))


def _by_platform(
    envs: Sequence[ResolvedEnv], texts: Callable[[ResolvedEnv], Iterable[str]]
) -> list[str]:
    """What holds in environments, with the platforms where it does not hold on all."""
    platforms_of: dict[str, list[str]] = {}
    for env in envs:
        for text in texts(env):
            platforms_of.setdefault(text, []).append(env.platform)
    return [
        text if len(platforms) == len(envs) else f"{text} ({' '.join(platforms)})"
        for text, platforms in sorted(platforms_of.items())
    ]


def pypi_packages(
    envs: Sequence[ResolvedEnv], form: str, has_file: Callable[[Package], bool]
) -> tuple[list[tuple[str, Package]], list[str]]:
    """The PyPI packages that others can get, with their platforms, and notes on the others.

    Raises `NotExportable` where there is none at all.
    """
    every = [(env.platform, p) for env in envs for p in env.packages if p.kind == "pypi"]
    if not every:
        raise NotExportable(
            f"there is no PyPI package in this environment, and {form} holds no others",
            "export it in another format",
        )
    said = [(platform, package) for platform, package in every if has_file(package)]
    notes = []
    if unsaid := [package for _, package in every if not has_file(package)]:
        notes.append(
            f"left out, since {form} can name no source with a hash that others can check:"
            f" {named(unsaid)}"
        )
    if built := [package for _, package in said if package.built_from]:
        notes.append(f"who installs it builds it again, from the same source: {named(built)}")
    notes += notes_on_places(package for _, package in said)
    return said, notes


def conda_packages(env: ResolvedEnv) -> list[Package]:
    """The conda packages of an environment; raises `NotExportable` where there are none."""
    conda = [package for package in env.packages if package.kind == "conda"]
    if not conda:
        raise NotExportable(
            "there is no conda package in this environment, not even its Python",
            "export it as `requirements` or `pylock`",
        )
    return conda


def beside_conda(
    envs: Sequence[ResolvedEnv], form: str
) -> tuple[list[tuple[str, Package]], list[str]]:
    """All packages that others can get, each with its platform, and notes on the others.

    Raises `NotExportable` where a platform has no conda package.
    """
    said = [(env.platform, package) for env in envs for package in conda_packages(env)]
    notes = [*notes_on_places(package for _, package in said)]
    if any(package.kind == "pypi" for env in envs for package in env.packages):
        wheels, more = pypi_packages(envs, form, lambda package: sha256_of(package) is not None)
        said += wheels
        notes += more
    return said, notes


def channels_of(envs: Sequence[ResolvedEnv]) -> list[str]:
    """The channels in their order, as URLs where their packages say these."""
    places = {
        # Without the subdirectory and the file name.
        package.source: package.url.rsplit("/", 2)[0] + "/"
        for env in envs
        for package in env.packages
        if package.kind == "conda"
    }
    channels = [source.url for source in envs[0].spec.sources if source.kind == "channel"]
    return [places.get(channel, channel) for channel in channels]


def notes_on_places(packages: Iterable[Package]) -> Iterator[str]:
    """A note on the packages whose URLs are files of some machine."""
    if local := [package for package in packages if is_local(package.url)]:
        yield f"it lies where only some machines have it: {named(local)}"


def one_platform(envs: Sequence[ResolvedEnv], what: str) -> ResolvedEnv:
    """The only environment; raises `NotExportable` where there are more."""
    if len(envs) > 1:
        raise NotExportable(
            f"{what} is for one platform, and this is resolved for"
            f" {', '.join(env.platform for env in envs)}",
            "choose one with `--platform`",
        )
    return envs[0]


def is_local(url: str) -> bool:
    """Whether a URL is of a file of some machine."""
    return url.startswith("file:")


def url_of(package: Package) -> str:
    """Where others get a package: its file, or the source that it was built from."""
    return package.built_from.url if package.built_from else package.url


def sha256_of(package: Package) -> str | None:
    """The sha256 of the file to install from: a wheel, or the sdist that it was built from.

    None for what comes from elsewhere, or from a place on the machine where it was resolved.
    """
    origin = package.built_from
    if origin:
        file = origin.kind == "sdist" and not is_local(origin.url)
        return origin.sha256 if file else None
    # Without a source, the file itself was asked for, by its place.
    local = package.source is None and is_local(package.url)
    return None if local else package.hashes.sha256
