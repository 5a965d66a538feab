"""What the sources of an environment say by now against what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mfenv.exploring.graph import package_document
from mfenv.outdated import again

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envid.resolved import ResolvedEnv
    from mfenv.answering import Answers
    from mfenv.site import Site
    from resolvers.auditing import Advisory, AuditFinding, Unaudited

__all__ = ["AuditedEnv", "audit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedEnv:
    """What was found of an environment, and of what nobody could be asked."""

    env: ResolvedEnv
    findings: tuple[AuditFinding, ...]
    unaudited: tuple[Unaudited, ...]

    def unasked(self) -> dict[tuple[str, str], list[str]]:
        """The names of packages that could not be asked about, by what and for what reason."""
        names: dict[tuple[str, str], list[str]] = {}
        for gap in self.unaudited:
            names.setdefault((gap.what, gap.reason), []).append(gap.package.name)
        return names

    def to_dict(
        self, is_ignored: Callable[[AuditFinding], bool] = lambda _: False
    ) -> dict[str, Any]:
        return {
            **self.env.env_id._asdict(),
            "python": self.env.python,
            "findings": [
                {
                    **package_document(finding.package),
                    "what": finding.what,
                    "reason": finding.reason or None,
                    "advisory": _advisory(finding.advisory),
                    "ignored": is_ignored(finding),
                }
                for finding in self.findings
            ],
            "unaudited": [
                {**package_document(gap.package), "what": gap.what, "reason": gap.reason}
                for gap in self.unaudited
            ],
        }


def _advisory(advisory: Advisory | None) -> dict[str, Any] | None:
    if advisory is None:
        return None
    return {
        "id": advisory.id,
        "aliases": list(advisory.aliases),
        "fixed_in": list(advisory.fixed_in),
        "summary": advisory.summary,
        "link": advisory.link or None,
        "withdrawn": advisory.withdrawn,
    }


def audit(site: Site, answers: Answers, envs: Sequence[ResolvedEnv]) -> tuple[AuditedEnv, ...]:
    """Ask sources; nothing is resolved or recorded. See `resolvers.auditing.audit`."""
    from mfenv.resolving import channel_alias, context_of
    from resolvers import auditing

    site.check_may_ask("what is known against packages")
    context = context_of(site, answers.prepared(again(envs)))
    audits = auditing.audit(site.worker, envs, context, alias=channel_alias(site))
    return tuple(
        AuditedEnv(env=env, findings=answer.findings, unaudited=answer.unaudited)
        for env, answer in zip(envs, audits, strict=True)
    )
