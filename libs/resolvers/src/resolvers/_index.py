"""The sources of a spec, as uv takes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envid.spec import EnvSpec
    from pkgcache.credentials import Credentials
    from resolvers._uv import Uv

__all__ = ["PUBLIC_INDEX", "IndexSettings", "index_settings", "public_index", "with_login"]

PUBLIC_INDEX = "pypi"
"""The name under which a spec's sources hold the public index: uv's default one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """Arguments, and the environment: only there are credentials hidden from other users."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def index_settings(
    uv: Uv, spec: EnvSpec, credentials: Credentials, folders: Iterable[Path] = ()
) -> IndexSettings:
    """Say where to look, in the order of the spec's sources, and up to which date.

    `folders` hold wheels that are offered beside them.
    """
    options = spec.options
    arguments = ["--index-strategy", options.index_strategy]
    if options.exclude_newer:
        arguments += ["--exclude-newer", options.exclude_newer]
    environment: dict[str, str] = {}
    found = [one.url for one in spec.sources if one.kind == "find-links"]
    links = [*(_link(one, credentials) for one in found), *(one.as_uri() for one in folders)]
    if links:
        environment["UV_FIND_LINKS"] = ",".join(links)
    indexes = [one.url for one in spec.sources if one.kind == "index"]
    if not indexes:
        arguments.append("--no-index")
    for number, url in enumerate(indexes):
        last = number == len(indexes) - 1
        if url == PUBLIC_INDEX and last:
            break
        # By default uv asks the public index last; to stand elsewhere it must be named.
        location = public_index(uv) if url == PUBLIC_INDEX else url
        arguments += ["--default-index" if last else "--index", f"n{number}={location}"]
        login = credentials.find(url)
        if login:
            environment[f"UV_INDEX_N{number}_USERNAME"] = login.user
            environment[f"UV_INDEX_N{number}_PASSWORD"] = login.password
    return IndexSettings(arguments=tuple(arguments), environment=environment)


def with_login(url: str, credentials: Credentials) -> str:
    """The URL with the user name and password that belong to it."""
    login = credentials.find(url)
    if not login:
        return url
    account = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}"
    return url.replace("://", f"://{account}@", 1)


def _link(url: str, credentials: Credentials) -> str:
    location = with_login(url, credentials) if "://" in url else Path(url).absolute().as_uri()
    return location.replace(",", "%2C")


def public_index(uv: Uv) -> str:
    """The URL that uv's default index has."""
    shown = uv.run("uv help", ("pip", "compile", "--help"), offline=True).stdout
    found = re.search(r"\(by default: <(\S+)>\)", shown)
    if not found:
        raise EngineFailed("uv", "it does not say what its default index is")
    return found[1]
