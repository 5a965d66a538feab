"""Environments as files of other tools, with the licences that this machine knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mfenv.exporting.formats import LICENSED, export
from mfenv.licences import licences_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.resolved import ResolvedEnv
    from mfenv.exporting.exported import Exported
    from mfenv.site import Site

__all__ = ["exported"]


def exported(
    site: Site, envs: Sequence[ResolvedEnv], form: str, *, asked: bool, every: bool
) -> Exported:
    """See `Environments.export`; those of `every` platform are meant, and absent ones noted."""
    packages = {p for env in envs for p in env.packages} if form in LICENSED else ()
    licences = licences_of(packages, site.cache) if packages else {}
    file = export(envs, form, asked=asked, licences=licences)
    absent = sorted(set(envs[0].co_resolved) - {env.platform for env in envs})
    if not every or not absent:
        return file
    note = f"resolved together with it, and neither known here nor exported: {', '.join(absent)}"
    return replace(file, notes=(*file.notes, note))
