"""Attributes that their first use makes: once, however many threads ask for them at a time.

`functools.cached_property` has no lock since Python 3.12.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["lazy"]

_T = TypeVar("_T")


class lazy(Generic[_T]):  # noqa: N801  used as `cached_property` is
    """A property whose value is kept in the instance's `__dict__`.

    An instance makes one of its values at a time; while it does, other instances are free.
    """

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self._make, self.__doc__ = make, make.__doc__
        self._name = make.__name__

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[_T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...
    def __get__(self, instance: object | None, owner: type) -> lazy[_T] | _T:
        if instance is None:
            return self
        kept = vars(instance)
        # `setdefault` of a dict is atomic, so all threads get the same lock, which may be taken
        # twice by its own thread, since a value may need another of the same instance.
        with kept.setdefault("_making", threading.RLock()):
            if self._name not in kept:
                kept[self._name] = self._make(instance)
            value: _T = kept[self._name]
        return value
