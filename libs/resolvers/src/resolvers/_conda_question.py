"""What is asked of the conda engine for one platform."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envid.platforms import virtual_packages
from resolvers._conda_asked import asked_files, asked_subdirs
from resolvers.channels import CHANNEL_ALIAS, channel_urls, with_channel_urls
from resolvers.errors import UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envid.packages import Package
    from envid.spec import EnvSpec
    from resolvers.request import ResolveContext

__all__ = ["CondaQuestion", "Move", "package_name", "python_spec"]

_DEFAULT_CHANNEL = "conda-forge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Another choice of a package: none of `versions`; it may also be left out."""

    package: str
    versions: tuple[str, ...]

    @property
    def spec(self) -> str:
        """As a MatchSpec."""
        return f"{self.package} {','.join(f'!={version}' for version in self.versions)}"

    def holds(self, versions: Mapping[str, str]) -> bool:
        """Whether it holds where these versions were chosen, by name."""
        return versions.get(self.package) not in self.versions


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaQuestion:
    """What is asked for one platform.

    `specs` maps each MatchSpec to the requirement behind it, `channels` each URL to the source
    behind it, in order. Of `held` and `preferred` packages the exact build is meant. `barred` are
    the versions that are not to be chosen. `told_channels` and `told_specs` are the same channels and
    MatchSpecs for who has a configuration of its own that says where names are: by name, unless an
    alias of ours decides that.
    """

    platform: str
    specs: Mapping[str, str]
    held: tuple[str, ...]
    preferred: tuple[str, ...]
    barred: tuple[str, ...]
    channels: Mapping[str, str]
    virtual: tuple[tuple[str, str, str], ...]
    exclude_newer: str | None
    priority: str
    package_format: str
    told_channels: tuple[str, ...]
    told_specs: Mapping[str, str]

    @classmethod
    def make(
        cls,
        spec: EnvSpec,
        platform: str,
        context: ResolveContext,
        *,
        alias: str,
        format_: str,
        moves: Iterable[Move] = (),
    ) -> CondaQuestion:
        """Ask for what the spec asks for, Python first, and for the `moves` beside."""
        asked = spec.for_platform(platform)
        texts = [*asked.get("conda", ()), *asked.get("npconda", ())]
        stated = [source.url for source in spec.sources if source.kind == "channel"]
        sources = stated or [_DEFAULT_CHANNEL]
        channels = {url: source for source in sources for url in channel_urls(source, alias)}
        # What a site says of its channels to us is said of the request, whoever answers it.
        own = None if alias == CHANNEL_ALIAS else alias
        python = python_spec(spec.python)
        return cls(
            platform=platform,
            specs={
                python: f"python {spec.python}".strip(),
                **{with_channel_urls(text, alias): text for text in texts},
            },
            # PyPI's packages among these are told to uv; see `UvQuestion`.
            held=_exactly(context.held.get(platform, ())),
            preferred=_exactly(context.preferred.get(platform, ())),
            barred=tuple(move.spec for move in moves),
            channels=channels,
            virtual=tuple(map(_virtual, virtual_packages(platform, asked.get("sys", ())))),
            exclude_newer=spec.options.exclude_newer,
            priority=spec.options.channel_priority,
            package_format=format_,
            told_channels=tuple(channels if own else (url.rstrip("/") for url in sources)),
            told_specs={
                python: python,
                **{with_channel_urls(text, alias): with_channel_urls(text, own) for text in texts},
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """The question as the engine takes it."""
        return {
            "platform": self.platform,
            "specs": list(self.specs),
            "constraints": [*self.held, *self.barred],
            "preferred": list(self.preferred),
            "channels": list(self.channels),
            "virtual": self.virtual,
            "exclude_newer": _last_moment(self.exclude_newer),
            "priority": self.priority,
            "format": self.package_format,
            "files": asked_files(self.specs.values()),
            "subdirs": asked_subdirs(self.specs.values()),
        }


def _virtual(text: str) -> tuple[str, str, str]:
    """Name, version and build of a virtual package."""
    # A virtual package without a build has the build 0.
    name, version, build = [*text.split("="), "0"][:3]
    return name, version, build


def package_name(spec: str) -> str:
    """The name in a MatchSpec, empty if it has none."""
    match = re.match(r"(?:.*::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)", spec)
    return match[1].lower() if match else ""


def python_spec(specifier: str) -> str:
    """A PEP 440 specifier set as a MatchSpec for Python; raises `UnsupportedRequest`."""
    if "===" in specifier:
        raise UnsupportedRequest(
            f"Python `{specifier}` cannot be asked of conda", "write `==` instead of `===`"
        )
    # py-rattler reads `==3.11.*` behind another bound as `==3.11`.
    bounds = re.sub(r"==([0-9.]+\.\*)", r"\1", specifier.replace(" ", ""))
    return f"python {bounds}".strip()


def _exactly(packages: Sequence[Package]) -> tuple[str, ...]:
    return tuple(
        f"{package.name} =={package.version} {package.build}"
        for package in packages
        if package.kind == "conda"
    )


def _last_moment(exclude_newer: str | None) -> str | None:
    """The engine still takes what was published at its cut-off, and a spec does not."""
    if exclude_newer is None:
        return None
    from envid.moments import read_moment  # few requests have a cut-off

    moment = read_moment(exclude_newer)
    # Repodata has its moments in milliseconds: there is none in between.
    return (moment - timedelta(milliseconds=1)).isoformat()
