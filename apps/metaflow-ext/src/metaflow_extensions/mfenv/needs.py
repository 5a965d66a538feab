"""What Metaflow itself needs in a task, and what of it an environment lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envid.requirements import normal_name
from metaflow_extensions.mfenv.asking import facts
from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["distributions", "fits", "lacking", "needed", "unfit"]

# Metaflow asks for these too; tasks import them for `@secrets` alone, or never.
_SELDOM = {
    "azure-keyvault-secrets",
    "google-cloud-secret-manager",
    "packaging",
    "simple-azure-blob-downloader",
    "simple-gcp-object-downloader",
}


def needed(datastore: str) -> dict[str, str]:
    """The packages that Metaflow asks for, with their constraints.

    Raises `mfenv.errors.InvalidRequest` for a datastore that it has no environments with.
    """
    needs = facts().needs
    if datastore not in needs:
        raise InvalidRequest(
            f"Metaflow does not say what tasks need with the datastore `{datastore}`",
            f"it does for {', '.join(sorted(needs))}",
        )
    return needs[datastore]


def lacking(names: Iterable[str], datastore: str) -> str:
    """Say which of the packages that no task can do without are not among `names`, if any."""
    there = {normal_name(name) for name in names} | _SELDOM
    missing = [f"`{name}{pin}`" for name, pin in needed(datastore).items() if name not in there]
    return f"has no {', '.join(missing)}, which Metaflow needs in a task" if missing else ""


def unfit(versions: Iterable[tuple[str, str]], datastore: str) -> list[str]:
    """Say which packages, of pairs of name and version, are not as Metaflow asks for them."""
    pins = needed(datastore)
    lines = []
    for name, version in versions:
        pin = pins.get(normal_name(name))
        if pin and not fits(version, pin):
            lines.append(f"`{name}` {version}, and Metaflow asks for `{name}{pin}`")
    return lines


def fits(version: str, pin: str) -> bool:
    """Whether a version is within a constraint; one that only conda reads is within none."""
    # As nearly always they are numbers and a least one: no others are read without packaging, which
    # takes as long to import as all that a known environment needs.
    if pin.startswith(">=") and (least := _numbers(pin[2:])) and (own := _numbers(version)):
        return own >= least
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(pin).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _numbers(version: str) -> list[int]:
    """The numbers of a version that has nothing else, but for zeros at its end; else none."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", version):
        return []
    numbers = [int(number) for number in version.split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        del numbers[-1]
    return numbers


def distributions(prefix: Path) -> list[str]:
    """The names of the Python packages in a prefix, as the folders of their metadata have them."""
    return [
        path.stem.partition("-")[0]
        for pattern in ("*.dist-info", "*.egg-info")
        for path in prefix.glob(f"lib/python*/site-packages/{pattern}")
    ]
