"""The last look at what was chosen, by what its packages say of themselves, before it is given."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from pkgcache.archives.conda_listing import read_file
from pkgcache.archives.namespaces import has_code
from pkgcache.errors import PkgcacheError
from pkgcache.web.download import Downloader
from resolvers._clashes import Owner, find_clashes
from resolvers._kept import Kept
from resolvers._wheel_listings import WheelListings
from resolvers.checking import check
from resolvers.errors import PackagesClash, RequirementsUnmet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from envid.packages import Package
    from envid.spec import EnvSpec
    from resolvers._contents import Contents
    from resolvers._wheel_listings import WheelFacts
    from resolvers.checking import Checked, Provided
    from resolvers.request import Resolution, ResolveContext

__all__ = ["Verdict"]

_SCHEMA = 1
_NOWHERE: Mapping[str, Provided] = {}


class Verdict:
    """What there is to say of what was found for each platform.

    `provided` is what conda packages bring there, by PyPI name, `overridden` the names of what is
    meant to be otherwise than it is required, with a `*` for any, `extras` those that are asked of
    packages beside what the spec says, by name, `facts` what is known of wheels, by sha256.
    """

    def __init__(
        self,
        spec: EnvSpec,
        resolutions: Mapping[str, Resolution],
        context: ResolveContext,
        provided: Mapping[str, Mapping[str, Provided]] | None = None,
        *,
        overridden: Mapping[str, Collection[str]] | None = None,
        extras: Mapping[str, Mapping[str, Collection[str]]] | None = None,
        facts: Mapping[str, WheelFacts] | None = None,
    ) -> None:
        """Look into the wheels; raises `IndexUnreachable`."""
        self._resolutions, self._context = resolutions, context
        self._modules = Kept(context.cache_dir / "modules", _SCHEMA)
        self._wheels = WheelListings(resolutions.values(), context)
        self._facts = self._wheels.facts(
            (
                package
                for each in resolutions.values()
                for package in each.packages
                if package.kind == "pypi"
            ),
            known=facts,
        )
        self.checked = {
            platform: self._check(
                spec,
                platform,
                (provided or {}).get(platform, _NOWHERE),
                (overridden or {}).get(platform, ()),
                (extras or {}).get(platform, {}),
            )
            for platform in resolutions
        }

    def given(
        self, contents: Mapping[str, Sequence[Contents]] | None = None
    ) -> dict[str, Resolution]:
        """The resolutions with what is to be noted; `contents` are those of conda's packages.

        Raises `RequirementsUnmet` where a requirement is not met, and `PackagesClash` where two
        packages bring the same module, unless the context allows that.
        """
        given = {}
        for platform, resolution in self._resolutions.items():
            checked = self.checked[platform]
            if checked.problems:
                raise RequirementsUnmet(platform, checked.problems)
            owners = list(self._owners(resolution, (contents or {}).get(platform, ())))
            # The usual disk of a Mac folds case.
            clashes = list(find_clashes(owners, fold=platform.startswith("osx-")))
            refused = tuple(clash.what for clash in clashes if not clash.harmless)
            if refused and not self._context.clobber:
                raise PackagesClash(platform, refused)
            notes = (*resolution.notes, *checked.notes, *map(str, clashes))
            given[platform] = replace(resolution, notes=notes)
        return given

    def _check(
        self,
        spec: EnvSpec,
        platform: str,
        provided: Mapping[str, Provided],
        overridden: Collection[str],
        extras: Mapping[str, Collection[str]],
    ) -> Checked:
        resolution = self._resolutions[platform]
        return check(
            spec,
            platform,
            resolution,
            metadata={
                package.name: facts.metadata
                for package in resolution.packages
                if package.kind == "pypi"
                and (facts := self._facts.get(package.hashes.sha256 or ""))
            },
            conda=provided,
            origins=self._context.origins,
            overridden=overridden,
            extras=extras,
        )

    def _owners(self, resolution: Resolution, contents: Sequence[Contents]) -> Iterator[Owner]:
        # Conda's first, in the order in which packages are laid out.
        for content in contents:
            # None of what could not be looked into: nobody can say that it clashes.
            if content.files is not None:
                yield self._conda(content, content.files)
        for package in resolution.packages:
            facts = self._facts.get(package.hashes.sha256 or "")
            if package.kind == "pypi" and facts:
                yield self._wheel(package, facts)

    def _wheel(self, package: Package, facts: WheelFacts) -> Owner:
        @cache
        def files() -> dict[str, tuple[str, str]]:
            return self._wheels.files(package)

        def code(path: str) -> bool:
            source, digest = files()[path]
            return self._has_code(_hex(digest), lambda: self._wheels.file(package, source))

        return Owner(
            label=f"`{package.name}` {package.version}",
            conda=False,
            tops=facts.tops,
            files=cache(lambda: {path: _hex(digest) for path, (_, digest) in files().items()}),
            has_code=code,
        )

    def _conda(self, contents: Contents, files: Mapping[str, tuple[str, str]]) -> Owner:
        package = contents.package

        def read(source: str) -> bytes:
            with Downloader(
                self._context.credentials, patience=self._context.telling_patience
            ) as downloader:
                return read_file(package, source, downloader)

        def code(path: str) -> bool:
            source, digest = files[path]
            return self._has_code(digest, lambda: read(source))

        return Owner(
            label=f"conda's `{package.name}` {package.version}",
            conda=True,
            tops=frozenset(path.partition("/")[0] for path in files),
            files=lambda: {path: digest for path, (_, digest) in files.items()},
            has_code=code,
        )

    def _has_code(self, digest: str, read: Callable[[], bytes]) -> bool:
        """Whether the module of that sha256 has code; it is read once."""
        known = (
            self._modules.load(digest, lambda content: bool(content["code"])) if digest else None
        )
        if known is not None:
            return known
        try:
            known = has_code(read())
        except PkgcacheError:  # offline, or gone: then nobody can say that it has none
            return True
        if digest:
            self._modules.keep(digest, {"code": known})
        return known


def _hex(digest: str) -> str:
    """The sha256 in hex of what RECORD gives; other hashes stay as they are."""
    kind, _, text = digest.partition("=")
    # 32 bytes are 43 characters and the one of padding, which RECORD leaves out.
    return urlsafe_b64decode(f"{text}=").hex() if kind == "sha256" else digest
