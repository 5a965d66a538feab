"""From what uv chose to packages: the right file of each, built where there is no wheel."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.utils import parse_wheel_filename

from envid.packages import BuiltFrom, Hashes, Package
from envid.platforms import host_platform
from pkgcache.errors import DownloadError, HashMismatch
from pkgcache.web.credentials import split_userinfo
from pkgcache.web.download import Downloader
from resolvers._lock import File, best_wheel
from resolvers._question import LocalWheel, named_package
from resolvers._reasons import floor_hint, is_bound, why_built
from resolvers._references import misnamed
from resolvers.builds import Builder, checkout, copy_tree
from resolvers.errors import (
    BuildFailed,
    IndexUnreachable,
    NeedsPlatform,
    NoMatchingFile,
    UnsupportedRequest,
)
from resolvers.request import Artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envid.spec import EnvSpec
    from resolvers._lock import UvPackage, Vcs
    from resolvers._question import LocalSource, UvQuestion
    from resolvers._uv import Uv
    from resolvers.pythons import Python
    from resolvers.request import ResolveContext

__all__ = ["Files"]

_SDISTS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")

Choice = tuple[File, Artifact | None, BuiltFrom | None]
"""A file, where it is if its URL does not give it, and what it was built from."""


class Files:
    """The files of the packages of a spec, for all platforms; `notes` are what there is to say."""

    def __init__(self, uv: Uv, spec: EnvSpec, python: Python, context: ResolveContext) -> None:
        self._uv, self._context = uv, context
        self._builder = Builder(uv, spec, python, context)
        self._downloader = Downloader(context.credentials, patience=context.telling_patience)
        self._stop = threading.Event()
        self.notes = self._builder.notes

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        self._downloader.close()

    def stop(self) -> None:
        """Call off all downloads."""
        self._stop.set()

    def local_wheel(self, text: str, source: LocalSource) -> LocalWheel:
        """The wheel of a local file or directory that the spec asks for."""
        path = self._context.local_paths.get(source.digest)
        name = unquote(source.url.partition("#")[0].rpartition("/")[2].removeprefix("file:"))
        if path is not None and path.is_file():
            artifact = Artifact.of(path)
            # It may be another file than when the request was read.
            if artifact.sha256 != source.digest:
                asked_by = self._context.origins.get(text)
                raise NoMatchingFile(
                    name, (f"sha256:{source.digest}",), (f"sha256:{artifact.sha256}",), asked_by
                )
            if path.suffix == ".whl":
                return LocalWheel(artifact=artifact, url=source.url)

        def fetch(into: Path) -> Path:
            if path is None or not path.exists():
                raise UnsupportedRequest(
                    f"`{text}` is not on this machine", "resolve where the file or directory is"
                )
            return copy_tree(path, source.digest, into) if path.is_dir() else path

        kind = "sdist" if name.endswith(_SDISTS) else "directory"
        origin = BuiltFrom(kind=kind, url=source.url, sha256=source.digest)
        built = self._builder.wheel(name, origin, fetch)
        self._check_name(text, built)
        return LocalWheel(artifact=built, url=source.url, origin=origin)

    def _check_name(self, text: str, wheel: Artifact) -> None:
        """Of what has a name before its path, what was built has to be that."""
        own = parse_wheel_filename(wheel.filename)[0]
        if " @ " in text and named_package(text) != own:
            raise misnamed(text, own, self._context.origins.get(text))

    def is_at_hand(self, locked: UvPackage, question: UvQuestion) -> bool:
        """Whether `package` needs neither a server nor a build for it."""
        wheel = None if locked.path else question.wheel(locked)
        return bool((wheel and wheel.sha256) or question.held_as(locked))

    def package(
        self, locked: UvPackage, question: UvQuestion, depends: Iterable[str], source: str | None
    ) -> tuple[Package, Artifact | None]:
        """The package and, where its URL does not give it, its file.

        Raises `NeedsPlatform` if the target has no wheel and what is built here does not fit it.
        """
        # Whatever the index has by now: what stays is the very file that the environment had.
        held = question.held_as(locked)
        if held:
            return held, None
        file, artifact, origin = self._choose(locked, question)
        self._check_fits(locked, file, question, built=origin is not None)
        package = Package.make(
            kind="pypi",
            name=locked.name,
            version=locked.version or str(parse_wheel_filename(file.filename)[1]),
            filename=file.filename,
            url=file.url,
            sha256=file.sha256,
            size=file.size,
            depends=depends,
            source=source,
            built_from=origin,
        )
        return package, artifact

    def _check_fits(
        self, locked: UvPackage, file: File, question: UvQuestion, *, built: bool
    ) -> None:
        """What was built here may need more than the floor: it runs here, and not everywhere."""
        if best_wheel([file], question.ranks):
            return
        target = question.target
        here = built and target.platform == host_platform()
        if not here or not best_wheel([file], target.highest.ranks(question.python.series)):
            why = why_built(locked, question) if built else f"`{file.filename}` does not run there"
            raise _needs_platform(locked, question, why)
        self.notes.append(
            f"{locked.name}: `{file.filename}` was built here, and needs more than"
            f" {target.platform} is taken to have ({target.spoken_floor}): it does not run everywhere"
        )

    def _choose(self, locked: UvPackage, question: UvQuestion) -> Choice:
        for local in question.wheels.values():
            if locked.path == local.artifact.path:
                return _as_file(local.artifact, local.url), local.artifact, local.origin
        if locked.vcs:
            return self._from_commit(locked, locked.vcs, question)
        # A commit is checked by git, a local source by the digest in the spec, all else by hashes.
        self._check_hashes(locked, question)
        wheel = question.wheel(locked)
        if wheel:
            artifact = None if wheel.sha256 else self._fetch(wheel)
            return _as_file(artifact, wheel.url) if artifact else wheel, artifact, None
        # For another machine a pure wheel may be built here, and nothing else.
        elsewhere = question.target.platform != host_platform()
        if locked.sdist is None or (elsewhere and not locked.direct and is_bound(locked, question)):
            raise _needs_platform(locked, question, why_built(locked, question))
        return self._from_sdist(locked, locked.sdist, question)

    def _from_commit(self, locked: UvPackage, vcs: Vcs, question: UvQuestion) -> Choice:
        # The URL becomes part of the package, and its login must not; in ssh's it is a name alone.
        place, login = vcs.url, None
        if place.startswith(("http:", "https:")):
            place, login = split_userinfo(place)
        origin = BuiltFrom(kind="vcs", url=place, commit=vcs.commit, subdirectory=vcs.subdirectory)
        url = f"git+{place}@{vcs.commit}"
        fetch = partial(checkout, self._uv, origin, login)
        return self._built(locked, url, origin, question, fetch)

    def _from_sdist(self, locked: UvPackage, sdist: File, question: UvQuestion) -> Choice:
        # The hash is what names the state of the source, so it must be known beforehand.
        sha256 = sdist.sha256 or self._fetch(sdist).sha256
        origin = BuiltFrom(
            kind="sdist", url=sdist.url, sha256=sha256, subdirectory=locked.subdirectory
        )
        fetch = partial(self._download, sdist)
        return self._built(locked, sdist.url, origin, question, fetch)

    def _built(
        self,
        locked: UvPackage,
        url: str,
        origin: BuiltFrom,
        question: UvQuestion,
        fetch: Callable[[Path], Path],
    ) -> Choice:
        why = why_built(locked, question)
        try:
            artifact = self._builder.wheel(locked.name, origin, fetch, why)
        except BuildFailed as error:
            error.version = locked.version or ""
            # It may well be built where it belongs.
            if question.target.platform != host_platform():
                raise _needs_platform(locked, question, why) from error
            if floor := _hiding_floor(locked, question):
                error.hint = f"{floor}; {error.hint}" if error.hint else floor
            raise
        return _as_file(artifact, url), artifact, origin

    def _check_hashes(self, locked: UvPackage, question: UvQuestion) -> None:
        expected = question.hashes.get(locked.name, ())
        missing = question.spec.options.require_hashes and not expected
        if missing or not question.allowed(locked.name, locked.files):
            actual = tuple(digest for file in locked.files for digest in file.digests)
            name = f"{locked.name}=={locked.version}" if locked.version else locked.name
            raise NoMatchingFile(name, expected, actual, question.origin(locked.name, " --hash="))

    def _fetch(self, file: File) -> Artifact:
        """Download a file whose sha256 the index does not say, and keep it for who installs it."""
        folder = self._context.cache_dir / "files"
        folder.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that the rename stays within a file system.
        with tempfile.TemporaryDirectory(dir=folder) as work:
            artifact = Artifact.of(self._download(file, Path(work)))
            target = folder / artifact.sha256
            target.mkdir(exist_ok=True)
            return replace(artifact, path=artifact.path.replace(target / artifact.filename))

    def _download(self, file: File, into: Path) -> Path:
        if self._context.offline:
            raise IndexUnreachable(file.url, "the network is not to be used")
        target = into / file.filename
        try:
            self._downloader.download(
                file.url,
                target,
                hashes=Hashes(sha256=file.sha256, md5=file.hashes.get("md5")),
                size=file.size,
                stop=self._stop,
            )
        except DownloadError as error:
            raise IndexUnreachable(error.url, error.reason, error.status, error.hint) from error
        except HashMismatch as error:
            raise NoMatchingFile(
                error.filename, (error.expected,), (error.actual,), None
            ) from error
        return target


def _as_file(artifact: Artifact, url: str) -> File:
    return File(
        filename=artifact.filename,
        url=url,
        size=artifact.size,
        hashes={"sha256": artifact.sha256},
    )


def _needs_platform(locked: UvPackage, question: UvQuestion, why: str) -> NeedsPlatform:
    floor = _hiding_floor(locked, question)
    return NeedsPlatform(
        question.target.platform, (locked.name,), (why,), (floor,) if floor else ()
    )


def _hiding_floor(locked: UvPackage, question: UvQuestion) -> str | None:
    """What would let in the wheels of a chosen version, where only the floor keeps them out."""
    if locked.vcs or locked.direct or locked.version is None or question.must_build(locked.name):
        return None
    return floor_hint(locked.name, locked.version, question)
