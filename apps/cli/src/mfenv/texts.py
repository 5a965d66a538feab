"""The requirements of a request as texts of a spec, and where each of them was stated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from envid.errors import InvalidRequirement
from envid.requirements import normalize
from mfenv.errors import InvalidRequest
from mfenv.places import Stated
from mfenv.unused import check_in_channel, check_used

if TYPE_CHECKING:
    from pkgcache.web.credentials import Credentials
    from reqparse import Requirement

__all__ = ["Texts"]


class Texts:
    """Requirements as a spec holds them, gathering what must stay beside the spec.

    `origins` and `paths` are as `Prepared` has them, `places` is what `placed_on` takes.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.paths: dict[str, Path] = {}
        self.origins: dict[str, str] = {}
        self.places: list[Stated] = []

    def of(self, requirement: Requirement, what: str) -> str:
        """The text of a requirement; `what` it is in a spec: a category, or `constraints`."""
        check_used(requirement)
        text = requirement.text
        if requirement.path and requirement.category == "pypi":
            text = self._local(requirement, Path(requirement.path))
        elif requirement.path:
            check_in_channel(requirement, Path(requirement.path))
        # Before its text becomes part of the spec, which has none of it.
        if requirement.secret_url:
            self._credentials.add(requirement.secret_url)
        if requirement.category == "pypi":  # a MatchSpec holds its own
            text = " ".join([text, *(f"--hash={value}" for value in requirement.hashes)])
        return self.placed(what, text, str(requirement.origin), requirement.platforms)

    def placed(self, what: str, text: str, place: str, platforms: tuple[str, ...] | None) -> str:
        """A text, after remembering who asks for it; raises `InvalidRequest` naming the place."""
        try:
            normal = normalize("pypi" if what == "constraints" else what, text)
        except InvalidRequirement as error:
            raise InvalidRequest(f"{place}: {error}", error.hint) from None
        # The first who asks for it is who is named.
        self.origins.setdefault(normal, place)
        self.places.append(Stated(what, normal, place, platforms))
        return text

    def _local(self, requirement: Requirement, path: Path) -> str:
        from resolvers.content import content_digest

        if not path.exists():
            raise InvalidRequest(
                f"{requirement.origin}: there is no file or directory `{path}`",
                "a relative path starts where its file lies, or else in the current directory",
            )
        digest = content_digest(path)
        self.paths[digest] = path
        # By content, not by place: the same file on another machine is the same request.
        url = f"file:{quote(path.name)}#sha256={digest}"
        extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
        named = f"{requirement.name}{extras} @ {url}" if requirement.name else f"{url}{extras}"
        return named + (f" ; {requirement.marker}" if requirement.marker else "")
