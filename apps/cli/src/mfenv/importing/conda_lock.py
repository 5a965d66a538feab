"""The lock that conda-lock has just made for a platform, as packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfenv.importing.pins import pin
from reqparse import parse_file
from reqparse.selecting import Selected

if TYPE_CHECKING:
    from pathlib import Path

    from pkgcache.web.credentials import Credentials
    from resolvers.pinned import Pins

__all__ = ["pins_of"]


def pins_of(path: Path, platform: str, credentials: Credentials) -> Pins:
    """The packages of a conda-lock.yml; raises `reqparse.ParseErrors` and `InvalidRequest`."""
    said = parse_file(path)
    # What is there must be there, whatever it was asked by; which file, it says itself.
    selected = [
        Selected(package=package, artifact=package.artifacts[0])
        for package in said.packages
        if platform in (package.platforms or ())
    ]
    return pin(selected, credentials, locks=[said.lock] if said.lock else []).pins
