"""What the extras of a package ask for, from the metadata of the wheel of the same version.

Conda does not know extras: who asks for `requests[socks]` where conda brings `requests` still
wants what `socks` needs.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pkgcache.download import Downloader
from pkgcache.errors import PkgcacheError
from resolvers._index import index_settings
from resolvers._lock import read_lock
from resolvers._uv import Uv
from resolvers.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid.spec import EnvSpec
    from resolvers._stubs import Stub
    from resolvers.request import ResolveContext

__all__ = ["extra_requirements"]

_COMPILE = ("pip", "compile", "-", "--no-deps", "--universal", "--format", "pylock.toml")


def extra_requirements(
    stub: Stub, extras: Iterable[str], spec: EnvSpec, context: ResolveContext
) -> dict[str, tuple[str, ...]]:
    """The requirements of each extra of a conda package, as PyPI has them for its version.

    Raises `InvalidRequest` if no index has that version, or if it has no such extra.
    """
    lines = _metadata(stub, spec, context)
    found: dict[str, tuple[str, ...]] = {}
    known = {canonicalize_name(one) for one in lines.get("Provides-Extra", ())}
    for extra in sorted(extras):
        if canonicalize_name(extra) not in known:
            raise InvalidRequest(
                f"`{stub.name}` {stub.own_version} has no extra `{extra}`",
                f"it has {', '.join(sorted(known)) or 'none'}",
            )
        found[extra] = tuple(
            text for text in lines.get("Requires-Dist", ()) if _belongs(text, extra)
        )
    return found


def _belongs(text: str, extra: str) -> bool:
    """Whether a requirement holds for an extra and for nothing less, whatever the platform."""
    marker = Requirement(text).marker
    if marker is None:
        return False
    named = re.findall(r"extra\s*==\s*['\"]([^'\"]+)", str(marker))
    return canonicalize_name(extra) in map(canonicalize_name, named)


def _metadata(stub: Stub, spec: EnvSpec, context: ResolveContext) -> dict[str, list[str]]:
    url = _wheel(stub, spec, context)
    with (
        tempfile.TemporaryDirectory() as work,
        Downloader(context.credentials) as downloader,
    ):
        path = Path(work) / "metadata"
        try:
            downloader.download(f"{url}.metadata", path)  # PEP 658
            text = path.read_text(encoding="utf-8")
        except PkgcacheError:
            path = Path(work) / "wheel"
            try:
                downloader.download(url, path)
            except PkgcacheError as error:
                raise _unknown(stub) from error
            with zipfile.ZipFile(path) as wheel:
                name = next(one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
                text = wheel.read(name).decode()
    message = Parser().parsestr(text, headersonly=True)
    return {name: message.get_all(name, []) for name in ("Provides-Extra", "Requires-Dist")}


def _wheel(stub: Stub, spec: EnvSpec, context: ResolveContext) -> str:
    """The URL of a wheel of that version; any will do, as they all have the same metadata."""
    with Uv(context) as uv:
        settings = index_settings(uv, spec, context.credentials)
        done = uv.run(
            "uv pip compile",
            (*_COMPILE, *settings.arguments),
            text=f"{stub.name}=={Version(stub.own_version).public}\n",
            environment=settings.environment,
        )
    locked = read_lock(done.stdout) if done.returncode == 0 else ()
    wheels = [wheel.url for one in locked for wheel in one.wheels]
    if not wheels:
        raise _unknown(stub)
    return wheels[0]


def _unknown(stub: Stub) -> InvalidRequest:
    return InvalidRequest(
        f"an extra of `{stub.name}` is asked for, which conda brings in version"
        f" {stub.own_version}, and no index has that version to say what the extra needs",
        "ask for what the extra needs, in place of the extra",
    )
