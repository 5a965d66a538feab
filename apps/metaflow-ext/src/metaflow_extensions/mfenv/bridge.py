"""The way from Metaflow's process to mfenv: in this process, or in the Python that has mfenv.

A task runs in an environment that holds what the user asked for and no mfenv. What starts a run
there (a nested `Runner`) reaches mfenv in the Python outside, by which the outermost run was
started, with JSON on its standard input and output.
"""

from __future__ import annotations

import json
import os
import subprocess
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from metaflow.exception import MetaflowException

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EnvironmentFailed", "call"]


class EnvironmentFailed(MetaflowException):
    """What mfenv refused or could not do, in its own words."""

    headline = "Environment error"


def call(function: str, say: Callable[[str], None], **arguments: Any) -> Any:
    """Call a function of `metaflow_extensions.mfenv.engine` with JSON data, and return its answer.

    `say` gets a line at a time of how the work goes. Raises `EnvironmentFailed`.
    """
    if find_spec("mfenv"):
        from metaflow_extensions.mfenv import engine

        answer = engine.serve(function, arguments, say)
    else:
        answer = _outside(function, arguments)
    if "error" in answer:
        raise EnvironmentFailed(answer["error"])
    return answer["result"]


def _outside(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    # Importing it says which Python is outside, if nobody did yet.
    from metaflow.plugins.env_escape import ENV_ESCAPE_PATHS, ENV_ESCAPE_PY

    environ = {**os.environ, "PYTHONPATH": ENV_ESCAPE_PATHS}
    environ["LD_LIBRARY_PATH"] = environ.pop("MF_ORIG_LD_LIBRARY_PATH", "")
    done = subprocess.run(
        [ENV_ESCAPE_PY, "-m", "metaflow_extensions.mfenv.engine", function],
        input=json.dumps(arguments, default=repr),  # to be refused there, by name
        stdout=subprocess.PIPE,
        env=environ,
        text=True,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        answer = {"error": f"`{ENV_ESCAPE_PY}` could not run mfenv, as it says above"}
    return answer
