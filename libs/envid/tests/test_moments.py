"""`envid.moments`: what descriptions and specs write is read on each Python."""

from __future__ import annotations

import re
from datetime import timezone

import pytest

from envid.moments import read_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", (2026, 1, 31, 12, 0, 0, 0)),
        ("2026-01-31T12:00:00.5Z", (2026, 1, 31, 12, 0, 0, 500_000)),
        ("2026-01-31T12:00:00.123456Z", (2026, 1, 31, 12, 0, 0, 123_456)),
        ("2026-01-31 12:00:00+02:00", (2026, 1, 31, 10, 0, 0, 0)),
    ],
)
def test_a_moment_is_in_utc(text: str, moment: tuple[int, ...]) -> None:
    read = read_moment(text)
    assert (*read.timetuple()[:6], read.microsecond) == moment
    assert read.tzinfo is timezone.utc


@pytest.mark.parametrize(
    "text",
    [
        *(
            " ",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-02-30T12:00:00Z",
            "0001-01-01T00:00:00+01:00",
        ),
    ],
)
def test_what_is_none_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        read_moment(text)
