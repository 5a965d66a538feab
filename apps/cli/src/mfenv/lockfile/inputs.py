"""What an environment of a lock file was made from: the options of `mfenv lock`, as a file keeps them.

Paths are relative to the directory of the lock file, so that they mean the same in every clone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envid.errors import InvalidDescription
from mfenv.errors import InvalidRequest
from mfenv.lockfile.names import ASKED, FILES, REQUIREMENTS, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mfenv.request import Request
    from reqparse.model import Category

__all__ = ["Inputs"]

_TEXTS = ("python", "python-provider", "exclude-newer", "channel-priority", "index-url", "flow")
_FLAGS = ("seed", "pre", "no-index")
# What may hold a login.
_PLACES = ("channel", "index-url", "extra-index-url", "find-links")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What to resolve: `asked` are fields of a `Request`, `settings` those given by hand.

    `flow` is the file of a Metaflow flow, whose step it is; then there is nothing else.
    """

    asked: Mapping[str, Any] = field(default_factory=dict, hash=False)
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    flow: str = ""

    @classmethod
    def make(cls, folder: Path, asked: Mapping[str, Any], settings: Mapping[str, Any]) -> Inputs:
        """What was given on a command line, for a lock file in `folder`.

        Logins in URLs are left out, since whoever locks again has them elsewhere. Raises
        `InvalidRequest` for what means nothing, or too much, in another clone.
        """
        kept = {name: said for name in ASKED.values() if (said := asked.get(name))}
        for name in FILES.values():
            if name in kept:
                kept[name] = tuple(_relative(folder, file) for file in kept[name])
        for category in REQUIREMENTS:
            _check(category, kept.get(category, ()))
        chosen = {}
        for option, name in SETTINGS.items():
            said = settings.get(name)
            if said is None or said == ():
                continue
            if option in _PLACES:
                said = _clean(said) if isinstance(said, str) else tuple(map(_clean, said))
            if option == "find-links":
                said = tuple(_relative(folder, place) for place in said)
            chosen[name] = said
        return cls(asked=kept, settings=chosen)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Inputs:
        """Read `to_table` back. Raises `InvalidDescription` whose path is the option."""
        for option, said in table.items():
            if option not in ASKED and option not in SETTINGS and option != "flow":
                raise InvalidDescription(option, "is no option that a lock file keeps")
            listed = isinstance(said, (list, tuple))
            fits = all(isinstance(text, str) for text in said) if listed else False
            if option in _TEXTS:
                fits = isinstance(said, str)
            elif option in _FLAGS:
                fits = isinstance(said, bool)
            if not fits:
                raise InvalidDescription(option, "has a value of another type")
        held: dict[str, Any] = {
            option: tuple(said) if isinstance(said, list) else said
            for option, said in table.items()
        }
        return cls(
            asked={name: held[option] for option, name in ASKED.items() if option in held},
            settings={name: held[option] for option, name in SETTINGS.items() if option in held},
            flow=held.get("flow", ""),
        )

    def to_table(self) -> dict[str, Any]:
        """The options by their names on the command line."""
        table = {"flow": self.flow} if self.flow else {}
        for names, said in ((ASKED, self.asked), (SETTINGS, self.settings)):
            table |= {option: said[name] for option, name in names.items() if name in said}
        return table

    def request(self, folder: Path, platforms: Iterable[str]) -> Request:
        """What they ask for, with files as seen from here; `platforms` where nothing states any."""
        from mfenv.request import Request

        asked: dict[str, Any] = dict(self.asked)
        for name in FILES.values():
            files = asked.get(name, ())
            asked[name] = tuple(file if "://" in file else folder / file for file in files)
        return Request(**asked, platforms_unstated=tuple(platforms))

    def gone(self, folder: Path) -> list[str]:
        """The files that it was made from and that are not there."""
        files = (file for name in FILES.values() for file in self.asked.get(name, ()))
        return [file for file in files if "://" not in file and not (folder / file).exists()]

    def options(self, folder: Path) -> dict[str, Any]:
        """The settings that they state, as seen from here."""
        links = self.settings.get("find_links", ())
        seen = tuple(link if "://" in link else str(folder / link) for link in links)
        return {**self.settings, **({"find_links": seen} if links else {})}


def _relative(folder: Path, file: Path | str) -> str:
    if "://" in str(file):
        return _clean(str(file))
    return Path(os.path.relpath(file, folder)).as_posix()


def _clean(place: str) -> str:
    from pkgcache.web.credentials import Credentials

    return Credentials().add(place)


def _check(category: Category, texts: Iterable[str]) -> None:
    """Refuse requirements that hold a login, or a place on this machine."""
    from reqparse import parse_requirement

    for text in texts:
        requirement = parse_requirement(text, category=category)
        if requirement.secret or requirement.secret_url != requirement.url:
            raise InvalidRequest(
                f"--{category}: a login would stand in the lock file",
                "leave it out of the URL: netrc and the settings are asked for it",
            )
        if requirement.path:
            raise InvalidRequest(
                f"--{category}: `{text}` is a path, which means something else elsewhere",
                "write it into a requirements.txt, and lock that with `-r`",
            )
