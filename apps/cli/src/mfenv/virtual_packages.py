"""The virtual packages of a request: what its targets have, as asked for or by default.

They are written into the spec for every platform that there is, so that an id says all that decides
what is found, and is the same wherever and for whichever platforms the request is resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envid.platforms import PLATFORMS, check_platform, host_platform, virtual_packages
from envid.requirements import normalize
from mfenv.errors import Contradiction, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from envid.resolved import ResolvedEnv
    from mfenv.settings import Settings
    from reqparse import Requirement

__all__ = ["add_virtual_packages", "check_floors", "unused_virtual_packages"]

_CONDA = ("conda", "npconda")
# What the tags of wheels are about; the others are of conda's packages alone.
_OF_WHEELS = ("__glibc", "__osx")

Asked = dict[str, list[str]]
"""Requirements by category."""


def add_virtual_packages(
    common: Asked,
    special: Mapping[str, Asked],
    platforms: Sequence[str],
    settings: Settings,
    base: ResolvedEnv | None = None,
) -> None:
    """Complete what is asked for everywhere, and what for each platform beside that.

    What is stated wins over what a `base` was resolved for, that over the settings, and those over
    the defaults. Raises `Contradiction` for two versions of one virtual package.
    """
    stated = common.pop("sys", [])
    offered_by = {}
    for platform in PLATFORMS:
        own = _stated([*stated, *special[platform].pop("sys", [])])
        held = base.spec.for_platform(platform).get("sys", ()) if base else ()
        # The later one wins, see `envid.platforms.virtual_packages`.
        texts = [*_of_settings(platform, settings), *held, *own]
        needs_conda = any(
            asked_for.get(kind) for asked_for in (common, special[platform]) for kind in _CONDA
        )
        # Only where it can decide something: an id must not hang on the machine without need.
        if platform in platforms and needs_conda:
            # In front, so that whatever is said wins over what this machine happens to have.
            texts = [*_detected(platform, texts, settings), *texts]
        offered_by[platform] = virtual_packages(platform, texts)
    # What all platforms have is said once, so that the id is the same however it was asked for.
    everywhere = set.intersection(*map(set, offered_by.values()))
    common["sys"] = sorted(everywhere)
    for platform, offered in offered_by.items():
        special[platform]["sys"] = [text for text in offered if text not in everywhere]


def check_floors(requirements: Iterable[Requirement], *, wheels: bool) -> None:
    """Refuse a stated floor that is no version or, for `wheels`, that they do not know.

    Raises `InvalidRequest` naming the place.
    """
    for requirement in requirements:
        if requirement.category != "sys":
            continue
        text = normalize("sys", requirement.text)
        name, _, version = text.partition("=")
        if name not in _OF_WHEELS or (not wheels and version[0].isdigit()):
            continue
        from resolvers.errors import UnsupportedRequest
        from resolvers.targets import Target

        try:
            Target.make("linux-64" if name == "__glibc" else "osx-64", [text])
        except UnsupportedRequest as error:
            raise InvalidRequest(f"{requirement.origin}: {error}", error.hint) from None


def unused_virtual_packages(
    requirements: Iterable[Requirement], platforms: Sequence[str], settings: Settings
) -> Iterator[str]:
    """A note on each virtual package that is stated for all platforms and decides nothing."""
    for requirement in requirements:
        if requirement.category != "sys" or requirement.platforms is not None:
            continue
        text = normalize("sys", requirement.text)
        what = f"{requirement.origin}: `{text}` is not used"
        if not any(text in virtual_packages(platform, [text]) for platform in platforms):
            yield f"{what}: {', '.join(platforms)} cannot have it"
        elif settings.python_provider == "system" and text.partition("=")[0] not in _OF_WHEELS:
            yield f"{what}: nothing comes from conda where Python is the system's"


def _stated(asked: Sequence[str]) -> list[str]:
    texts = [normalize("sys", text) for text in asked]
    by_name: dict[str, str] = {}
    for text in texts:
        other = by_name.setdefault(text.partition("=")[0], text)
        if other != text:
            raise Contradiction(f"`{other}` and `{text}` are both asked for", "keep one of them")
        if text.startswith("__win="):
            raise Contradiction(
                f"`{text}` is asked for, and there is no Windows among the platforms",
                f"leave it out; the platforms are {', '.join(PLATFORMS)}",
            )
    return texts


def _of_settings(platform: str, settings: Settings) -> Iterator[str]:
    for value in settings.virtual_packages:
        place, colon, text = value.rpartition(":")
        if not colon or check_platform(place) == platform:
            yield normalize("sys", text)


def _detected(platform: str, texts: Sequence[str], settings: Settings) -> list[str]:
    """The CUDA driver of this machine, if it is the target and nothing is said about that."""
    stated = any(text.startswith("__cuda=") for text in texts)
    if stated or not settings.detect_cuda or platform != host_platform():
        return []
    from resolvers.cuda import cuda_version

    version = cuda_version()
    return [f"__cuda={version}"] if version else []
