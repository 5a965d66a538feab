from __future__ import annotations

import copy
import pickle

import pytest

from envid.errors import (
    EnvidError,
    InvalidAlias,
    InvalidDescription,
    InvalidRequirement,
    InvalidSpec,
    UnknownSchemaVersion,
)

ERRORS = [
    InvalidSpec("python", "is odd", "make it even"),
    InvalidRequirement("pypi", "https://ada:hush@h/x", "is odd", "make it even"),
    InvalidAlias("X", "is odd", "make it even"),
    InvalidDescription("packages[3].size", "is odd"),
    UnknownSchemaVersion("spec.format", 7, 1),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_and_copying(error: EnvidError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert (str(twin), repr(twin), vars(twin)) == (str(error), repr(error), vars(error))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_a_value_error_and_of_the_one_root(error: EnvidError) -> None:
    assert isinstance(error, ValueError)
    assert isinstance(error, EnvidError)


def test_messages_are_one_line_that_names_what_is_wrong() -> None:
    assert [str(error) for error in ERRORS] == [
        "python: is odd",
        "`https://***@h/x` is not a pypi requirement: is odd",
        "`X` does not name an environment: is odd",
        "packages[3].size: is odd",
        "spec.format: is 7, and this version of envid reads up to 1",
    ]
    assert str(InvalidDescription("", "is odd")) == "description: is odd"


def test_a_quoted_text_is_escaped_and_shortened() -> None:
    message = str(InvalidAlias("a\n\ud800" + "b" * 10_000, "is odd"))
    assert message.startswith("`a\\n\\ud800bbb")
    assert len(message) < 300
