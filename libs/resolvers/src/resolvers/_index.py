"""The sources of a spec, as uv takes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid.spec import EnvSpec
    from pkgcache.web.credentials import Credentials
    from resolvers._uv import Uv

__all__ = [
    "PUBLIC_INDEX",
    "IndexSettings",
    "index_settings",
    "link",
    "public_index",
    "with_login",
]

PUBLIC_INDEX = "pypi"
"""The name under which a spec's sources hold the public index: uv's default."""


class IndexSettings(NamedTuple):
    """Arguments, and a configuration for what may hold a credential."""

    arguments: tuple[str, ...]
    config: str


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
    places = [source.url for source in spec.sources if source.kind == "find-links"]
    links = [
        *(link(place, credentials) for place in places),
        *(folder.as_uri() for folder in folders),
    ]
    config = [f"find-links = [{', '.join(map(_toml, links))}]"]
    indexes = [source.url for source in spec.sources if source.kind == "index"]
    if not indexes:
        # Else uv asks its default index.
        arguments.append("--no-index")
    for number, url in enumerate(indexes):
        last = number == len(indexes) - 1
        if url == PUBLIC_INDEX and last:
            break
        # By default uv asks the public index last; to stand elsewhere it must be named.
        location = public_index(uv) if url == PUBLIC_INDEX else url
        # The default takes the place of the public index, which uv asks last.
        config += ["[[index]]", f'name = "n{number}"', f"default = {str(last).lower()}"]
        config.append(f"url = {_toml(with_login(location, credentials))}")
    return IndexSettings(arguments=tuple(arguments), config="\n".join(config))


def with_login(url: str, credentials: Credentials) -> str:
    """The URL with the user name and password that belong to it."""
    login = credentials.find(url)
    if not login:
        return url
    account = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}"
    return url.replace("://", f"://{account}@", 1)


def link(url: str, credentials: Credentials) -> str:
    """The URL of a find-links location, with the login that belongs to it."""
    return with_login(url, credentials) if "://" in url else Path(url).absolute().as_uri()


def _toml(text: str) -> str:
    # What JSON calls a string is one to TOML as well.
    return json.dumps(text, ensure_ascii=False)


def public_index(uv: Uv) -> str:
    """The URL that uv's default index has."""
    # Nothing in uv tells it but its help.
    shown = uv.run("uv help", ("pip", "compile", "--help"), offline=True).stdout
    match = re.search(r"\(by default: <(\S+)>\)", shown)
    if not match:
        raise EngineFailed("uv", "it does not say what its default index is")
    return match[1]
