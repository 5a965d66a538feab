"""What sending steps away costs: bytes in the code package, requests of a container."""

from __future__ import annotations

import collections
import re
from typing import TYPE_CHECKING

import pytest

from .flows import PLAIN, REMOTE

if TYPE_CHECKING:
    from .helpers import Cloud

pytestmark = [pytest.mark.network, pytest.mark.slow]

# Eleven steps, each with an environment of its own.
WIDE = (
    """
from metaflow import FlowSpec, conda, pypi, step

class WideFlow(FlowSpec):
"""
    + "\n".join(
        f"""
    @pypi(packages={{"boto3": "", "requests": "", "idna": "3.{number}"}})
    @step
    def {name}(self):
        self.next(self.{following})
"""
        for number, (name, following) in enumerate(
            zip(
                ("start", *(f"step_{number}" for number in range(1, 9)), "last"),
                (*(f"step_{number}" for number in range(1, 9)), "last", "end"),
                strict=True,
            )
        )
    )
    + """
    @step
    def end(self):
        pass

if __name__ == "__main__":
    WideFlow()
"""
)


def test_the_code_package_grows_by_less_than_50_kb(cloud: Cloud) -> None:
    container = cloud.of_argo(WIDE, "start")
    with_environments = cloud.code_package(container)
    bare = re.sub(r"    @pypi.*\n", "", WIDE)
    without = cloud.code_package(cloud.of_argo(bare, "start", environment="local"))
    grown = len(with_environments) - len(without)
    print(f"grown by {grown} bytes from {len(without)}")
    assert grown < 50_000
    told = cloud.environments(container)
    ids = {tuple(one["env_id"]) for one in told["steps"].values() if one}
    assert len(ids) == 11
    # The flow's own steps, and nothing else.
    assert set(told["environments"]) == {"{}:{}@{}".format(*one) for one in ids}


def test_a_container_asks_for_each_object_once(cloud: Cloud) -> None:
    container = cloud.of_argo(REMOTE, "start")
    cloud.node.requests.clear()
    cloud.run(container).ok()
    place = "/conda_env/mfenv/"
    asked = collections.Counter(
        one.partition("?")[0] for one in cloud.node.requests if place in one
    )
    # Each object by one request, and nothing is looked up before it is fetched.
    assert set(asked.values()) == {1}, asked
    assert {one.partition(" ")[0] for one in asked} == {"GET"}, asked
    kinds = collections.Counter(one.partition(place)[2].partition("/")[0] for one in asked)
    assert set(kinds) == {"packages", "runtime"}


def test_a_container_on_a_machine_that_has_it_all_asks_for_nothing(cloud: Cloud) -> None:
    container, share = cloud.of_argo(PLAIN, "start"), str(cloud.root / "warm")
    cloud.run(container, MFENV_HOME=share).ok()
    cloud.node.requests.clear()
    cloud.run(container, MFENV_HOME=share).ok()
    assert [one for one in cloud.node.requests if "/conda_env/mfenv/" in one] == []
