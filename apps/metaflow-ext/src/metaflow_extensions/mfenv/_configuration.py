"""What Metaflow's own configuration says of environments, `METAFLOW_CONDA_*`: read, and checked."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from envid.errors import InvalidRequirement
from envid.requirements import normalize
from metaflow_extensions.mfenv.asking import facts
from mfenv.errors import InvalidSetting
from mfenv.settings import ALL_SETTINGS, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "SETTINGS",
    "UNHEEDED",
    "given",
    "glibc",
    "gpu_packages",
    "ignored_datastores",
    "logins",
    "root",
    "skips_needs",
    "unheeded",
]

_FORMATS = {"none": "none", ".conda": "conda", ".tar.bz2": "tar.bz2"}
_LATEST = {":none:": "none", ":username:": "me", ":any:": "anyone"}
_SCHEMES = {"local": "file", "s3": "s3", "gs": "gs", "azure": "az"}
_CONDA = (
    *("CONDA_AZUREROOT", "CONDA_GSROOT", "CONDA_LOCALROOT", "CONDA_S3ROOT"),
    *("CONDA_PACKAGE_AZUREROOT", "CONDA_PACKAGE_GSROOT", "CONDA_PACKAGE_S3ROOT"),
    *("CONDA_CHANNELS", "CONDA_DEFAULT_PIP_SOURCE", "CONDA_DEFAULT_PYPI_SOURCE"),
    *("CONDA_IGNORE_CACHING_DATASTORES", "CONDA_PREFERRED_FORMAT", "CONDA_SKIP_METAFLOW_DEPS"),
    *("CONDA_SRCS_AUTH_INFO", "CONDA_SYS_DEFAULT_GPU_PACKAGES", "CONDA_SYS_DEFAULT_PACKAGES"),
    *("CONDA_ENVS_DIRNAME", "CONDA_MAGIC_FILE_V2", "CONDA_USE_REMOTE_LATEST"),
    *("CONDA_DEPENDENCY_RESOLVER", "CONDA_MIXED_DEPENDENCY_RESOLVER"),
    *("CONDA_PIP_DEPENDENCY_RESOLVER", "CONDA_PYPI_DEPENDENCY_RESOLVER"),
    "CONDA_LOCKED",
)
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")

_NO_CONDA = "there is no conda to install"
UNHEEDED: Mapping[str, str] = {
    "CONDA_ALL_ARCHS": "`--from` finds a request by any platform it was resolved for",
    "CONDA_BUILDER_ENV_PACKAGES": "a builder holds what the source asks for",
    "CONDA_HACK_CHANNEL_ALIAS": "the setting `channel_alias` names a mirror",
    "CONDA_LOCAL_DIST": _NO_CONDA,
    "CONDA_LOCAL_DIST_DIRNAME": _NO_CONDA,
    "CONDA_LOCAL_PATH": _NO_CONDA,
    "CONDA_LOCK_TIMEOUT": "a lock ends with the process that holds it",
    "CONDA_PACKAGES_DIRNAME": "packages lie by their hash",
    "CONDA_REMOTE_COMMANDS": "a decorator that sends tasks away says so itself",
    "CONDA_REMOTE_INSTALLER": _NO_CONDA,
    "CONDA_REMOTE_INSTALLER_DIRNAME": _NO_CONDA,
    "CONDA_SYS_DEPENDENCIES": "any virtual package may be named",
    "CONDA_SYS_MARKERS": "the markers of the target decide",
    "CONDA_TEST": "a local store is used where one is configured",
    "CONDA_USE_FAST_INIT": _NO_CONDA,
    "PYLOCK_TOML_DEPENDENCY_RESOLVER": "mfenv reads pylock.toml itself",
}
"""Settings of Metaflow or metaflow-netflixext that mean nothing here, and why."""


def given(name: str) -> object:
    """What the environment or Metaflow's configuration files say; None for nothing.

    Metaflow's own `from_conf` would also hand it to remote tasks, credentials included.
    """
    # As Metaflow has it, the environment has the last word over the files. It is asked for this one
    # variable: a copy of it takes as long as two hundred of these, and there are as many settings.
    variable = f"METAFLOW_{name}"
    return os.environ.get(variable, facts().configured.get(variable))


def unheeded() -> Iterator[str]:
    """A line for each setting of environments that stands somewhere and means nothing here."""
    own = [f"MFENV_{name.upper()}" for name in ALL_SETTINGS]
    known = [*_CONDA, *own]
    for variable in sorted({*facts().configured, *os.environ}):
        name = variable.removeprefix("METAFLOW_")
        # METAFLOW_ alone is Metaflow's: of its settings, only those of environments are ours to
        # judge.
        ours = variable != name and name.startswith(("CONDA_", "MFENV_", "PYLOCK_"))
        if not ours or name in known:
            continue
        from difflib import get_close_matches  # only here: most users have no such variable

        near = get_close_matches(name, known, n=1)
        why = UNHEEDED.get(name) or (f"did you mean METAFLOW_{near[0]}?" if near else "")
        yield f"{variable} means nothing here{f': {why}' if why else ''}"


def root(name: str, datastore: str) -> str:
    """The root of a store, empty for none. Raises `InvalidSetting` as all of these do."""
    # Metaflow has URLs for the roots in S3 and Google; a folder, or a container of Azure, may be a
    # path as well.
    place = _text(name, given(name) or "")
    scheme, mark, _ = place.partition("://")
    if place and (mark or datastore in ("s3", "gs")) and scheme != _SCHEMES[datastore]:
        known = "a path" if datastore == "local" else f"{_SCHEMES[datastore]}://…"
        raise InvalidSetting(f"METAFLOW_{name}: `{place}` is not in {datastore}", f"write {known}")
    return place


def ignored_datastores() -> list[str]:
    """The types of datastore that have no store."""
    name = "CONDA_IGNORE_CACHING_DATASTORES"
    known = facts().datastores
    types = _list(name, given(name) or [])
    for datastore in types:
        if datastore not in known:
            raise InvalidSetting(
                f"METAFLOW_{name}: there is no datastore `{datastore}`",
                f"known: {', '.join(known)}",
            )
    return types


def logins() -> Iterator[tuple[str, str, str]]:
    """The places that ask for a login, each with user and password, which no message shows."""
    name = "CONDA_SRCS_AUTH_INFO"
    for place, login in _table(name, given(name)).items():
        if not isinstance(login, list) or [type(text) for text in login] != [str, str]:
            raise InvalidSetting(
                f"METAFLOW_{name}: `{place}` has no pair of user and password",
                'write `{"HOST": ["USER", "PASSWORD"]}`',
            )
        yield place, login[0], login[1]


def skips_needs() -> bool:
    """Whether what Metaflow itself needs in a task is left out."""
    name = "CONDA_SKIP_METAFLOW_DEPS"
    return _flag(name, given(name))


def _flag(name: str, value: object) -> bool:
    # Metaflow's own files may have a number here, or null.
    return truth("" if value is None else str(value), f"METAFLOW_{name}")


def gpu_packages() -> tuple[str, ...]:
    """The virtual packages of machines with a GPU."""
    name = "CONDA_SYS_DEFAULT_GPU_PACKAGES"
    return tuple(_virtual_packages(name, _table(name, given(name))))


def glibc(variable: str) -> list[str]:
    """The virtual package that a variable of conda stands for, if it says something."""
    version = os.environ.get(variable, "").strip()
    if version and not _VERSION.fullmatch(version):
        raise InvalidSetting(f"{variable}: `{version}` is not a version", "such as `2.28`")
    return [f"__glibc={version}"] if version else []


def _list(name: str, value: object) -> list[str]:
    # From a file it is a list; a variable has it as JSON, or as words with commas or spaces.
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _json(name, value)
    items = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(items, list):
        raise InvalidSetting(f"METAFLOW_{name}: is not a list", 'write `["a", "b"]`')
    return [_text(name, item) for item in items]


def _table(name: str, value: object) -> dict[str, object]:
    table = _json(name, value) if isinstance(value, str) and value.strip() else value
    table = {} if table in (None, "") else table
    if not isinstance(table, dict):
        raise InvalidSetting(f"METAFLOW_{name}: is not an object", 'write `{"NAME": ...}`')
    return table


def _json(name: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidSetting(f"METAFLOW_{name}: is not JSON", "write it in one line") from None


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidSetting(f"METAFLOW_{name}: is not a text", "write it in quotes")
    return value.strip()


def _format(name: str, value: object) -> str:
    if value not in _FORMATS:
        raise InvalidSetting(
            f"METAFLOW_{name}: `{value}` is no format", f"known: {', '.join(_FORMATS)}"
        )
    return _FORMATS[value]


def _resolver(name: str, value: object) -> str:
    """A resolver; `none`, which is that of no site, is ours."""
    mixed, conda = name == "CONDA_MIXED_DEPENDENCY_RESOLVER", name == "CONDA_DEPENDENCY_RESOLVER"
    usual = "joint" if mixed else "rattler" if conda else "uv"
    known = ("conda-lock",) if mixed else ("mamba", "micromamba", "conda") if conda else ("pip",)
    text = _text(name, value)
    chosen = text if "/" in text else text.lower()
    if chosen in ("none", ""):
        return usual
    # A path is looked at by whoever reads the setting that this becomes.
    if chosen not in (usual, *known) and not (conda and "/" in chosen):
        raise InvalidSetting(
            f"METAFLOW_{name}: `{text}` is no resolver",
            f"say {', '.join((*known, usual))} or none",
        )
    return chosen


def _latest(name: str, value: object) -> list[str]:
    users = _list(name, value)
    known = f"say {', '.join(f'`{word}`' for word in _LATEST)} or names of users"
    for user in users:
        if ":" in user and user not in _LATEST:
            raise InvalidSetting(f"METAFLOW_{name}: `{user}` is not the name of a user", known)
        # One says nobody and one says everybody, so that names beside them mean nothing.
        if user in (":none:", ":any:") and len(users) > 1:
            raise InvalidSetting(f"METAFLOW_{name}: `{user}` stands beside others", known)
    return [_LATEST.get(user, user) for user in users]


def _virtual(name: str, value: object) -> list[str]:
    texts: list[str] = []
    for platform, packages in _table(name, value).items():
        if not isinstance(packages, dict):
            raise InvalidSetting(
                f"METAFLOW_{name}: is not an object of objects",
                'write `{"linux-64": {"__glibc": "2.28"}}`',
            )
        texts += [f"{platform}:{text}" for text in _virtual_packages(name, packages)]
    return texts


def _virtual_packages(name: str, packages: Mapping[str, object]) -> Iterator[str]:
    for package, version in packages.items():
        # metaflow-netflixext takes the version with a sign in front.
        text = f"{package}={version.lstrip('= ') if isinstance(version, str) else ''}"
        try:
            normalize("sys", text)
        except InvalidRequirement:
            raise InvalidSetting(
                f"METAFLOW_{name}: `{package}` with {version!r} is not a virtual package",
                'write `{"__cuda": "12.4"}`',
            ) from None
        yield text


SETTINGS: tuple[tuple[str, str, Callable[[str, object], object]], ...] = (
    ("CONDA_CHANNELS", "channels", _list),
    ("CONDA_DEFAULT_PIP_SOURCE", "index_url", _text),
    ("CONDA_DEFAULT_PYPI_SOURCE", "index_url", _text),
    ("CONDA_DEPENDENCY_RESOLVER", "conda_resolver", _resolver),
    ("CONDA_LOCKED", "locked", _flag),
    ("CONDA_MIXED_DEPENDENCY_RESOLVER", "mixed_resolver", _resolver),
    ("CONDA_PIP_DEPENDENCY_RESOLVER", "pypi_resolver", _resolver),
    ("CONDA_PYPI_DEPENDENCY_RESOLVER", "pypi_resolver", _resolver),
    ("CONDA_PREFERRED_FORMAT", "preferred_format", _format),
    ("CONDA_USE_REMOTE_LATEST", "use_remote_latest", _latest),
    ("CONDA_SYS_DEFAULT_PACKAGES", "virtual_packages", _virtual),
)
"""Settings that are settings of mfenv by another name, and what reads them."""
