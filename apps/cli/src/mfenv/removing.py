"""Deleting what is here: a prefix, or an environment with its prefixes and what is known of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from envid.aliases import Alias, parse_ref
from envid.errors import InvalidAlias
from mfenv.errors import StillNamed, UnknownEnvironment
from mfenv.results import Removed

if TYPE_CHECKING:
    from mfenv.finding import Finder
    from mfenv.prefixes import Prefixes
    from mfenv.site import Site

__all__ = ["remove"]


def remove(site: Site, prefixes: Prefixes, finder: Finder, name: str, *, force: bool) -> Removed:
    """See `Environments.remove`; `finder` asks no store."""
    registry = site.registry
    registry.check_writable(freeing=True)
    if row := registry.prefix_meant(name):
        return Removed(prefixes=(prefixes.remove(Path(row.path)),))
    path = Path(name).expanduser().absolute()
    try:
        target = finder.target(name)
    except (UnknownEnvironment, InvalidAlias) as error:
        # A text that names nothing here may be a directory.
        if not os.path.lexists(path):
            if isinstance(error, UnknownEnvironment):
                # The store was not asked, so that advice about it would lead astray.
                error.hint = "`mfenv list` shows what is known here"
            raise
        return Removed(prefixes=(prefixes.remove(path),))
    if not registry.platforms(target):
        raise UnknownEnvironment(
            f"`{name}` is not on this machine", "`mfenv list` shows what is known here"
        )
    rows = registry.prefixes_of(target)
    parsed = parse_ref(name)
    # Of an alias without a tag, `names_of` has the whole.
    given = str(parsed) if isinstance(parsed, Alias) else name
    names = tuple(other for other in registry.names_of(target) if other != given)
    if names and not force:
        aliases = registry.aliases_of(target)
        # The name that was said, unless that is none which can be taken away, such as ids.
        taken = given if given in aliases else names[0]
        verb = "alias --delete" if taken in aliases else "rm"
        raise StillNamed(name, names, f"mfenv {verb} {taken}")
    removed = tuple(prefixes.remove(Path(row.path)) for row in rows)
    # Last: what is interrupted before that is still known, and can be removed again.
    registry.forget(target)
    return Removed(prefixes=removed, forgotten=target)
