"""What users write in decorators on its way to mfenv's process: it is to be refused there, if it is.

JSON has no keys but texts, and few types. Whatever else there is keeps its place, the name of its type
and how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["decode", "encode"]

_ITEMS, _OTHER = "\0items", "\0other"


def encode(value: Any) -> Any:
    """A value as JSON data."""
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {str(key): encode(value[key]) for key in value}
        return {_ITEMS: [[encode(key), encode(value[key])] for key in value]}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if value is None or isinstance(value, (bool, float, int, str)):
        return value
    return {_OTHER: [type(value).__name__, str(value)]}


def decode(value: Any) -> Any:
    """The value that was encoded, or something of a type by the same name that is shown like it."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _ITEMS in value:
        items = ((decode(key), decode(item)) for key, item in value[_ITEMS])
        return {tuple(key) if isinstance(key, list) else key: item for key, item in items}
    if _OTHER in value:
        name, text = value[_OTHER]
        return type(name, (), {"__str__": lambda _: text})()
    return {key: decode(item) for key, item in value.items()}
