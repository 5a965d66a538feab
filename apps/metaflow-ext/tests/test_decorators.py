"""In which environments of Metaflow the decorators may be used, and what editors know of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from metaflow.metaflow_environment import InvalidEnvironmentException, MetaflowEnvironment

from metaflow_extensions.mfenv import decorators
from metaflow_extensions.mfenv.conda_environment import CondaEnvironment, PypiEnvironment
from metaflow_extensions.mfenv.decorators import Conda, CondaBase

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.slow
def test_stubs_have_every_argument_of_every_decorator(tmp_path: Path) -> None:
    program = (
        "import sys; from metaflow.cmd.develop.stub_generator import StubGenerator as Stubs\n"
        "Stubs(sys.argv[1], include_generated_for=False).write_out()"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "stubs")]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    found: dict[str, set[str]] = {}
    for node in ast.parse((tmp_path / "stubs" / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            named = {one.arg for one in node.args.kwonlyargs}
            found[node.name] = found.get(node.name, set()) | named
    for name in decorators.__all__:
        decorator = getattr(decorators, name)
        assert found[decorator.name] == set(decorator.defaults), name
