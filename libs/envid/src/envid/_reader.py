"""Reading plain data from outside: every wrong field is named by its path."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from envid.errors import EnvidError, InvalidDescription, UnknownSchemaVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

_MISSING = object()


class Fields:
    """One JSON object, and the path that leads to it.

    Each read takes a field; `close` refuses the fields that nothing has taken, since dropping
    them would change what the ids stand for.
    """

    def __init__(self, data: Any, path: str) -> None:
        if not isinstance(data, dict):
            raise InvalidDescription(path, "is not an object")
        self._left: dict[Any, Any] = dict(data)
        self.path = path

    def _at(self, key: object) -> str:
        return f"{self.path}.{key}" if self.path else str(key)

    def take(self, key: str) -> Any:
        value = self._left.pop(key, _MISSING)
        if value is _MISSING:
            raise InvalidDescription(self._at(key), "is missing")
        return value

    def text(self, key: str) -> str:
        return self._text(self.take(key), self._at(key))

    def _text(self, value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise InvalidDescription(path, "is not a text")
        return value

    def optional_text(self, key: str) -> str | None:
        value = self.take(key)
        return None if value is None else self._text(value, self._at(key))

    def flag(self, key: str) -> bool:
        value = self.take(key)
        if not isinstance(value, bool):
            raise InvalidDescription(self._at(key), "is neither true nor false")
        return value

    def optional_size(self, key: str) -> int | None:
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InvalidDescription(self._at(key), "is not a number of bytes")
        return value

    def items(self, key: str) -> list[Any]:
        value = self.take(key)
        if not isinstance(value, list):
            raise InvalidDescription(self._at(key), "is not a list")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        path = self._at(key)
        return tuple(self._text(v, f"{path}[{i}]") for i, v in enumerate(self.items(key)))

    def object(self, key: str) -> Fields:
        return Fields(self.take(key), self._at(key))

    def optional_object(self, key: str) -> Fields | None:
        value = self.take(key)
        return None if value is None else Fields(value, self._at(key))

    def objects_in(self, key: str) -> list[Fields]:
        path = self._at(key)
        return [Fields(value, f"{path}[{i}]") for i, value in enumerate(self.items(key))]

    def objects(self) -> Iterator[tuple[str, Fields]]:
        for key in list(self._left):
            yield self._key(key), self.object(key)

    def all_texts(self) -> dict[str, tuple[str, ...]]:
        return {self._key(key): self.texts(key) for key in list(self._left)}

    def text_map(self) -> dict[str, str]:
        return {self._key(key): self.text(key) for key in list(self._left)}

    def _key(self, key: Any) -> str:
        return self._text(key, self._at(key))

    def version(self, key: str, known: int) -> None:
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InvalidDescription(self._at(key), "is not a version number")
        if value > known:
            raise UnknownSchemaVersion(value, known)

    def close(self) -> None:
        for key in self._left:
            raise InvalidDescription(self._at(key), "is not a known field")

    @contextmanager
    def as_description_errors(self) -> Iterator[None]:
        """Say of a value that its own type refuses where in the description it stands."""
        try:
            yield
        except InvalidDescription:
            raise
        except EnvidError as error:
            raise InvalidDescription(self.path, str(error)) from None
