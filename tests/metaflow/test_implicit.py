"""What environments of steps hold beside what the steps ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .helpers import Pad

pytestmark = pytest.mark.slow

NOTE = "has `requests` 2.20.0, and Metaflow asks for `requests>=2.21.0`: what you ask for is taken"


def test_what_metaflow_needs_does_not_bind_what_a_step_asks_for(pad: Pad) -> None:
    # conda's requests would hold conda's idna, which is another.
    asked = ('conda:libraries={"colours": "1.0"}', 'pypi:packages={"idna": "3.6"}')
    ran = pad.ok("bare", *(word for one in asked for word in ("--with", one)))
    assert ran.fact("modules") == ["colours", "requests"]


@pytest.mark.parametrize(
    ("asked", "noted"),
    [
        ('pypi:packages={"requests": "<2.21"}', True),
        ('pypi:packages={"requests": ">=2.21.0"}', False),
        ('conda:libraries={"requests": ">=2.21.0"}', False),
        ('conda:libraries={"requests": ""}', False),
    ],
)
def test_a_version_that_a_step_states_is_taken_and_noted_where_it_may_not_do(
    pad: Pad, asked: str, noted: bool
) -> None:
    shown = pad.ok("bare", command=f"--with {asked.replace(': ', ':')} environment resolve")
    assert (NOTE in shown.out) is noted
    ran = pad.ok("bare", "--with", asked)
    assert (NOTE in ran.out) is noted
    assert ran.out.count("Metaflow asks for") == noted


def test_steps_can_call_pip(pad: Pad) -> None:
    ran = pad.ok("pips")
    names = {one.partition("=")[0] for one in ran.fact("listed")}
    assert {"pip", "setuptools", "wheel", "colours"} <= names
    assert (ran.fact("mixed"), ran.fact("wheels"), ran.fact("own")) == ("25.0", "25.0", "24.3.1")
    without = pad.run("pips", env={"METAFLOW_MFENV_SEED": "0"})
    assert without.status == 1
    assert "returned non-zero exit status 1" in without.out
