"""All checks, and running them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from mfenv.diagnosing.configured import check_settings
from mfenv.diagnosing.disk import check_disk, check_files
from mfenv.diagnosing.engines import check_engines
from mfenv.diagnosing.findings import failure, skipped
from mfenv.diagnosing.installed import check_metaflow, check_versions
from mfenv.diagnosing.kept import check_prefixes, check_registry
from mfenv.diagnosing.network import (
    check_certificates,
    check_clock,
    check_proxy,
    check_servers,
)
from mfenv.diagnosing.pythons import check_pythons
from mfenv.diagnosing.shared import check_credentials, check_store
from mfenv.diagnosing.together import together
from mfenv.wording import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mfenv.diagnosing.findings import Finding
    from mfenv.diagnosing.subject import Subject

__all__ = ["CHECKS", "Check", "diagnose"]


class Check(NamedTuple):
    """A check by its name; it is passed over where what it `needs` of the subject cannot be had."""

    name: str
    run: Callable[[Subject], Iterable[Finding]]
    needs: tuple[str, ...] = ()


CHECKS = (
    Check("versions", check_versions),
    Check("metaflow", check_metaflow),
    Check("settings", check_settings),
    Check("disk", check_disk, ("settings",)),
    Check("files", check_files, ("settings", "site")),
    Check("registry", check_registry, ("settings", "site")),
    Check("environments", check_prefixes, ("settings", "site")),
    Check("pythons", check_pythons, ("settings", "site")),
    Check("engines", check_engines, ("settings", "site")),
    Check("certificates", check_certificates),
    Check("proxy", check_proxy, ("settings", "site")),
    Check("servers", check_servers, ("settings", "site")),
    Check("clock", check_clock, ("settings", "site")),
    Check("credentials", check_credentials, ("settings", "site")),
    Check("store", check_store, ("settings",)),
)
# What a part of the subject is called, and the check that says why it cannot be had.
_NEEDS = {"settings": ("the settings", "settings"), "site": ("the home", "disk")}


def diagnose(
    subject: Subject, done: Callable[[], object] = lambda: None
) -> list[tuple[str, Finding]]:
    """What all checks find, by the names of these and in their order; none raises anything.

    `done` is called after each. Takes `subject.timeout` seconds at most, whoever does not answer.
    """
    jobs = [partial(_run, check, subject) for check in CHECKS]
    results = together(jobs, subject.timeout, done)
    hint = f"`mfenv doctor --timeout {8 * subject.timeout:.0f}` waits longer"
    late = [failure(f"not done within {subject.timeout:g} seconds", hint)]
    return [
        (check.name, finding)
        for check, findings in zip(CHECKS, results, strict=True)
        for finding in (late if findings is None else findings)
    ]


def _run(check: Check, subject: Subject) -> list[Finding]:
    findings: list[Finding] = []
    for need in check.needs:
        try:
            getattr(subject, need)
        except Exception:  # noqa: BLE001 - said by the check of it
            what, other = _NEEDS[need]
            return [skipped(f"{what} cannot be had: see `{other}`")]
    try:
        findings.extend(check.run(subject))
    # Whatever is broken: it is what this is for.
    except Exception as error:  # noqa: BLE001
        findings.append(failure(*words(error)))
    return findings
