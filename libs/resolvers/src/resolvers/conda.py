"""Choosing conda packages, through py-rattler in a worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolvers._conda_solve import solve_conda
from resolvers._npconda import check_npconda, python_path
from resolvers._python_choice import conda_answers
from resolvers.channels import CHANNEL_ALIAS
from resolvers.errors import UnsupportedRequest
from resolvers.request import Resolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.spec import EnvSpec
    from pkgcache.worker import Worker
    from resolvers._conda_solve import Solved
    from resolvers.request import ResolveContext

__all__ = ["CondaResolver", "python_path"]


class CondaResolver:
    """Resolves specs of type `conda-only`: Python and conda packages.

    All platforms are solved at once in the worker, which reads the repodata of a channel once for
    all calls. `channel_alias` is where a channel is that the spec names without a URL. Where a
    build exists in both formats, `package_format` (`.conda` or `.tar.bz2`) is taken.

    Virtual packages are those of the spec's `sys` requirements and the defaults of the platform,
    never those of this machine. `npconda` packages must not need Python. Held packages keep their build, preferred ones if they can.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        channel_alias: str = CHANNEL_ALIAS,
        package_format: str = ".conda",
    ) -> None:
        self._worker, self._alias, self._format = worker, channel_alias, package_format

    def resolve(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Resolution]:
        """Choose exact packages for each platform; raises `ResolveError`."""
        if not platforms:
            raise UnsupportedRequest("no platform is asked for")
        if spec.env_type != "conda-only":
            raise UnsupportedRequest(
                f"this resolver knows only conda packages, and the spec is {spec.env_type}"
            )

        def solve(spec: EnvSpec) -> dict[str, Solved]:
            return solve_conda(
                self._worker,
                spec,
                platforms,
                context,
                alias=self._alias,
                package_format=self._format,
            )

        # No wheels here could make an older Python the better choice, so the first answer is it.
        answer = next(conda_answers(spec, solve, context))
        for platform, solved in answer.items():
            check_npconda(spec, platform, solved.packages, context)
        return {
            platform: Resolution(python=solved.python, packages=solved.packages, notes=solved.notes)
            for platform, solved in answer.items()
        }
