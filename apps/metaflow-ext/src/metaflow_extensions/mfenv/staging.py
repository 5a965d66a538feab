"""Putting into the store what a container needs to create environments: the runtime of mfenv."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv import encoding
from metaflow_extensions.mfenv.asking import facts
from metaflow_extensions.mfenv.run_records import Runtime
from metaflow_extensions.mfextmeta_mfenv import APART
from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mfenv.environments import Environments

__all__ = ["stage"]


def stage(environments: Environments, platforms: Sequence[str]) -> Runtime:
    """Put the runtime for `platforms` into the store: mfenv, and of the extension what is needed.

    What was staged from here costs one request,
    and what this task itself was started with costs none. Raises the errors of resolving and of
    moving packages.
    """
    # What this task was started with is there; it need not be allowed to write.
    if handed_on := _handed_on(environments, platforms):
        return handed_on
    if not environments.store_url:
        raise InvalidRequest(
            "steps are sent to other machines, and there is no store to send environments through",
            "set METAFLOW_DEFAULT_DATASTORE, or MFENV_STORE to a store that these machines reach",
        )
    here = Path(__file__)
    files = {f"metaflow_extensions/mfenv/{name}.py": here.with_name(f"{name}.py") for name in APART}
    # The same record, of the side that knows no mfenv.
    return encoding.read_data(Runtime, asdict(environments.stage_runtime(platforms, files)))


def _handed_on(environments: Environments, platforms: Sequence[str]) -> Runtime | None:
    """The runtime that the task around this process was started with, if it is of this store."""
    around = facts().around
    # Without options, such as an endpoint that is another one from here.
    if around.store.partition("?")[0] != environments.store_url.partition("?")[0]:
        return None
    runtime = around.runtime
    return runtime if runtime and set(platforms) <= runtime.wheels.keys() else None
