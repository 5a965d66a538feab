"""The file that an environment was asked for with, by what its description says of that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid.resolved import ResolvedEnv

__all__ = ["source_of"]

_IN_FILE = re.compile(r"(?P<file>.+?):[0-9]+")


def source_of(name: str, envs: Iterable[ResolvedEnv], package: str) -> Path:
    """The one file that says all that was asked for; `package` is for the hint.

    Raises `InvalidRequest` where there is none, or it is not here.
    """
    places = {
        place for env in envs for texts in env.origins.values() for place in texts.values() if place
    }
    files = {match["file"] if (match := _IN_FILE.fullmatch(place)) else "" for place in places}
    otherwise = f"`mfenv resolve --using {name} --pypi {package}` makes one with it"
    if len(files) == 1 and "" not in files:
        path = Path(files.pop())
        if path.is_file():
            return path
        raise InvalidRequest(f"`{name}` was asked for in `{path}`, which is not here", otherwise)
    told = ", ".join(sorted(f"`{place}`" for place in places)[:3]) or "places that nobody told"
    raise InvalidRequest(f"`{name}` is of no single file: it was asked for by {told}", otherwise)
