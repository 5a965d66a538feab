"""Package indexes that are given by a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolvers._index import PUBLIC_INDEX, public_index
from resolvers._uv import Uv

if TYPE_CHECKING:
    from resolvers.request import ResolveContext

__all__ = ["index_url"]


def index_url(index: str, context: ResolveContext) -> str:
    """The URL of an index that is given by URL, or by the name of the public one.

    What that is, uv is asked. Raises `EngineFailed`.
    """
    if index != PUBLIC_INDEX:
        return index
    with Uv(context) as uv:
        return public_index(uv)
