"""Reading plain data from outside: every wrong field is named by its path."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from envid._text import is_safe, shown
from envid.errors import EnvidError, InvalidDescription, InvalidSpec, UnknownSchemaVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

_MISSING = object()
_LARGEST = 2**63 - 1  # what a signed 64-bit field of a database or of another language holds


class Fields:
    """A JSON object.

    Each read takes a field; `close` refuses the fields that nothing has taken, since dropping
    them would change what the ids stand for. Errors name the field as seen from this object;
    `placed` puts the way to the object in front.
    """

    def __init__(self, data: Any) -> None:
        if not isinstance(data, dict):
            raise InvalidDescription("", "is not an object")
        for key in data:
            if not isinstance(key, str):
                raise InvalidDescription("", "has a field whose name is not a text")
        self._left: dict[str, Any] = dict(data)

    def names(self, known: tuple[str, ...]) -> list[str]:
        """The names of the fields that are left, sorted, where each must be among `known`."""
        for name in self._left:
            if name not in known:
                raise InvalidDescription(name, f"is none of {', '.join(known)}")
        return sorted(self._left)

    def has(self, name: str) -> bool:
        """Whether a field that may be left out is there."""
        return name in self._left

    def take(self, name: str) -> Any:
        # null is a value of some fields, so that a field is missing needs another sign.
        value = self._left.pop(name, _MISSING)
        if value is _MISSING:
            raise InvalidDescription(name, "is missing")
        return value

    def text(self, name: str) -> str:
        return line(self.take(name), name)

    def optional_text(self, name: str) -> str | None:
        value = self.take(name)
        return None if value is None else line(value, name)

    def flag(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise InvalidDescription(name, "is neither true nor false")
        return value

    def optional_size(self, name: str) -> int | None:
        value: int | None = self.take(name)
        if value is not None and not is_number(value, 0):
            raise InvalidDescription(name, "is not a number of bytes")
        return value

    def version(self, name: str, known: int) -> None:
        value = self.take(name)
        if not is_number(value, 1):
            raise InvalidDescription(name, "is not a version number")
        # Lower ones are read by every later envid.
        if value > known:
            raise UnknownSchemaVersion(name, value, known)

    def items(self, name: str) -> list[Any]:
        value = self.take(name)
        if not isinstance(value, list):
            raise InvalidDescription(name, "is not a list")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(line(text, f"{name}[{at}]") for at, text in enumerate(self.items(name)))

    def read(self, name: str, reader: Callable[[Any], _T]) -> _T:
        value = self.take(name)
        with placed(name):
            return reader(value)

    def each(self, name: str, reader: Callable[[Any], _T]) -> list[_T]:
        values = []
        for at, value in enumerate(self.items(name)):
            with placed(f"{name}[{at}]"):
                values.append(reader(value))
        return values

    def close(self) -> None:
        for name in self._left:
            raise InvalidDescription(name, "is not a known field")


@contextmanager
def placed(path: str) -> Iterator[None]:
    """Put `path` in front of what an error inside says of a field."""
    try:
        yield
    # Before its base class, so that it stays the error that says what to do.
    except UnknownSchemaVersion as error:
        raise UnknownSchemaVersion(_joined(path, error.path), error.found, error.known) from None
    except InvalidDescription as error:
        raise InvalidDescription(_joined(path, error.path), error.reason) from None
    except InvalidSpec as error:
        raise InvalidDescription(_joined(path, error.field), error.reason) from None
    except EnvidError as error:
        raise InvalidDescription(path, str(error)) from None


def _joined(path: str, field: str) -> str:
    return f"{path}.{field}" if path and field and field[0] != "[" else path + field


def is_number(value: Any, least: int) -> bool:
    """Whether `value` is a whole number from `least` to the largest that 64 bits hold."""
    # To Python, True is the number 1.
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST


def line(value: Any, path: str) -> str:
    """Give `value` back if it is one line of text, or raise `InvalidDescription`."""
    if not isinstance(value, str):
        raise InvalidDescription(path, "is not a text")
    if not is_safe(value):
        raise InvalidDescription(path, "holds a control character or a lone surrogate")
    return value


def parsed(text: str | bytes) -> Any:
    """The data of a JSON text that names nothing twice in one object; no `NaN`, no `Infinity`."""
    try:
        # Python takes the last of two equal names, and NaN; other readers do not, and would see
        # something else under the same id.
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    # Raised by the hooks, and a ValueError too: it says what the next clause would not.
    except InvalidDescription:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidDescription("", f"is not JSON: {shown(str(error))}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = sorted(name for name, _ in pairs)
        twice = next(name for name, other in pairwise(names) if name == other)
        raise InvalidDescription("", f"holds the name `{shown(twice)}` twice in one object")
    return fields


def _no_constant(text: str) -> None:
    raise InvalidDescription("", f"holds `{text}`, which JSON does not know")
