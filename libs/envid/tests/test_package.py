from __future__ import annotations

import subprocess
import sys

import pytest

import envid


@pytest.mark.parametrize("name", envid.__all__)
def test_what_most_callers_need_is_at_the_top(name: str) -> None:
    assert getattr(envid, name).__module__.startswith("envid.")


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="`nothing`"):
        envid.nothing  # noqa: B018


def test_one_module_brings_no_other() -> None:
    code = "import sys, envid.redaction; print(*(m for m in sys.modules if m.startswith('envid.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["envid.redaction"]
