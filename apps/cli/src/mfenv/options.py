"""How packages of a request are chosen: from files, options and settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from envid.spec import Options
from mfenv.errors import Contradiction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mfenv.settings import Settings
    from reqparse import RequirementSet, Setting
    from reqparse.stated import SettingName

__all__ = ["options_of", "overruled"]

_NAMES: tuple[SettingName, ...] = ("channel-priority", "exclude-newer", "index-strategy")


def options_of(sets: Sequence[RequirementSet], settings: Settings, *, wheels: bool) -> Options:
    """The options of a spec; `wheels` says whether PyPI packages are asked for.

    What a file states holds before a setting, and after an option. Raises `Contradiction` for two
    files that state different things.
    """
    return Options.make(
        python_provider=settings.python_provider,
        prereleases=settings.pre or any(file.prereleases for file in sets),
        require_hashes=any(file.require_hashes for file in sets),
        no_binary=[name for file in sets for name in file.no_binary],
        only_binary=[name for file in sets for name in file.only_binary],
        # An empty setting is none: envid has None for it.
        exclude_newer=_chosen("exclude-newer", sets, settings) or None,
        channel_priority=_chosen("channel-priority", sets, settings),
        index_strategy=_chosen("index-strategy", sets, settings),
        pypi_names=_names_digest(settings) if wheels else None,
    )


def overruled(sets: Sequence[RequirementSet], settings: Settings) -> Iterator[str]:
    """A note on each statement that gives way to another, or that nothing is left for."""
    for name in _NAMES:
        value, origin = _setting(name, settings)
        if name == "channel-priority" and settings.python_provider == "system":
            places = [str(stated.origin) for stated in _stated(name, sets)]
            for place in (*places, *([origin] if _by_hand(name, settings) else ())):
                yield (
                    f"{place}: the channel priority is not used: nothing comes from conda where"
                    " Python is the system's"
                )
            continue
        for stated in _stated(name, sets):
            if stated.value == value or not origin:
                continue
            if _by_hand(name, settings):
                yield f"{stated.origin}: `{name} = {stated.value}` is not used: {origin} is `{value}`"
            else:
                yield f"{origin} is not used: `{name} = {stated.value}` is in {stated.origin}"


def _chosen(name: SettingName, sets: Sequence[RequirementSet], settings: Settings) -> str:
    stated = _stated(name, sets)
    if not stated or _by_hand(name, settings):
        return _setting(name, settings)[0]
    for other in stated[1:]:
        if other.value != stated[0].value:
            raise Contradiction(
                f"{stated[0].origin} states `{name} = {stated[0].value}`, and {other.origin}"
                f" `{other.value}`",
                f"keep one of them, or say it with `--{name}`",
            )
    return stated[0].value


def _stated(name: SettingName, sets: Sequence[RequirementSet]) -> list[Setting]:
    return [setting for file in sets for setting in file.settings if setting.name == name]


def _setting(name: SettingName, settings: Settings) -> tuple[str, str]:
    """The value of a setting, and where it was stated, empty for nowhere."""
    key = name.replace("-", "_")
    return str(getattr(settings, key)), settings.origins.get(key, "")


def _by_hand(name: SettingName, settings: Settings) -> bool:
    return _setting(name, settings)[1] == f"--{name}"


def _names_digest(settings: Settings) -> str | None:
    if not settings.pypi_names or settings.python_provider == "system":
        return None
    from resolvers.names import PypiNames

    # By content: the same table in another place is the same request.
    return PypiNames(Path(settings.pypi_names).expanduser()).digest
