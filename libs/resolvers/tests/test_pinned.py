from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from resolvers.errors import NoMatchingFile, UnsupportedRequest
from resolvers.pinned import _check_hashes
from resolvers.request import Artifact

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"a wheel" * 1000


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(DATA)
    return Artifact.of(path)


@pytest.mark.parametrize("kind", ["sha256", "sha512", "blake2b", "sha3_256"])
def test_a_file_is_compared_with_hashes_of_any_kind(artifact: Artifact, kind: str) -> None:
    right = hashlib.new(kind, DATA).hexdigest()
    _check_hashes(artifact, [f"{kind}:{right}"])
    with pytest.raises(NoMatchingFile) as caught:
        _check_hashes(artifact, [f"{kind}:{right[::-1]}"])
    assert caught.value.found == (f"{kind}:{right}",)


@pytest.mark.parametrize("kind", ["shake_128", "rot13", ""])
def test_a_hash_that_cannot_be_checked_is_refused(artifact: Artifact, kind: str) -> None:
    with pytest.raises(UnsupportedRequest, match="cannot be checked"):
        _check_hashes(artifact, [f"{kind}:00"])
