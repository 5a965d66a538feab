"""A spec as uv's command line, environment and standard input say it, for one platform."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from packaging.utils import canonicalize_name

from resolvers.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envid.packages import Package
    from envid.spec import EnvSpec
    from resolvers.pythons import Python
    from resolvers.request import ResolveContext
    from resolvers.targets import Target

__all__ = ["PUBLIC_INDEX", "Question", "index_arguments", "local_digest", "split_hashes"]

PUBLIC_INDEX = "pypi"
"""The name under which a spec's sources hold the public index: uv's default one."""

_LOCAL = re.compile(
    r"(?:(?P<name>\S+?) @ )?file:(?P<path>[^#\s]*)(?:#sha256=(?P<digest>[0-9a-f]{64}))?(?P<rest>.*)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What uv is asked. `wheels` maps the digest of each local source to the wheel it became."""

    spec: EnvSpec
    target: Target
    python: Python
    context: ResolveContext
    wheels: Mapping[str, Path]
    only_binary: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """The requirements as the spec has them, hashes and local files included."""
        return self.spec.for_platform(self.target.platform).get("pypi", ())

    @property
    def hashes(self) -> dict[str, tuple[str, ...]]:
        """The hashes that were given, by package."""
        found: dict[str, tuple[str, ...]] = {}
        for text in (*self.requirements, *self.spec.constraints):
            plain, hashes = split_hashes(text)
            name = re.match(r"[\w.-]*\w", plain)
            if hashes and name:
                found[canonicalize_name(name[0])] = hashes
        return found

    def preferring_wheels(self, names: Iterable[str], pins: Iterable[str] = ()) -> Question:
        """The same question, without building `names` and with further packages pinned."""
        return replace(self, only_binary=tuple(sorted(names)), pins=tuple(pins))

    def arguments(self, constraints: Path) -> list[str | Path]:
        """The arguments after `uv pip compile`; writes the constraints to a file."""
        options = self.spec.options
        held = self.context.held.get(self.target.platform, ())
        constraints.write_text(
            "\n".join(
                [
                    *(self._line(text) for text in self.spec.constraints),
                    *(_held_version(one) for one in held),
                    *self.pins,
                ]
            )
        )
        arguments: list[str | Path] = [
            *("-", "--no-header", "--no-sources", "--constraints", constraints),
            *("--python", self.python.path, "--python-platform", self.target.uv_platform),
            *("--index-strategy", options.index_strategy),
        ]
        if options.prereleases:
            arguments += ["--prerelease", "allow"]
        if options.exclude_newer:
            arguments += ["--exclude-newer", options.exclude_newer]
        for name in options.no_binary:
            arguments += ["--no-binary", name]
        for name in (*options.only_binary, *self.only_binary):
            arguments += ["--only-binary", name]
        return arguments

    def text(self) -> str:
        """The standard input: what may hold a credential is in no argument and no file."""
        return "\n".join(
            [
                *(
                    f"--find-links {_with_credentials(one.url, self.context.credentials)}"
                    for one in self.spec.sources
                    if one.kind == "find-links"
                ),
                *(self._line(text) for text in self.requirements),
                "",
            ]
        )

    def _line(self, text: str) -> str:
        plain, _ = split_hashes(text)
        local = _LOCAL.fullmatch(plain)
        if not local:
            name, at, url = plain.partition(" @ ")
            if at:
                return f"{name} @ {_with_credentials(url, self.context.credentials)}"
            return _with_credentials(plain, self.context.credentials) if "://" in plain else plain
        wheel = self.wheels[local_digest(plain) or ""]
        _, bracket, extras = (local["name"] or "").partition("[")
        name = f"{wheel.name.split('-', 1)[0]}{bracket}{extras}"
        return f"{name} @ {wheel.as_uri()}{local['rest']}"


def split_hashes(text: str) -> tuple[str, tuple[str, ...]]:
    """A requirement without its `--hash` items, and these as `sha256:hex`."""
    plain, *hashes = text.split(" --hash=")
    return plain, tuple(hashes)


def local_digest(text: str) -> str | None:
    """The content digest of a requirement that is a local file or directory.

    Raises `InvalidRequest` if it has none, since a path alone does not say what is there.
    """
    local = _LOCAL.fullmatch(split_hashes(text)[0])
    if local and not local["digest"]:
        raise InvalidRequest(
            f"`{text}` does not say what the path holds", "end it with `#sha256=` and a digest"
        )
    return local["digest"] if local else None


def index_arguments(
    sources: Sequence[tuple[str, str]],
    credentials: Mapping[str, tuple[str, str]],
    public_index: str | None,
) -> tuple[list[str], dict[str, str]]:
    """The index options of uv in the order of the sources, and the environment with credentials.

    `public_index` is its URL if it stands before others: by default uv asks it last.
    """
    indexes = [url for kind, url in sources if kind == "index"]
    if not indexes:
        return ["--no-index"], {}
    arguments, environment = [], {}
    for number, url in enumerate(indexes):
        last = number == len(indexes) - 1
        if url == PUBLIC_INDEX and last:
            break
        # uv looks up the credentials of an index in the environment, by its name.
        option = "--default-index" if last else "--index"
        arguments += [option, f"n{number}={public_index if url == PUBLIC_INDEX else url}"]
        found = _credentials(url, credentials)
        if found:
            environment[f"UV_INDEX_N{number}_USERNAME"] = found[0]
            environment[f"UV_INDEX_N{number}_PASSWORD"] = found[1]
    return arguments, environment


def _credentials(url: str, credentials: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    parts = urlsplit(url)
    return credentials.get(url) or credentials.get(f"{parts.scheme}://{parts.netloc}")


def _with_credentials(url: str, credentials: Mapping[str, tuple[str, str]]) -> str:
    found = _credentials(url.partition(" ")[0], credentials)
    if not found:
        return url
    parts = urlsplit(url)
    account = f"{quote(found[0], safe='')}:{quote(found[1], safe='')}"
    return urlunsplit(parts._replace(netloc=f"{account}@{parts.netloc}"))


def _held_version(package: Package) -> str:
    return f"{package.name}=={package.version}" if package.kind == "pypi" else ""
