"""The virtual packages of a request: what its targets have, as asked for or by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envid.platforms import check_platform, host_platform
from envid.requirements import normalize
from mfenv.errors import Contradiction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mfenv.settings import Settings

__all__ = ["add_virtual_packages"]

# What conda takes for granted on Linux, and the floor that most wheels are built for by now.
_GLIBC = {"conda": "__glibc=2.17", "system": "__glibc=2.28"}
_MACOS = "__osx=13.0"

Asked = dict[str, list[str]]
"""Requirements by category."""


def add_virtual_packages(
    common: Asked, special: Mapping[str, Asked], platforms: Sequence[str], settings: Settings
) -> None:
    """Complete what is asked for everywhere, and what for each platform beside that.

    Raises `Contradiction` for two versions of one virtual package.
    """
    common["sys"], own = _virtual_packages(common["sys"], platforms, settings)
    for platform in platforms:
        special[platform]["sys"] += own[platform]
        special[platform]["sys"] += _detected(platform, common, special[platform], settings)


def _virtual_packages(
    asked: Sequence[str], platforms: Sequence[str], settings: Settings
) -> tuple[list[str], dict[str, list[str]]]:
    """What targets have: what was asked for and the defaults, for all and for each platform."""
    stated: dict[str, str] = {}
    for text in (normalize("sys", one) for one in asked):
        other = stated.setdefault(text.partition("=")[0], text)
        if other != text:
            raise Contradiction(f"`{other}` and `{text}` are both asked for", "keep one of them")
    common = _defaults("", settings)
    own = {platform: _defaults(platform, settings) for platform in platforms}
    split = {
        name
        for found in own.values()
        for name, text in found.items()
        if name not in stated and common.get(name) != text
    }
    everywhere = {name: text for name, text in common.items() if name not in split} | stated
    return list(everywhere.values()), {
        platform: [text for name, text in found.items() if name in split]
        for platform, found in own.items()
    }


def _defaults(platform: str, settings: Settings) -> dict[str, str]:
    """The virtual packages that `platform` has if nobody asks for others, by name."""
    texts = [_GLIBC.get(settings.python_provider, _GLIBC["conda"]), _MACOS]
    for one in settings.virtual_packages:
        place, colon, text = one.rpartition(":")
        if not colon or check_platform(place) == platform:
            texts.append(text)
    return {text.partition("=")[0]: text for text in (normalize("sys", one) for one in texts)}


def _detected(
    platform: str,
    common: Mapping[str, Sequence[str]],
    own: Mapping[str, Sequence[str]],
    settings: Settings,
) -> list[str]:
    """The CUDA driver of this machine, if it is the target, and nothing is said about that."""
    every = [one for found in (common, own) for one in found.get("sys", ())]
    needless = not any(found.get(kind) for found in (common, own) for kind in ("conda", "npconda"))
    stated = any(one.startswith("__cuda=") for one in every)
    if needless or stated or not settings.detect_cuda or platform != host_platform():
        return []
    from resolvers.cuda import cuda_version

    version = cuda_version()
    return [f"__cuda={version}"] if version else []
