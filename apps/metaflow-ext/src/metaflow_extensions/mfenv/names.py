"""`@{VAR}` in the names of environments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["expand"]

_VARIABLE = re.compile(r"@\{(\w+)\}")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with every `@{VAR}` replaced; raises `KeyError` with the first that is not known."""
    return _VARIABLE.sub(lambda match: variables[match.group(1)], text)
