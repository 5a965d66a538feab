"""A list of requirements in TOML, by PEP 621, PEP 735 or PEP 723."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import tomlkit
from packaging.utils import canonicalize_name
from tomlkit.exceptions import TOMLKitError

from mfenv.editing import arrays
from mfenv.editing.listed import Listed
from mfenv.errors import InvalidRequest
from reqparse import Origin, ParseErrors, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

__all__ = ["ProjectArray"]

# No file has it, and TOML takes it as it is.
_HERE = "mfenv: here is the array that is edited"


class ProjectArray:
    """The dependencies of the project, of one of its groups or extras, or of a script.

    `is_new`: it is not in the file.
    """

    def __init__(
        self,
        text: str,
        file: str,
        *,
        group: str | None = None,
        extra: str | None = None,
        script: bool = False,
    ) -> None:
        try:
            document = tomlkit.parse(text)
        except TOMLKitError as error:
            raise InvalidRequest(f"{file}: {error}", "mend it by hand first") from None
        table: MutableMapping[str, Any] = document
        key = "dependencies"
        if not script:
            table, key = _table(document, group, extra, file)
        self.is_new = key not in table
        if self.is_new:
            table[key] = tomlkit.array()
        array = table[key]
        if not isinstance(array, tomlkit.items.Array):
            raise InvalidRequest(f"{file}: `{key}` is no list", "write it as a list first")
        self._array = array.as_string()
        said = document.unwrap()
        # Written with a mark in place of the array: so what stands around it is kept to the letter.
        table[key] = _HERE
        self._before, mark, self._after = tomlkit.dumps(document).partition(json.dumps(_HERE))
        if self.is_new:
            # What follows a new table may have become a part of it.
            around = _inserted(text, self._before, self._after)
            self._before, self._after = around or ("", "")
            kept = around and tomlkit.parse(self._with(self._array)).unwrap() == said
        else:
            # Where that does not give back the text that was read, an edit would change more of it.
            kept = self._with(self._array) == text
        if not mark or not kept:
            raise InvalidRequest(
                f"{file}: this list cannot be {'begun' if self.is_new else 'edited'}",
                "write it by hand, empty" if self.is_new else "edit it by hand",
            )
        self.listed = list(self._listed(array.unwrap(), file))

    def _listed(self, values: list[Any], file: str) -> Iterator[Listed]:
        line = self._before.count("\n") + 1
        at = 0
        for index, (value, written) in enumerate(
            zip(values, arrays.items(self._array), strict=True)
        ):
            at = self._array.index(written, at)
            origin = Origin(file, line + self._array.count("\n", 0, at))
            at += len(written)
            if isinstance(value, str):
                try:
                    requirement = parse_requirement(value, origin=origin)
                # Whatever else is understood there is told where the file is read.
                except ParseErrors:
                    continue
                yield Listed(requirement=requirement, at=index, place=str(origin))

    def append(self, text: str) -> str:
        return self._with(arrays.append(self._array, _quoted(text)))

    def replace(self, entry: Listed, text: str) -> str:
        literal = arrays.items(self._array)[entry.at].startswith("'") and "'" not in text
        written = f"'{text}'" if literal else _quoted(text)
        return self._with(arrays.replace(self._array, entry.at, written))

    def remove(self, entry: Listed) -> str:
        return self._with(arrays.remove(self._array, entry.at))

    def _with(self, array: str) -> str:
        return f"{self._before}{array}{self._after}"


def _inserted(text: str, before: str, after: str) -> tuple[str, str] | None:
    """What stands around a new list, with lines that end as those of the text do.

    None where more has changed than that something was put in.
    """
    pairs = enumerate(zip(text, before, strict=False))
    same = next((at for at, (old, new) in pairs if old != new), min(len(text), len(before)))
    rest = text[same:]
    if not after.endswith(rest):
        return None
    put = after[: len(after) - len(rest)]
    end = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    return before[:same] + before[same:].replace("\n", end), put.replace("\n", end) + rest


def _quoted(text: str) -> str:
    # JSON's strings are TOML's, too.
    return json.dumps(text, ensure_ascii=False)


def _table(
    document: Any, group: str | None, extra: str | None, file: str
) -> tuple[MutableMapping[str, Any], str]:
    """The table that has the list, and its key there, as it is written if it is there."""
    if group is not None:
        table = document.setdefault("dependency-groups", tomlkit.table())
    elif "project" not in document:
        raise InvalidRequest(
            f"{file}: there is no `[project]`",
            "write one, or edit the tables of other tools by hand",
        )
    else:
        key = "dependencies" if extra is None else "optional-dependencies"
        if key in document["project"].get("dynamic", ()):
            # PEP 621: a build backend must refuse a field that is both stated and dynamic.
            raise InvalidRequest(
                f"{file}: `{key}` is dynamic: the project's build backend says it",
                "write it where that reads it",
            )
        if extra is None:
            return document["project"], key
        inline = isinstance(document["project"], tomlkit.items.InlineTable)
        new = tomlkit.inline_table() if inline else tomlkit.table()
        table = document["project"].setdefault(key, new)
    name = canonicalize_name(str(group if group is not None else extra))
    return table, next((key for key in table if canonicalize_name(key) == name), name)
