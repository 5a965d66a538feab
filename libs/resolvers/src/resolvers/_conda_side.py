"""What conda has brought for one platform, as the PyPI side of a solve sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from resolvers._contents import check_doubts, notes, providers
from resolvers._extras import offered
from resolvers._markers import Markers
from resolvers._mixed_diagnosis import explain, named
from resolvers._question import plain_requirement
from resolvers._stubs import Stub, Stubs
from resolvers._unheeded import unheeded
from resolvers.checking import Provided
from resolvers.conda_python import is_free_threaded
from resolvers.errors import NoExtra, NoSolution
from resolvers.metadata import read_requirement
from resolvers.request import Resolution
from resolvers.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envid.spec import EnvSpec
    from resolvers._conda_solve import Solved
    from resolvers._contents import Contents
    from resolvers._extras import ExtraMetadata
    from resolvers.metadata import Metadata
    from resolvers.request import ResolveContext

__all__ = ["CondaSide"]


@dataclass
class CondaSide:
    """The distributions of conda's packages, and what was learned of the extras of some."""

    spec: EnvSpec
    platform: str
    solved: Solved
    contents: Sequence[Contents]
    known: dict[str, Metadata] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name = providers(self.contents)
        self.markers = Markers(self.platform, self.solved.python)

    @property
    def provided(self) -> dict[str, Provided]:
        """The distributions by PyPI name."""
        return {
            name: Provided(
                name=name,
                version=contents.distributions[name],
                package=contents.package.name,
                metadata=self.known.get(name),
            )
            for name, contents in self._by_name.items()
        }

    def learn_requested(self, context: ResolveContext, metadata: ExtraMetadata) -> None:
        """Look up the extras that the spec asks for itself; raises `UnsupportedRequest`."""
        asked: dict[str, dict[str, str]] = {}
        for text in self.spec.for_platform(self.platform).get("pypi", ()):
            plain = plain_requirement(text)
            requirement = read_requirement(plain)
            if requirement is None or not self.markers.hold(requirement):
                continue
            name: str = canonicalize_name(requirement.name)
            if name in self._by_name:
                origin = context.origins.get(text)
                asked_by = f"`{plain}`" + (f" ({origin})" if origin else "")
                for extra in requirement.extras:
                    asked.setdefault(name, {})[canonicalize_name(extra)] = asked_by
        self.learn(asked, metadata)
        for name, extras in asked.items():
            if unknown := sorted(extras.keys() - self.known[name].extras):
                version = self._by_name[name].distributions[name]
                raise NoExtra(
                    self.platform,
                    name,
                    f"`{name}` {version} has no extra `{unknown[0]}`",
                    f"it has {', '.join(sorted(self.known[name].extras)) or 'none'}",
                )

    def check_constraints(self, context: ResolveContext) -> None:
        """Raise `NoSolution` for a constraint that a distribution does not meet.

        uv heeds those alone that are about what it needs.
        """
        for text in self.spec.constraints:
            requirement = read_requirement(plain_requirement(text))
            if requirement is None or requirement.url or not self.markers.hold(requirement):
                continue
            contents = self._by_name.get(canonicalize_name(requirement.name))
            if contents is None:
                continue
            version = contents.distributions[canonicalize_name(requirement.name)]
            # Whether a pre-release may be chosen is no question here: conda has chosen it.
            if not requirement.specifier.contains(version, prereleases=True):
                raise NoSolution(
                    self.platform,
                    f"`{text}` is a constraint, and conda's {requirement.name} is {version}",
                    ((text, context.origins.get(text)),),
                    f"ask conda for another version of `{contents.package.name}`",
                )

    def learn(self, asked: Mapping[str, Mapping[str, str]], metadata: ExtraMetadata) -> bool:
        """Look up the extras that are `asked` of distributions; whether there are any.

        Raises `UnsupportedRequest` where nothing is to be had that says what they are.
        """
        # Wheels of the same version may say different things; the one that would be taken counts.
        sys = self.spec.for_platform(self.platform).get("sys", ())
        threads = "t" * is_free_threaded(self.solved.packages)
        ranks = Target.make(self.platform, sys).ranks(f"{self.solved.python}{threads}")
        for name, extras in asked.items():
            self.known[name] = metadata.read(self._by_name[name], name, extras, ranks)
        return bool(asked)

    @property
    def versions(self) -> dict[str, str]:
        """The versions of conda's packages by name."""
        return {package.name: package.version for package in self.solved.packages}

    def provider(self, name: str) -> Contents:
        """The package that brings a distribution."""
        return self._by_name[name]

    @property
    def by_name(self) -> dict[str, Stub]:
        """The distributions as wheels for uv, with all extras of those that are known."""
        return {
            name: Stub(
                name=name,
                own_version=contents.distributions[name],
                package=contents.package,
                # Offered whether asked for or not: a wheel that uv tries may ask for any of them.
                extras=offered(self.known[name], self.markers) if name in self.known else {},
            )
            for name, contents in self._by_name.items()
        }

    def stubs(self, context: ResolveContext) -> Stubs:
        """The distributions as files."""
        return Stubs.write(self.by_name.values(), context.cache_dir / "stubs")

    def beside(self, wheels: Resolution, context: ResolveContext) -> Resolution:
        """Conda's packages and these wheels together; raises `UnknownContents`."""
        # Whether a package holds some distribution matters only where a wheel of it was chosen.
        check_doubts(self.contents, {wheel.name for wheel in wheels.packages})
        packages = {name: contents.package for name, contents in self._by_name.items()}
        passed_over = unheeded(self.spec, self.platform, packages, context)
        return Resolution(
            python=self.solved.python,
            packages=(*self.solved.packages, *wheels.packages),
            artifacts=wheels.artifacts,
            notes=(*self.solved.notes, *notes(self.contents), *passed_over, *wheels.notes),
        )

    def explained(self, error: NoSolution, stubs: Stubs, context: ResolveContext) -> NoSolution:
        """The error with what conda has to do with it; raises `UnknownContents`."""
        check_doubts(self.contents, named(error))
        return explain(error, stubs, self.solved, self.spec, context)
