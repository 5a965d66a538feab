"""Where the tasks of a step run, by its decorators."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from metaflow_extensions.mfenv.places import is_remote


def decorator(name: str, **told: Any) -> Any:
    return SimpleNamespace(name=name, attributes={}, **told)


@pytest.mark.parametrize(
    "name", ["batch", "kubernetes", "nvct", "nvidia", "skypilot_step", "slurm", "snowpark"]
)
def test_decorators_that_metaflow_knows_send_tasks_away(name: str) -> None:
    assert is_remote([decorator("card"), decorator(name)])


def test_other_decorators_say_so_themselves() -> None:
    assert is_remote([decorator("titus", supports_conda_environment=True)])
    assert not is_remote([decorator("titus", supports_conda_environment=False)])
    assert not is_remote([decorator("resources")])
