"""The requirements of a requirements.txt, a line each."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mfenv.editing.listed import Listed
from mfenv.errors import InvalidRequest
from reqparse.editing import append_line, remove_line, replace_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse import RequirementSet

__all__ = ["RequirementsText"]


class RequirementsText:
    """Those of PyPI or, with `conda`, those of conda; `said` is what was read of the text."""

    def __init__(self, text: str, said: RequirementSet, file: str, *, conda: bool) -> None:
        self._text, self._file = text, file
        self._before = "--conda-pkg " if conda else ""
        self.listed = [
            Listed(
                requirement=requirement,
                at=requirement.origin.line or 0,
                place=str(requirement.origin),
            )
            for requirement in said.requirements
            if requirement.origin.file == file
            and (requirement.category in ("conda", "npconda")) == conda
        ]

    def append(self, text: str) -> str:
        with self._explained():
            return append_line(self._text, self._before + text)

    def replace(self, entry: Listed, text: str) -> str:
        with self._explained():
            return replace_line(self._text, entry.at, self._before + text)

    def remove(self, entry: Listed) -> str:
        return remove_line(self._text, entry.at)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            hint = "write it in one line by hand first"
            raise InvalidRequest(f"{self._file}: {error}", hint) from None
