"""Web pages that come in place of what was asked for: of captive portals, proxies, logins."""

from __future__ import annotations

import re

__all__ = ["is_page"]

_PAGE = re.compile(rb"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)


def is_page(data: bytes) -> bool:
    """Whether this is the beginning of a page."""
    return bool(_PAGE.match(data))
