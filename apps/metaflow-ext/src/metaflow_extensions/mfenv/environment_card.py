"""`@card(type="environment")`: the environments of a run, and what differs from the run before.

A task has what the client knows; the page is made by mfenv's process, from descriptions.
"""

from __future__ import annotations

from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Iterable

# Not `metaflow.cards`, which is not there yet when Metaflow looks for cards.
from metaflow.plugins.cards.card_modules.card import MetaflowCard

if TYPE_CHECKING:
    from metaflow import Run, Task

    from metaflow_extensions.mfenv.records import EnvId

__all__ = ["EnvironmentCard"]

_TASKS = 3  # of a step that are looked at: a foreach has thousands, which are alike
_NONE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{0}</title>'
    "<p>No step of {0} ran in an environment of mfenv so far.</p></html>"
)


class EnvironmentCard(MetaflowCard):
    """A page of the environments of a run's steps, as far as these have begun."""

    type = "environment"

    def render(self, task: Task) -> str:
        from metaflow.client import Run

        from metaflow_extensions.mfenv.bridge import call
        from metaflow_extensions.mfenv.command_records import ReportedStep, RunReport
        from metaflow_extensions.mfenv.conda_environment import say
        from metaflow_extensions.mfenv.descriptions import descriptions

        flow, number, own, _ = task.path_components
        run = Run(f"{flow}/{number}", _namespace_check=False)
        earlier = _before(run)
        steps = [
            ReportedStep(
                step=step.id,
                # Tasks of one step may differ, by a name that is looked up when they start.
                env_id=_env_id([task] if step.id == own else step),
                before=_env_id(earlier[step.id]) if earlier and step.id in earlier else None,
            )
            for step in reversed(list(run))
        ]
        if not any(step.env_id for step in steps):
            return _NONE.format(escape(run.pathspec))
        package = descriptions()
        asked = RunReport(
            datastore=task.metadata_dict["ds-type"],
            run=run.pathspec,
            earlier=earlier.id if earlier else None,
            steps=tuple(steps),
            descriptions=tuple(package.environments.values()) if package else (),
        )
        return call(asked, say)


def _before(run: Run) -> Run | None:
    """The run of the flow before this one, whoever's it is."""
    from metaflow.client import Flow

    runs = Flow(run.path_components[0], _namespace_check=False)
    return next((other for other in runs if other.created_at < run.created_at), None)


def _env_id(tasks: Iterable[Task]) -> EnvId | None:
    from metaflow_extensions.mfenv import encoding
    from metaflow_extensions.mfenv.pathspecs import METADATA
    from metaflow_extensions.mfenv.records import EnvId

    texts = (task.metadata_dict.get(METADATA) for task in islice(tasks, _TASKS))
    text = next(filter(None, texts), None)
    return encoding.read(text, EnvId) if text else None
