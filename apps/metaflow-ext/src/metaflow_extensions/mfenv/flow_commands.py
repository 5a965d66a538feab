"""mfenv's side of `python flow.py --environment=conda environment resolve|show`."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv.command_records import ResolvedStep, ShownStep
from metaflow_extensions.mfenv.engine import (
    alike,
    description_of,
    opened,
    remarks,
    requests_of,
    resolve_all,
)
from metaflow_extensions.mfenv.lock_files import lock_instead, naming
from metaflow_extensions.mfenv.records import EnvId
from metaflow_extensions.mfenv.step_requests import asking_for
from mfenv.errors import InvalidRequest, UnknownEnvironment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.spec import EnvSpec
    from metaflow_extensions.mfenv.command_records import FlowResolve, FlowShow
    from metaflow_extensions.mfenv.records import Say
    from metaflow_extensions.mfenv.step_requests import StepRequest
    from mfenv.environments import Environments

__all__ = ["flow_resolve", "flow_show"]

_PYPI = re.compile(r"[A-Za-z0-9._-]+(?:\[[^\]]*\])?")
_CONDA = re.compile(r"[^\s<>=!~\[]+")
# A URL without a name, and the revision in that of a repository.
_REFERENCE = re.compile(
    r"([a-z]+\+[a-z]+://(?:[^/@#\s]*@)?[^@#\s]*|[a-z][a-z0-9+.-]*:[^\s#]*)"
    r"(?:(@[^#\s]*))?(#\S*)?( ;.*)?"
)
_CATEGORIES = {"channel": "conda", "index": "pypi", "find-links": "pypi"}


def flow_resolve(asked: FlowResolve, say: Say) -> dict[str, dict[str, ResolvedStep]]:
    """Resolve the environments of steps, by step and platform.

    Raises `InvalidRequest` for an alias where there are several environments.
    """
    steps = asked.steps
    if asked.lockfile:
        instead = partial(lock_instead, file=asked.lockfile, chosen=asked.chosen)
        steps = tuple(replace(step, stated=instead(step.stated)) for step in steps)
    requests = requests_of(steps, datastore=asked.datastore, say=say)
    groups = alike(requests)
    if asked.aliases and len(groups) != 1:
        names = "; ".join(", ".join(step.step for step in steps) for _, steps in groups)
        raise InvalidRequest(
            "an alias is for one environment, and these steps have"
            f" {len(groups)}: {names or 'no step'}",
            "name the steps that the alias is for",
        )
    by_step: dict[str, dict[str, ResolvedStep]] = {request.step: {} for request in requests}
    with opened(asked.datastore, say) as environments:
        wanted = [
            (request._replace(platforms=tuple({*request.platforms, *asked.platforms})), together)
            for request, together in groups
        ]
        for together, resolved in resolve_all(
            environments, wanted, aliases=asked.aliases, force=asked.force, dry_run=asked.dry_run
        ):
            for text in remarks(together, resolved, asked.datastore):
                say(text)
            for step in together:
                by_step[step.step] = {
                    env.platform: ResolvedStep(
                        req_id=env.req_id,
                        full_id=env.full_id,
                        newly_resolved=not resolved.known,
                        env=description_of(env),
                    )
                    for env in resolved.envs
                }
    return by_step


def flow_show(asked: FlowShow, say: Say) -> dict[str, ShownStep]:
    """What is known of the environments of steps, by step; nothing is resolved."""
    requests = requests_of(asked.steps, datastore=asked.datastore, say=say)
    with opened(asked.datastore, say, {"local_only": asked.local_only or None}) as environments:
        return {
            step.step: _shown(environments, step, asking_for(step.request, requests))
            for step in requests
        }


def _shown(environments: Environments, step: StepRequest, alike: Sequence[str]) -> ShownStep:
    request = step.request
    shown = ShownStep(
        is_disabled=request is None and step.at_exec is None,
        error=None,
        requested_hash=None,
        requested_packages={},
        requested_sources={},
        from_env_name=step.at_exec or (request.using if request else None),
        is_fetch_at_exec=step.at_exec is not None,
        env_id=None,
        env=None,
        prefixes=[],
    )
    if request is None:
        return shown
    try:
        with naming(request, alike):
            prepared, envs = environments.known(request._replace(platforms=step.platforms))
    except UnknownEnvironment as error:
        return replace(shown, error=str(error))
    spec = prepared.spec
    shown = replace(
        shown,
        requested_hash=spec.req_id,
        requested_packages=_packages(spec, step.platforms[0]),
        requested_sources=_sources(spec),
    )
    if envs is None:
        return shown
    # One platform was asked for.
    (env,) = envs
    return replace(
        shown,
        env_id=EnvId(*env.env_id),
        env=description_of(env),
        prefixes=[str(path) for path in environments.prefixes_of(env)],
    )


def _packages(spec: EnvSpec, platform: str) -> dict[str, dict[str, str]]:
    """Constraints by name, by category; what stands several times has all of them."""
    constraints: dict[str, dict[str, list[str]]] = {}
    for category, texts in spec.for_platform(platform).items():
        by_name = constraints.setdefault(category, {})
        for text in texts:
            name, constraint = _split(category, text)
            by_name.setdefault(name, []).append(constraint)
    return {
        category: {name: ",".join(filter(None, every)) for name, every in by_name.items()}
        for category, by_name in constraints.items()
    }


def _split(category: str, text: str) -> tuple[str, str]:
    """The name and the constraint of a requirement, as a decorator takes them."""
    if category == "pypi" and (reference := _REFERENCE.fullmatch(text)):
        url, revision, fragment, marker = (part or "" for part in reference.groups())
        return f"{url}{fragment}", f"{revision}{marker}".strip()
    name = (_PYPI if category == "pypi" else _CONDA).match(text)
    end = name.end() if name else len(text)
    return text[:end], text[end:].strip()


def _sources(spec: EnvSpec) -> dict[str, list[str]]:
    urls: dict[str, list[str]] = {}
    for source in spec.sources:
        urls.setdefault(_CATEGORIES[source.kind], []).append(source.url)
    return urls
