"""In which environments of Metaflow the decorators may be used."""

from __future__ import annotations

import pytest
from metaflow.metaflow_environment import InvalidEnvironmentException, MetaflowEnvironment

from metaflow_extensions.mfenv.decorators import Conda, CondaBase
from metaflow_extensions.mfenv.environment import CondaEnvironment, PypiEnvironment


class Baked(CondaEnvironment):
    """As another extension may have it: made of ours, by a name of its own."""

    TYPE = "baked"


def use(environment: MetaflowEnvironment) -> None:
    Conda().step_init(None, None, "start", [], environment, None, None)
    CondaBase().flow_init(None, None, environment, None, None, None, None, None)


@pytest.mark.parametrize("kind", [CondaEnvironment, PypiEnvironment, Baked])
def test_environments_that_are_made_of_ours_may_have_them(kind: type[CondaEnvironment]) -> None:
    use(kind(None))


def test_other_environments_may_not() -> None:
    with pytest.raises(InvalidEnvironmentException, match="@conda"):
        use(MetaflowEnvironment(None))
