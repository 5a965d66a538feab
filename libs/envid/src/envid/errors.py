"""The errors of envid: what was given is not a spec, a requirement, an alias or a description.

No error shows or keeps the credentials of a URL that it was raised for.
"""

from __future__ import annotations

from envid._text import shown
from envid.redaction import redact

__all__ = [
    "EnvidError",
    "InvalidAlias",
    "InvalidDescription",
    "InvalidRequirement",
    "InvalidSpec",
    "UnknownSchemaVersion",
]


class EnvidError(Exception):
    """Root of all errors of this library; `hint` says what to do, where there is a way."""

    hint: str | None = None


class InvalidSpec(ValueError, EnvidError):
    """A field of a spec has a value that it cannot have."""

    def __init__(self, field: str, reason: str, hint: str | None = None) -> None:
        # All that was taken, in its order: pickles and copies are made by calling this with `args`.
        super().__init__(field, reason, hint)
        self.field, self.reason, self.hint = field, reason, hint

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class InvalidRequirement(ValueError, EnvidError):
    """A requirement cannot be read in its category."""

    def __init__(self, category: str, text: str, reason: str, hint: str | None = None) -> None:
        text = redact(text)
        super().__init__(category, text, reason, hint)
        self.category, self.text, self.reason, self.hint = category, text, reason, hint

    def __str__(self) -> str:
        return f"`{shown(self.text)}` is not a {self.category} requirement: {self.reason}"


class InvalidAlias(ValueError, EnvidError):
    """A text names no environment: neither an alias nor an id nor a pathspec."""

    def __init__(self, text: str, reason: str, hint: str | None = None) -> None:
        text = redact(text)
        super().__init__(text, reason, hint)
        self.text, self.reason, self.hint = text, reason, hint

    def __str__(self) -> str:
        return f"`{shown(self.text)}` does not name an environment: {self.reason}"


class InvalidDescription(ValueError, EnvidError):
    """A description does not have the form that its schema asks for.

    `path` leads to the field, such as `packages[3].hashes.sha256`.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{shown(self.path) or 'description'}: {self.reason}"


class UnknownSchemaVersion(InvalidDescription):
    """A description was written by a newer version of this library."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(path, f"is {found}, and this version of envid reads up to {known}")
        # Copies are made by these; the base has others.
        self.args = (path, found, known)
        self.found, self.known = found, known
        self.hint = "upgrade envid to read it"
