"""Moments, as descriptions and specs have them: texts, read alike on each Python."""

from __future__ import annotations

import re
from datetime import datetime, timezone

__all__ = ["read_moment"]

_RFC_3339 = (
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)


def read_moment(text: str) -> datetime:
    """The moment in UTC that a text of RFC 3339 with a time zone says; raises `ValueError`."""
    form = re.fullmatch(_RFC_3339, text.upper())
    if not form:
        raise ValueError(text)
    day, time, fraction, zone = form.groups()
    # Python 3.10 reads neither `Z` nor a fraction of any other length than three or six.
    zone = "+00:00" if zone == "Z" else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{time}.{fraction or '0':0<6}{zone}")
        return moment.astimezone(timezone.utc)
    # A day that no month has; a year before 1 or after 9999, once it is in UTC.
    except (ValueError, OverflowError):
        raise ValueError(text) from None
