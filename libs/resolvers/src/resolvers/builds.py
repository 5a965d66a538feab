"""Wheels from sdists, commits and directories: built once per state of the source."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import tarfile
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO
from urllib.parse import urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envid.platforms import host_platform
from resolvers._build_logs import build_failed
from resolvers._diagnosis import unreachable
from resolvers._index import index_settings
from resolvers._story import Story
from resolvers._warnings import build_warnings
from resolvers._wheel_needs import compiled, needs, with_tags
from resolvers.content import CACHE_SIGN, content_digest, copy_sources
from resolvers.errors import BuildFailed, ResolveError
from resolvers.pythons import minor
from resolvers.request import Artifact
from resolvers.targets import Target, needed_glibc, own_glibc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from envid.packages import BuiltFrom
    from envid.spec import EnvSpec
    from pkgcache.web.login import Login
    from resolvers._uv import Uv
    from resolvers.pythons import Python
    from resolvers.request import ResolveContext

__all__ = ["ANY", "Builder", "checkout", "copy_tree", "source_key"]

ANY = "any"
"""The platform in the key of a wheel without compiled code."""


def source_key(source: BuiltFrom, python: str, platform: str) -> str:
    """The name of the wheel that a source becomes: 64 hex digits.

    Takes the state of the source (the digest of its content, or repository, commit and
    subdirectory), the minor version of `python` (`3.13t` if it is free-threaded), and a platform or
    `ANY`.
    """
    # A digest says what it is wherever it lies; a commit does so in its repository alone.
    state = source.sha256 or [source.url, source.commit]
    threads = "t" * python.endswith("t")
    series = f"{minor(python.rstrip('t'))}{threads}"
    parts = [source.kind, state, source.subdirectory, series, platform]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Builder:
    """Builds wheels with a certain Python, for all platforms of a resolve.

    What was built before, by this machine or by whoever fills `context.built_wheel`, is not built
    again. Build environments are isolated and see the sources and the cut-off date of the spec.
    `notes` are what uv warned of.
    """

    def __init__(self, uv: Uv, spec: EnvSpec, python: Python, context: ResolveContext) -> None:
        self._uv, self._spec, self._python, self._context = uv, spec, python, context
        self._root = context.cache_dir / "built"
        host = host_platform()
        self._host = Target.make(host, spec.for_platform(host).get("sys", ()))
        self._locks: dict[str, threading.Lock] = {}
        self.notes: list[str] = []

    def wheel(
        self, name: str, source: BuiltFrom, fetch: Callable[[Path], Path], why: str = ""
    ) -> Artifact:
        """The wheel of a source, built unless it is known, with the tags of what it needs.

        `name` stands for it in messages, and `why` says there why it must be built; `fetch` puts
        the source into an empty directory and returns where it is. Raises `BuildFailed`.
        """
        keys = [
            source_key(source, self._python.series, platform) for platform in (ANY, host_platform())
        ]
        self._root.mkdir(parents=True, exist_ok=True)
        # It may lie in the source, which is copied into it.
        (self._context.cache_dir / CACHE_SIGN).touch()
        # Only the build tells whether the wheel is pure, so that both keys share a lock.
        with self._alone(keys[0], name):
            known = self._known(keys)
            if known:
                return known
            work = self._root / f".{keys[0]}"
            # Left behind by a run that was killed.
            shutil.rmtree(work, ignore_errors=True)
            try:
                try:
                    built = self._build(name, source, fetch, work, why)
                except BuildFailed as error:
                    error.why = why
                    raise
                built = self._tagged(name, built)
                key = keys[0] if built.name.endswith("-none-any.whl") else keys[1]
                return self._keep(built, key)
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def _known(self, keys: list[str]) -> Artifact | None:
        for key in keys:
            for path in (*(self._root / key).glob("*.whl"), self._context.built_wheel(key)):
                if path and path.is_file() and self._runs_here(path):
                    return Artifact.of(path, source_key=key)
        return None

    def _runs_here(self, wheel: Path) -> bool:
        """Whether a wheel that was built somewhere runs where packages are chosen for, or here."""
        if "-linux_" in wheel.name:
            return not compiled(wheel)  # or nobody has looked what it needs
        floor, own = needed_glibc(wheel.name), own_glibc()
        return floor is None or own is None or floor <= max(own, self._host.floor)

    def _tagged(self, name: str, wheel: Path) -> Path:
        needed = needs(wheel, self._uv.processes) if self._host.is_linux else None
        if needed is None:
            return wheel
        if needed.libraries:
            libraries = ", ".join(f"`{library}`" for library in needed.libraries)
            self.notes.append(f"{name}: what was built here needs {libraries} of the system")
        return with_tags(wheel, needed, self._host.machine)

    @contextmanager
    def _alone(self, key: str, name: str) -> Iterator[None]:
        """Hold the lock on a source; waiting for another process is told, and can be ended."""
        # Threads of ours wait for each other here, of which there is nothing to tell.
        lock = self._locks.setdefault(key, threading.Lock())
        with lock, (self._root / f"{key}.lock").open("w") as file:
            if not _locked(file):
                self._context.progress.note(f"waiting for another process that builds {name}")
                while not _locked(file):
                    self._uv.processes.pause(0.05)
            yield

    def _build(
        self, name: str, source: BuiltFrom, fetch: Callable[[Path], Path], work: Path, why: str
    ) -> Path:
        try:
            python = self._python.to_build_with()
        except ResolveError as error:
            wanted = self._python.series
            raise BuildFailed(
                name,
                f"there is no Python {wanted} on this machine to build it with: {error}",
                hint=f"install Python {wanted}, or ask for versions that have wheels",
            ) from error
        self._context.progress.note(f"building a wheel of {name}{f': {why}' if why else ''}")
        (work / "source").mkdir(parents=True)
        tree = fetch(work / "source")
        if source.subdirectory:
            # uv builds what lies at the top of an archive.
            tree = _inside(_unpacked(tree, work), source.subdirectory, name)
        settings = index_settings(self._uv, self._spec, self._context.credentials)
        arguments: list[str | Path] = [
            "--out-dir",
            work / "out",
            "--python",
            python,
            "--no-sources",
        ]
        task = self._context.progress.start(f"building a wheel of {name}", None, "packages")
        try:
            done = self._uv.run(
                "uv build",
                ["build", "--wheel", tree, *arguments, *settings.arguments],
                # On macOS, backends write the deployment target into the tag.
                # What lies above the source is none of its repository.
                environment={**self._host.uv_environment, "GIT_CEILING_DIRECTORIES": str(work)},
                config=settings.config,
                directory=work,
            )
        finally:
            task.done()
        if done.returncode:
            story = Story.read(done.stderr)
            raise self._uv.named(
                unreachable(story, self._context.credentials)
                or build_failed(name, story, self._context.cache_dir)
            )
        self.notes += build_warnings(name, done.stderr)
        built = next((work / "out").glob("*.whl"))
        try:
            parse_wheel_filename(built.name)
        except InvalidWheelFilename:
            raise BuildFailed(name, f"`{built.name}` is not the name of a wheel") from None
        return built

    def _keep(self, built: Path, key: str) -> Artifact:
        with built.open("rb") as file:
            # Before it has its name: whatever wheel lies there is taken for built.
            os.fsync(file.fileno())
        target = self._root / key
        target.mkdir(exist_ok=True)
        return Artifact.of(built.replace(target / built.name), source_key=key)


def checkout(uv: Uv, source: BuiltFrom, login: Login | None, into: Path) -> Path:
    """Put a commit of a git repository into a directory; raises `BuildFailed`.

    The login goes to git in its variables: what it is told in a URL it writes down beside the
    source, where the build finds it.
    """
    git = shutil.which("git")
    if not git:
        raise BuildFailed(source.url, "git is not on PATH", hint="install git")
    tree = into / "repository"
    # All of the history without its files: some backends take the version from its tags.
    steps = (
        ("clone", "--quiet", "--filter=blob:none", "--no-checkout", "--", source.url, str(tree)),
        ("-C", str(tree), "checkout", "--quiet", "--detach", str(source.commit)),
        ("-C", str(tree), "submodule", "--quiet", "update", "--init", "--recursive"),
    )
    environment = {**uv.network, **(_told_git(source.url, login) if login else {})}
    for step in steps:
        done = uv.processes.run(f"git {step[0]}", (git, *step), environment=environment, git=True)
        if done.returncode:
            raise BuildFailed(source.url, _last_line(done.stderr), done.stderr)
    return tree


def _told_git(url: str, login: Login) -> dict[str, str]:
    """A login as configuration of git, after what the user has there; see git-config(1)."""
    number = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    account = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    parts = urlsplit(url)
    return {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
        f"GIT_CONFIG_VALUE_{number}": f"Authorization: Basic {account}",
    }


def copy_tree(tree: Path, digest: str, into: Path) -> Path:
    """Put a copy of a local directory into another, since builds write beside what they read.

    Its history comes along, as some backends take the version from there. Raises `BuildFailed`
    if the directory does not have the content digest.
    """
    target = into / tree.name
    copy_sources(tree, target)
    if content_digest(target) != digest:
        raise BuildFailed(
            tree.name, "the directory has changed since the request was read", hint="try again"
        )
    return target


def _unpacked(tree: Path, work: Path) -> Path:
    if tree.is_dir():
        return tree
    into = work / "unpacked"
    # Of a zip, names that lead out of the directory are passed over; a tar needs the filter.
    if tree.suffix == ".zip":
        shutil.unpack_archive(tree, into)
    elif not hasattr(tarfile, "data_filter"):  # before 3.10.12 and 3.11.4
        raise BuildFailed(
            tree.name,
            "this Python cannot unpack a hostile archive safely",
            hint="run mfenv with a newer patch release of Python",
        )
    else:
        shutil.unpack_archive(tree, into, filter="data")
    # An sdist has a single folder at its top.
    inner = list(into.iterdir())
    return inner[0] if len(inner) == 1 else into


def _inside(tree: Path, subdirectory: str, name: str) -> Path:
    """A directory of a source; raises `BuildFailed` for one that lies elsewhere on this machine."""
    inside = (tree / subdirectory).resolve()
    # A link in the source may lead out of it: what is built there is not what its hash names.
    if not inside.is_relative_to(tree.resolve()):
        raise BuildFailed(
            name,
            f"`{subdirectory}` leads out of its source",
            hint="name a directory of the source",
        )
    return inside


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
