from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkgcache.archives._members import path_issue


@given(st.text(alphabet="aZ0.-_/:%2eE\\ \u00e9\u017f\n\x7f", max_size=12))
def test_an_accepted_path_lies_in_the_folder_everywhere(path: str) -> None:
    segments = path.split("/")
    plain = not {"", ".", ".."} & set(segments)
    wrong = re.search(r"[\\\n\x7f]|^[a-z]:|%(2e|2f|5c|00)", path, re.IGNORECASE | re.ASCII)
    assert (path_issue(path) is None) == (plain and not wrong)


@pytest.mark.parametrize(
    ("path", "issue"),
    [
        ("/".join("a" * 64), None),
        ("/".join("a" * 65), "is too deep"),
        ("a" * 255, None),
        ("a" * 256, "is too long"),
        ("\u00e9" * 128, "is too long"),
        ("/".join(["a" * 100] * 11), "is too long"),
    ],
)
def test_paths_have_a_longest_and_a_deepest(path: str, issue: str | None) -> None:
    assert path_issue(path) == issue
