"""What the decorators of a flow say about each step, as plain data for mfenv."""

from __future__ import annotations

from typing import Any

from metaflow_extensions.mfenv.releases import inherited

__all__ = ["stated"]

KINDS = ("conda", "pypi", "pip", "named_env", "sys_packages")
# Those that Metaflow's own environments know; others say of themselves that they are.
_REMOTE = ("batch", "kubernetes", "nvct", "nvidia", "skypilot_step", "slurm", "snowpark")


def stated(flow: Any, step: Any) -> dict[str, Any]:
    """The step's name, where it runs, and every statement about its environment.

    Statements come in reading order: those of the step from top to bottom, what `--with` added,
    then those of the flow. Each has the `kind` of decorator, its `level`, `attributes` that were
    given, and the `place` to name in messages.
    """
    own = [deco for deco in step.decorators if deco.name in KINDS]
    # Python applies decorators from the bottom up.
    written = [deco for deco in reversed(own) if deco.statically_defined]
    added = [deco for deco in own if not deco.statically_defined]
    found = [_statement(deco, "step", f"@{deco.name} of step `{step.name}`") for deco in written]
    found += [_statement(deco, "step", f"--with {deco.name}") for deco in added]
    for kind in KINDS:
        bases = _of_flow(flow, f"{kind}_base")
        found += [_statement(one, "flow", f"@{one.name} of flow `{flow.name}`") for one in bases]
    return {
        "step": step.name,
        "platform": _platform(step.decorators),
        "gpu": any(_asks_for_gpu(deco) for deco in step.decorators),
        "stated": found,
    }


def is_remote(decorators: Any) -> bool:
    """Whether the tasks of a step run on another machine."""
    return _platform(decorators) is not None


def _of_flow(flow: Any, name: str) -> list[Any]:
    """The decorators of a flow and of the flows that it inherits from, in reading order."""
    found = list(reversed(flow._flow_decorators.get(name, [])))  # noqa: SLF001 - no other way
    return found + [deco for deco in inherited(flow, name) if deco not in found]


def _statement(deco: Any, level: str, place: str) -> dict[str, Any]:
    deco.external_init()
    kind = deco.name.partition("_base")[0]
    given = {key: value for key, value in deco.attributes.items() if value not in (None, {}, [])}
    return {"kind": kind, "level": level, "place": place, "attributes": given}


def _platform(decorators: Any) -> str | None:
    """The platform of the machine that a step is sent to; None for this one."""
    for deco in decorators:
        if deco.name in _REMOTE or getattr(deco, "supports_conda_environment", False):
            platform = getattr(deco, "target_platform", None)
            return platform if isinstance(platform, str) and platform else "linux-64"
    return None


def _asks_for_gpu(deco: Any) -> bool:
    return deco.name in ("resources", *_REMOTE) and str(deco.attributes.get("gpu") or 0) != "0"
