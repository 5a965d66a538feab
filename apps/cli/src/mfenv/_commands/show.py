"""`mfenv show`: what was asked for, and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mfenv._commands._common import (
    env_argument,
    json_option,
    local_only_option,
    open_environments,
    platform_option,
    print_descriptions,
)
from mfenv._layout import pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.resolved import ResolvedEnv


@click.command(epilog="\b\nExamples:\n  mfenv show team/etl:v1\n  mfenv show 3f2a91bc --json")
@env_argument(nargs=-1, required=True)
@platform_option("Platform; may be repeated.  [default: all that are known]")
@local_only_option
@json_option
def show(env: tuple[str, ...], platforms: tuple[str, ...], as_json: bool) -> None:
    """Describe environments: what was asked and what was found."""
    with open_environments() as environments:
        envs = [resolved for name in env for resolved in environments.find(name, platforms)]
        if as_json:
            print_descriptions(envs)
            return
        for number, resolved in enumerate(envs):
            if number:
                click.echo()
            _describe(resolved, environments.aliases_of(resolved))


_LABELS = {"constraints": "constraint", "sys": "target"}


def _order(statements: tuple[str, tuple[str, ...]]) -> tuple[int, str]:
    """Python first, what is bound without being asked for last."""
    category = statements[0]
    return {"python": 0, "constraints": 2}.get(category, 1), category


def _said(category: str, text: str) -> str:
    if category == "sys":
        return text
    return f"{'pypi' if category == 'constraints' else category} {text}"


def _describe(env: ResolvedEnv, aliases: Sequence[str]) -> None:
    from envid.spec import Options

    spec, usual = env.spec, Options().to_dict()
    rows = [
        ("environment", str(env.env_id.ref)),
        ("platform", f"{env.platform} (of {', '.join(env.co_resolved)})"),
        ("type", env.env_type),
        ("python", f"{env.python} from {spec.options.python_provider}"),
        ("resolved", f"{env.resolved_at} by {env.resolved_by}"),
        ("known as", " ".join(aliases)),
        ("derived from", spec.base or ""),
        *(("source", f"{source.kind} {source.url}") for source in spec.sources),
    ]
    for category, texts in sorted(spec.statements(env.platform).items(), key=_order):
        places = env.origins.get(category, {})
        for text in texts:
            place = f"  ({places[text]})" if text in places else ""
            rows.append((_LABELS.get(category, "asked"), f"{_said(category, text)}{place}"))
    for name, value in spec.options.to_dict().items():
        if value != usual[name]:
            words = " ".join(value) if isinstance(value, list) else value
            rows.append(("option", f"{name} {'yes' if value is True else words}"))
    rows += [("note", note) for note in env.notes]
    for package in env.packages:
        build = f" {package.build}" if package.build else ""
        rows.append((package.kind, f"{package.name} {package.version}{build}"))
    pairs(((label, text) for label, text in rows if text), 13)
