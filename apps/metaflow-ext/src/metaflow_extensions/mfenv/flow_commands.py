"""mfenv's side of `python flow.py --environment=conda environment resolve|show`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metaflow_extensions.mfenv.engine import alike, opened, remarks, requests_of, resolve_all
from mfenv.errors import InvalidRequest, UnknownEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from envid.spec import EnvSpec
    from metaflow_extensions.mfenv.requests import StepRequest
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


def flow_resolve(
    steps: Sequence[Mapping[str, Any]],
    *,
    datastore: str,
    say: Callable[[str], None],
    aliases: Sequence[str],
    platforms: Sequence[str],
    force: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """Resolve the environments of steps, for `platforms` beside those that the steps run on.

    Answers of each step, by platform: `req_id`, `full_id`, `newly_resolved`, and the description
    as `env`. Raises `InvalidRequest` for an alias where there are several environments.
    """
    asked = requests_of(steps, datastore=datastore, say=say)
    groups = alike(asked)
    if aliases and len(groups) != 1:
        names = "; ".join(", ".join(one.step for one in steps) for _, steps in groups) or "no step"
        raise InvalidRequest(
            f"an alias is for one environment, and these steps have {len(groups)}: {names}",
            "name the steps that the alias is for",
        )
    answer: dict[str, Any] = {one.step: {} for one in asked}
    with opened(datastore, say) as environments:
        wanted = [
            (replace(request, platforms=tuple({*request.platforms, *platforms})), together)
            for request, together in groups
        ]
        for together, found in resolve_all(
            environments, wanted, aliases=aliases, force=force, dry_run=dry_run
        ):
            for text in remarks(together, found, datastore):
                say(text)
            for one in together:
                answer[one.step] = {
                    env.platform: {
                        "req_id": env.req_id,
                        "full_id": env.full_id,
                        "newly_resolved": not found.known,
                        "env": env.to_dict(),
                    }
                    for env in found.envs
                }
    return answer


def flow_show(
    steps: Sequence[Mapping[str, Any]],
    *,
    datastore: str,
    say: Callable[[str], None],
    local_only: bool,
) -> dict[str, Any]:
    """What is known of the environments of steps; nothing is resolved.

    Answers of each step: `is_disabled`, `error`, `requested_hash` (the `req_id`),
    `requested_packages` and `requested_sources` by category, `from_env_name`,
    `is_fetch_at_exec`, `env_id`, the description as `env`, and `prefixes` that hold it here.
    """
    asked = requests_of(steps, datastore=datastore, say=say)
    with opened(datastore, say, {"local_only": local_only or None}) as environments:
        return {one.step: _shown(environments, one) for one in asked}


def _shown(environments: Environments, asked: StepRequest) -> dict[str, Any]:
    request = asked.request
    shown: dict[str, Any] = {
        "is_disabled": request is None and asked.at_exec is None,
        "error": None,
        "requested_hash": None,
        "requested_packages": {},
        "requested_sources": {},
        "from_env_name": asked.at_exec or (request.using if request else None),
        "is_fetch_at_exec": asked.at_exec is not None,
        "env_id": None,
        "env": None,
        "prefixes": [],
    }
    if request is None:
        return shown
    try:
        wanted = replace(request, platforms=asked.platforms)
        prepared, envs = environments.known(wanted)
    except UnknownEnvironment as error:
        return {**shown, "error": str(error)}
    spec = prepared.spec
    shown |= {
        "requested_hash": spec.req_id,
        "requested_packages": _packages(spec, asked.platforms[0]),
        "requested_sources": _sources(spec),
    }
    if envs is None:
        return shown
    (env,) = envs
    return {
        **shown,
        "env_id": list(env.env_id),
        "env": env.to_dict(),
        "prefixes": [str(path) for path in environments.prefixes_of(env)],
    }


def _packages(spec: EnvSpec, platform: str) -> dict[str, dict[str, str]]:
    """Constraints by name, by category; what stands several times has all of them."""
    found: dict[str, dict[str, list[str]]] = {}
    for category, texts in spec.for_platform(platform).items():
        by_name = found.setdefault(category, {})
        for text in texts:
            name, constraint = _split(category, text)
            by_name.setdefault(name, []).append(constraint)
    return {
        category: {name: ",".join(filter(None, every)) for name, every in by_name.items()}
        for category, by_name in found.items()
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
    found: dict[str, list[str]] = {}
    for one in spec.sources:
        found.setdefault(_CATEGORIES[one.kind], []).append(one.url)
    return found
