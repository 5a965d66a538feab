from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reqparse

from .fuzz_parsers import check

WORDS = st.sampled_from(
    [
        *("numpy", "a[b]", "==1.0", ">=1,<2", " ; os_name == 'a'", " @ ", "https://h.org/a-1.zip"),
        *("git+", "ssh://git@", "u:hunter2@", "#egg=", "&subdirectory=", "-e ", "-r input", "-c x"),
        *("--hash=sha256:ab", "--pre", "--no-binary ", "--conda-pkg ", "--sys-pkg __a=1", "${A}"),
        *("\\\n", "\n", "\n- ", "\n  - ", ": ", "pip:", "dependencies:", "channels:", "# [linux]"),
        *("[project]\n", "[tool.poetry]\n", "[[tool.uv.index]]\n", "[tool.pixi.dependencies]\n"),
        *("dependencies = [", "'a>=1', ", "]\n", "{version = '^1'}", "name = 'x'\n", "= ", "'"),
        *("# /// script\n", "# ///\n", "@EXPLICIT\n", "https://h.org/linux-64/a-1-0.conda", "#md5"),
        *("version: 6\n", "packages:\n", "- conda: a", "environments: {}\n", "version = 1\n"),
        *("[[package]]\n", "[[packages]]\n", "lock-version = '1.0'\n", "source = {git = 'a'}\n"),
        *("&a ", "*a", "<<: ", "!!str ", '"', "[", "{", "}", "\0", "\ufeff", "\u2028", "é", "\t"),
    ]
)
FILES = st.one_of(
    st.binary(max_size=200), st.lists(WORDS, max_size=30).map(lambda words: "".join(words).encode())
)


@pytest.mark.slow
@given(kind=st.integers(0, len(reqparse.KINDS) - 1), data=FILES)
@settings(max_examples=800)
def test_no_input_breaks_a_parser(kind: int, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        check(bytes([kind]) + data, Path(directory))
