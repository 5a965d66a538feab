"""Canonical JSON and the digest taken over it: the base of every id."""

from __future__ import annotations

import hashlib
import json
from typing import Any

DIGITS = 40


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no white space, so that equal data are equal bytes."""
    # Every id is over these bytes: another spelling of the same data is another id for everybody.
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest(value: Any) -> str:
    """The first 40 hex digits of the SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()[:DIGITS]
