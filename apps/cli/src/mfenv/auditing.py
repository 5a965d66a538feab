"""What the sources of an environment say by now against what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mfenv.outdated import again

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.resolved import ResolvedEnv
    from mfenv.answering import Answers
    from mfenv.site import Site
    from resolvers.auditing import AuditFinding, Unaudited

__all__ = ["AuditedEnv", "audit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedEnv:
    """What was found of an environment, and of what nobody could be asked."""

    env: ResolvedEnv
    findings: tuple[AuditFinding, ...]
    unaudited: tuple[Unaudited, ...]


def audit(site: Site, answers: Answers, envs: Sequence[ResolvedEnv]) -> tuple[AuditedEnv, ...]:
    """Ask sources; nothing is resolved or recorded. See `resolvers.auditing.audit`."""
    from mfenv.resolving import channel_alias, context_of
    from resolvers import auditing

    site.check_may_ask("what is known against packages")
    context = context_of(site, answers.prepared(again(envs)))
    found = auditing.audit(site.worker, envs, context, alias=channel_alias(site))
    return tuple(
        AuditedEnv(env=env, findings=one.findings, unaudited=one.unaudited)
        for env, one in zip(envs, found, strict=True)
    )
