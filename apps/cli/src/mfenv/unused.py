"""What a request says and nothing comes of: each statement is noted by name, or refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from envid.platforms import PLATFORMS
from envid.requirements import normal_name
from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from mfenv.settings import Settings
    from reqparse import Requirement, RequirementSet

__all__ = [
    "check_in_channel",
    "check_used",
    "unused",
    "unused_platforms",
    "unused_settings",
    "unused_uv_sources",
]


_UV_SOURCES = rb"^[ \t]*\[+tool\.uv\.sources|^[ \t]*\[tool\.uv\][^\[]*^[ \t]*sources[ \t]*[.=]"
_FETCHED = ("https", "http", "file", "git+https", "git+ssh", "git+file")
# Of the variables of markers, what only the machine itself could tell; not where it is a text.
_UNKNOWN = r"(?<!['\"])\bplatform_(?:release|version)\b(?!['\"])"


def unused(sets: Sequence[RequirementSet], chosen: Collection[str]) -> Iterator[str]:
    """A note on each thing that was read and is not used.

    `chosen` are the groups and extras that were asked for by name.
    """
    chosen = {normal_name(name) for name in chosen}
    for file in sets:
        yield from (f"{note.origin}: {note.text}" for note in file.notes)
        yield from _of_packages(file)
        for group in dict.fromkeys(requirement.group for requirement in file.requirements):
            if group and group not in chosen:
                yield f"the category or group `{group}` is not used: all that belongs to it is asked for"
        yield from _of_installers(file)


def _of_packages(file: RequirementSet) -> Iterator[str]:
    for requirement in (*file.requirements, *file.constraints):
        for variable in dict.fromkeys(re.findall(_UNKNOWN, requirement.marker or "")):
            yield (
                f"{requirement.origin}: the marker of `{requirement.name or requirement.text}` is"
                f" on `{variable}`, which is not known of a target: it is taken as empty"
            )
        if requirement.category == "pypi" and requirement.channel:
            yield (
                f"{requirement.origin}: `{requirement.name}` is looked for in every index,"
                " by their order"
            )
        # Not where it is a text that something is compared with.
        words = re.sub(r"'[^']*'|\"[^\"]*\"", "", requirement.marker or "")
        # A lock has such markers, and who copies a line from there may not see them.
        if named := re.search(r"\b(extras?|dependency_groups)\b", words):
            what = "a group" if named[1] == "dependency_groups" else "an extra"
            yield (
                f"{requirement.origin}: the marker of `{requirement.name}` is on {what}, and none"
                " is meant here"
            )


def _of_installers(file: RequirementSet) -> Iterator[str]:
    if file.name:
        yield (
            f"{_at(file, 'name')}the name `{file.name}` is not used: `--alias` and `create --name` give names"
        )
    if file.variables:
        yield f"{_at(file, 'variables')}the variables {', '.join(file.variables)} are not set in the environment"
    if file.prefer_binary:
        yield (
            f"{_at(file, 'prefer_binary')}`--prefer-binary` is not used: the newest release that fits"
            " is taken"
        )
    for host in file.trusted_hosts:
        yield (
            f"{_at(file, 'trusted_hosts')}`--trusted-host {host}` is not used: certificates are always"
            " checked"
        )
    for feature in file.features:
        yield f"{_at(file, 'features')}`--use-feature {feature}` is not used: it is of pip alone"


def _at(file: RequirementSet, name: str) -> str:
    """Where a field was stated, in front of a note on it."""
    return f"{file.places[name]}: " if name in file.places else ""


def unused_platforms(sets: Iterable[RequirementSet], platforms: Collection[str]) -> Iterator[str]:
    """A note on each platform that files ask for, where others are resolved for."""
    places: dict[str, str] = {}
    for file in sets:
        for platform in file.platforms:
            places.setdefault(platform, _at(file, "platforms"))
    for platform, place in places.items():
        if platform not in platforms:
            why = "others are asked for" if platform in PLATFORMS else "there is none of that name"
            yield f"{place}the platform `{platform}` of a file is not resolved for: {why}"


def unused_settings(paths: Iterable[Path], settings: Settings) -> Iterator[str]:
    """A note on each pyproject.toml whose `[tool.mfenv]` is not in force."""
    for path in paths:
        origin = f"{path.absolute()}:"
        there = path.is_file() and b"[tool.mfenv" in path.read_bytes()
        if there and not any(place.startswith(origin) for place in settings.origins.values()):
            yield f"{path}: `[tool.mfenv]` is not used: settings are those of where mfenv is run"


def unused_uv_sources(projects: Iterable[Path]) -> Iterator[str]:
    """A note on each directory to be built whose project says to uv where its needs come from."""
    for file in (project / "pyproject.toml" for project in projects):
        if file.is_file() and re.search(_UV_SOURCES, file.read_bytes(), re.MULTILINE):
            yield (
                f"{file}: `[tool.uv.sources]` is not used: what a project that is built needs comes"
                " from the sources of the request; ask for what lies elsewhere beside it"
            )


def check_used(requirement: Requirement) -> None:
    """Refuse what cannot be noted, since it would change what is installed."""
    _check_wheel(requirement)
    if requirement.editable:
        # An option, as pip has it, or a key of a table.
        option = requirement.original.startswith(("-e", "--editable"))
        said = "`-e`" if option else "`editable = true`, or poetry's `develop = true`,"
        raise InvalidRequest(
            f"{requirement.origin}: `{requirement.original}` is editable, and a shared"
            " environment is exact",
            f"leave out {said} to install it as it is now",
        )
    scheme = (requirement.url or "file:").partition(":")[0].lower()
    if requirement.category == "pypi" and scheme not in _FETCHED:
        raise InvalidRequest(
            f"{requirement.origin}: `{requirement.original}` cannot be fetched by `{scheme}`",
            f"known are {', '.join(f'`{scheme}`' for scheme in _FETCHED)}",
        )
    options = [f"--config-settings={key}={value}" for key, value in requirement.config_settings]
    options += [f"--global-option={value}" for value in requirement.global_options]
    if options:
        raise InvalidRequest(
            f"{requirement.origin}: `{options[0]}` of `{requirement.name or requirement.text}`"
            " cannot be used: wheels are built without options",
            "leave it out to take a wheel of the index, or build the wheel yourself and name its"
            " file",
        )


def _check_wheel(requirement: Requirement) -> None:
    """Refuse a wheel that is asked for by the name of another package."""
    place = (requirement.url or requirement.path or "").partition("#")[0].partition("?")[0]
    if requirement.category != "pypi" or not requirement.name or not place.endswith(".whl"):
        return
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    filename = unquote(place.rpartition("/")[2])
    try:
        name = parse_wheel_filename(filename)[0]
    except InvalidWheelFilename:  # which is said by whoever reads it
        return
    if name != normal_name(requirement.name):
        raise InvalidRequest(
            f"{requirement.origin}: `{filename}` is a wheel of `{name}`, and is asked for as"
            f" `{requirement.name}`",
            "make the two the same",
        )


def check_in_channel(requirement: Requirement, path: Path) -> None:
    """Refuse a conda package that is a file in no channel: nothing says what it needs."""
    if not any((path.parent / name).exists() for name in ("repodata.json", "repodata.json.zst")):
        raise InvalidRequest(
            f"{requirement.origin}: the conda package `{path}` lies in no channel",
            "index its directory, as `conda index` does, and ask for it by its name or its URL",
        )
