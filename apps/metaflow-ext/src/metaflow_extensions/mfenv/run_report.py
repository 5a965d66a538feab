"""The page that a card shows: the environments of a run's steps, beside those of the run before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envid.errors import EnvidError
from envid.resolved import ResolvedEnv
from metaflow_extensions.mfenv.engine import opened
from mfenv.errors import MfenvError
from mfenv.exploring.comparing import compare
from mfenv.exploring.graph import Graph
from mfenv.reporting.overview import Overview, SeenDifference, SeenEnvironment
from mfenv.reporting.page import page
from pkgcache.errors import CacheError

if TYPE_CHECKING:
    from metaflow_extensions.mfenv.command_records import RunReport
    from metaflow_extensions.mfenv.records import EnvId, Say
    from mfenv.environments import Environments

__all__ = ["run_report"]


def run_report(asked: RunReport, say: Say) -> str:
    """One HTML page; an environment of the earlier run that nobody knows any more is noted."""
    with opened(asked.datastore, say) as environments:
        # A container knows the environments of other steps by these alone.
        environments.add([ResolvedEnv.from_dict(env) for env in asked.descriptions])
        return page(_overview(asked, environments))


def _overview(asked: RunReport, environments: Environments) -> Overview:
    steps: dict[EnvId, list[str]] = {}
    pairs: dict[tuple[EnvId, EnvId], list[str]] = {}
    notes = [] if asked.earlier else ["No earlier run of this flow is known here."]
    for step in asked.steps:
        if step.env_id is None:
            notes.append(f"Step `{step.step}` has no environment of mfenv.")
            continue
        steps.setdefault(step.env_id, []).append(step.step)
        if step.before == step.env_id:
            notes.append(
                f"Step `{step.step}` has the environment that it had in run {asked.earlier}."
            )
        elif step.before:
            # One difference for all steps that went from the same to the same.
            pairs.setdefault((step.before, step.env_id), []).append(step.step)
        elif asked.earlier:
            notes.append(
                f"Step `{step.step}` did not run in an environment of mfenv in run {asked.earlier}."
            )
    envs = {env_id: _found(env_id, environments) for env_id in steps}
    differences = []
    for (before, after), names in pairs.items():
        try:
            then = _found(before, environments)
        except (EnvidError, MfenvError, CacheError) as error:
            notes.append(f"Run {asked.earlier}, {', '.join(names)}: {error}")
            continue
        differences.append(
            SeenDifference(
                before=f"{', '.join(names)} in run {asked.earlier}",
                after="this run",
                compared=compare(then, envs[after]),
            )
        )
    return Overview(
        title=asked.run,
        environments=tuple(
            SeenEnvironment(
                name=", ".join(names),
                graph=Graph.of(envs[env_id]),
                aliases=environments.aliases_of(envs[env_id]),
            )
            for env_id, names in steps.items()
        ),
        licences=environments.licences(list(envs.values())),
        differences=tuple(differences),
        notes=tuple(notes),
    )


def _found(env_id: EnvId, environments: Environments) -> ResolvedEnv:
    (env,) = environments.find(env_id.name, (env_id.platform,))
    return env
