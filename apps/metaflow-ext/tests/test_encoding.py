"""What users write in decorators, on its way to mfenv's process."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.mfenv._values import read
from metaflow_extensions.mfenv.encoding import decode, encode
from mfenv.errors import InvalidRequest


def sent(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


KEYS = st.none() | st.booleans() | st.integers() | st.text()
PLAIN = KEYS | st.floats(allow_nan=False)


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_what_json_has_arrives_as_it_was(value: Any) -> None:
    assert sent(value) == value


@pytest.mark.parametrize(
    "attributes",
    [
        {"packages": {"a"}},
        {"packages": {1: "2"}},
        {"packages": {("a", "b"): "2"}},
        {"packages": {"a": Decimal("1.2")}},
        {"packages": {"a": b"1.2"}},
        {"packages": {"a": None}},
        {"python": b"3.12"},
        {"channels": {"a"}},
        {"channels": [object]},
        {"disabled": Decimal(2)},
    ],
)
def test_what_is_refused_is_refused_in_the_same_words(attributes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as here:
        read("conda", "@conda", attributes)
    with pytest.raises(InvalidRequest) as there:
        read("conda", "@conda", sent(attributes))
    assert (str(there.value), there.value.hint) == (str(here.value), here.value.hint)
