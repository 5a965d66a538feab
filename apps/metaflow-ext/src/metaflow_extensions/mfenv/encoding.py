"""Records as JSON and back: nothing else writes or reads what the two processes tell each other.

A text has the version of the records in it. Another one is refused by name, and so is a field that
is unknown, missing, or of another type: that is a release of this extension that meets another one,
such as a task whose run was started before an upgrade. So whoever adds a field, or changes what one
means, raises `VERSION`. A text without a version is of the first; a field that has a default is left
out where it has it. An id that stands alone is no record: it is a list of its three texts, and stays
that in every release.

What users write in decorators passes as it is, to be refused where it is understood. JSON has no
keys but texts, and few types: whatever else there is keeps its place, the name of its type and how
it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import (
    Any,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from metaflow_extensions.mfenv.records import Question, Record

__all__ = ["VERSION", "NotUnderstood", "answer", "read", "read_data", "write"]

VERSION = 1
"""Of all records together: a process has either the same ones as another, or other ones."""

_FIRST = 1
# No user's key begins with NUL.
_ITEMS, _OTHER = "\0items", "\0other"
_T = TypeVar("_T")


class NotUnderstood(Exception):
    """What another release of this extension has written, or somebody else."""

    hint = "start again what was started before metaflow-mfenv was installed anew"


def write(value: object, *, indent: int | None = None) -> str:
    """A record, or what holds records, as JSON; a line of it, unless it is to be indented."""
    data = {"version": VERSION, **_items(value)} if isinstance(value, Record) else value
    # Documents may be large, and pass through: nothing but records is looked into here.
    separators = None if indent else (",", ":")
    return json.dumps(data, default=_items, indent=indent, separators=separators)


def read(text: str, *kinds: type[_T]) -> _T:
    """What was written, of one of these types; raises `NotUnderstood`."""
    try:
        data = json.loads(text)
    except ValueError:
        raise NotUnderstood(f"`{text[:40]}` is not JSON") from None
    if isinstance(data, dict) and _is_record(kinds[0]):
        version = data.pop("version", _FIRST)
        if version != VERSION:
            raise NotUnderstood(
                f"a record has the version {version}, and this metaflow-mfenv reads {VERSION}"
            )
        for kind in kinds[1:]:  # messages are told from each other by their fields
            if _has_fields(kind, data):
                return read_data(kind, data)
    return read_data(kinds[0], data)


def read_data(kind: type[_T], data: object) -> _T:
    """The same of data without a version of their own, such as arguments in a message."""
    result: _T = _read(kind, data, getattr(kind, "__name__", "it"))
    return result


def answer(question: Question[_T], data: object) -> _T:
    """What a question was answered, as its type says; raises `NotUnderstood`."""
    (base,) = type(question).__orig_bases__  # type: ignore[attr-defined]  # what Generic leaves
    result: _T = _read(get_args(base)[0], data, f"answer of {question.function}")
    return result


def _items(record: Record) -> dict[str, object]:
    items = [(field, getattr(record, field.name)) for field in _fields(type(record))]
    return {
        field.name: _marked(item) if field.of_users else item
        for field, item in items
        if field.default != item
    }


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Record)


class _Field(NamedTuple):
    name: str
    type: Any
    default: object  # MISSING where it has none
    of_users: bool  # its type has `object` in it: what a user wrote, of whatever type


_fields_of: dict[type, tuple[_Field, ...]] = {}


def _fields(kind: type) -> tuple[_Field, ...]:
    if kind in _fields_of:
        return _fields_of[kind]
    # They are texts, by `from __future__ import annotations`, and evaluating them is slow: once for
    # each type.
    hints = get_type_hints(kind)
    _fields_of[kind] = tuple(
        _Field(
            field.name,
            hints[field.name],
            field.default if field.default_factory is MISSING else field.default_factory(),
            object in (hints[field.name], *get_args(hints[field.name])),
        )
        for field in fields(kind)
    )
    return _fields_of[kind]


def _has_fields(kind: type[Any], data: Mapping[str, object]) -> bool:
    named = _fields(kind)
    needed = {field.name for field in named if field.default is MISSING}
    return needed <= data.keys() <= {field.name for field in named}


def _read(kind: Any, data: Any, where: str) -> Any:
    """Data as a type says; `where` they are is for messages."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Union:  # no other is used than Optional
        return None if data is None else _read(inner[0], data, where)
    if origin in (list, tuple) and isinstance(data, (list, tuple)):
        return origin(_read(inner[0], item, where) for item in data)
    if origin is dict and isinstance(data, dict):
        return {key: _read(inner[1], item, f"{where}.{key}") for key, item in data.items()}
    if origin is None and _is_of(kind, data):
        return _read_single(kind, data, where)
    raise NotUnderstood(f"`{where}` is a {type(data).__name__}, not what it should be")


def _read_single(kind: Any, data: Any, where: str) -> Any:
    if kind is object:
        return _written(data)
    if _is_record(kind):
        return _read_record(kind, data, where)
    if kind is not Any and issubclass(kind, tuple):
        types = get_type_hints(kind).values()
        # Not `strict`, which Python 3.8 has not; `_is_of` has counted.
        return kind(*(_read(item_type, item, where) for item_type, item in zip(types, data)))
    return data


def _read_record(kind: type[Record], data: Mapping[str, object], where: str) -> Record:
    known = {field.name: field for field in _fields(kind)}
    for name in data:
        if name not in known:
            raise NotUnderstood(f"`{where}` has a field `{name}`, which is not known here")
    for field in known.values():
        if field.default is MISSING and field.name not in data:
            raise NotUnderstood(f"`{where}` has no field `{field.name}`")
    given = {name: _read(known[name].type, item, f"{where}.{name}") for name, item in data.items()}
    return kind(**given)


def _is_of(kind: Any, data: Any) -> bool:
    """Whether data are such as this type is written; JSON has no tuples, and `1` for `1.0`."""
    if kind is Any or kind is object:
        return True
    if issubclass(kind, tuple):
        return isinstance(data, list) and len(data) == len(get_type_hints(kind))
    if issubclass(kind, (Record, dict)):  # the latter is a view of a document of envid's
        return isinstance(data, dict)
    # Not `isinstance`, to which true is an `int`.
    return type(data) is kind or (kind is float and type(data) is int)


def _marked(value: object) -> object:
    """What a user wrote, as JSON data."""
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {str(key): _marked(value[key]) for key in value}
        return {_ITEMS: [[_marked(key), _marked(value[key])] for key in value]}
    if isinstance(value, (list, tuple)):
        return [_marked(item) for item in value]
    if value is None or isinstance(value, (bool, float, int, str)):
        return value
    return {_OTHER: [type(value).__name__, str(value)]}


def _written(data: Any) -> object:
    """What was marked, or something of a type by the same name that is shown like it."""
    if isinstance(data, list):
        return [_written(item) for item in data]
    if not isinstance(data, dict):
        return data
    if _ITEMS in data:
        return {_key(_written(key)): _written(item) for key, item in data[_ITEMS]}
    if _OTHER in data:
        name, text = data[_OTHER]
        return type(name, (), {"__str__": lambda _: text})()
    return {key: _written(item) for key, item in data.items()}


def _key(value: Any) -> Any:
    # JSON made a list of a tuple, also within one, and no list can have been in a key.
    return tuple(map(_key, value)) if isinstance(value, list) else value
