"""Environments by the pathspecs of Metaflow, and by the ids of the system they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envid.aliases import FullRef
from mfenv.environments import Environments
from mfenv.errors import UnknownEnvironment
from mfenv.settings import Settings

from .helpers import resolved

if TYPE_CHECKING:
    from pathlib import Path

    from envid.aliases import StepRef
    from mfenv.finding import StepFinder

OLD = FullRef("1" * 40, "2" * 40)


def opened(home: Path, step: StepFinder | None = None) -> Environments:
    return Environments(Settings(home=str(home)), step=step)


def test_a_step_is_found_by_who_knows_about_runs(tmp_path: Path) -> None:
    env = resolved("a")
    asked: list[StepRef] = []

    def step(ref: StepRef) -> FullRef:
        asked.append(ref)
        return FullRef(env.req_id, env.full_id)

    with opened(tmp_path, step) as environments:
        environments._site.registry.add([env], default=False)
        assert environments.find("step:Flow/12/train/3") == (env,)
    assert [str(one) for one in asked] == ["step:Flow/12/train/3"]


def test_without_one_a_step_is_not_known(tmp_path: Path) -> None:
    with (
        opened(tmp_path) as environments,
        pytest.raises(UnknownEnvironment, match="is a step of a Metaflow run"),
    ):
        environments.find("step:Flow/12/train")


@pytest.mark.parametrize("name", [":".join(OLD), OLD[0], "step:Flow/12/train"])
def test_ids_and_pathspecs_of_another_system_lead_to_what_came_from_it(
    tmp_path: Path, name: str
) -> None:
    env = resolved("a")
    with opened(tmp_path) as environments:
        environments._site.registry.add([env], default=False)
        environments._site.registry.set_alias(name, FullRef(env.req_id, env.full_id), mutable=True)
        assert environments.find(name) == (env,)


def test_a_step_that_ran_in_another_system_leads_to_what_came_from_it(tmp_path: Path) -> None:
    env = resolved("a")
    with opened(tmp_path, lambda _: OLD) as environments:
        environments._site.registry.add([env], default=False)
        environments._site.registry.set_alias(
            ":".join(OLD), FullRef(env.req_id, env.full_id), mutable=True
        )
        assert environments.find("step:Flow/12/train") == (env,)
