"""Metaflow's configuration as settings of mfenv: `METAFLOW_CONDA_*`, and where the store is.

Every setting of mfenv may also stand in Metaflow's configuration, as `METAFLOW_MFENV_<NAME>`. What
mfenv itself is told, on the command line or by `MFENV_<NAME>`, wins over both; they win over files.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from mfenv.errors import InvalidSetting
from mfenv.resolving import user_name
from mfenv.settings import Settings, describe
from pkgcache.credentials import Credentials, Login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "DATASTORES",
    "given",
    "handed_on",
    "load_credentials",
    "load_settings",
    "old_store_url",
    "store_url",
]

DATASTORES = ("local", "s3", "azure", "gs")
"""The types of datastore that a store can lie beside."""

_IGNORED = "CONDA_IGNORE_CACHING_DATASTORES"
_ROOTS = {
    "local": ("CONDA_LOCALROOT",),
    "s3": ("CONDA_S3ROOT", "CONDA_PACKAGE_S3ROOT"),
    "azure": ("CONDA_AZUREROOT", "CONDA_PACKAGE_AZUREROOT"),
    "gs": ("CONDA_GSROOT", "CONDA_PACKAGE_GSROOT"),
}
_HANDED_ON = {
    *("channel_alias", "channel_priority", "channels", "exclude_newer", "extra_index_url"),
    *("index_strategy", "index_url", "no_index", "pre", "preferred_format", "python"),
    *("python_provider", "use_remote_latest", "virtual_packages"),
}
# Of conda itself, which the resolvers of metaflow-netflixext heeded.
_CONDA = {"CONDA_CHANNELS": "channels"}
_FORMATS = {"none": "none", ".conda": "conda", ".tar.bz2": "tar.bz2"}
_LATEST = {":none:": "none", ":username:": "me", ":any:": "anyone"}


def load_settings(
    datastore: str, options: Mapping[str, Any] | None = None, *, root: str | None = None
) -> Settings:
    """The settings in force for flows whose artifacts are in a datastore of this type.

    Takes `local`, `s3`, `azure` or `gs`; `options` are those of a command line, and `root` is where
    to have the store instead of the place that Metaflow's configuration names. Raises
    `mfenv.errors.InvalidSetting`.
    """
    by_hand = dict(options or {})
    if root and not by_hand.get("store"):
        by_hand["store"] = store_url(datastore, root)
    used = datastore not in _list(_IGNORED, given(_IGNORED) or [])
    variable, place = _root(datastore) if used else ("", "")
    inherited = list(_inherited())
    if place and variable in _ROOTS[datastore]:
        inherited.insert(0, ("store", store_url(datastore, place), f"METAFLOW_{variable}"))
    found = Settings.load(by_hand, inherited=inherited)
    if not place or "store" in found.origins:
        return found
    # Where the artifacts are is a default, which a file may override.
    origins = {**found.origins, "store": f"METAFLOW_{variable}"}
    return replace(found, store=store_url(datastore, place), origins=origins)


def handed_on(settings: Settings) -> dict[str, str]:
    """Those settings that decide what a request means and who may answer it, as texts.

    By them a run that a task on another machine starts finds what is known where the task came
    from. What holds a login stays here.
    """
    python = settings.python or f"{sys.version_info.major}.{sys.version_info.minor}"
    me = user_name()
    users = tuple(me if one in ("none", "me") else one for one in settings.use_remote_latest)
    found: dict[str, str] = {}
    asked = replace(
        settings,
        python=python,
        use_remote_latest=users,
        origins={**settings.origins, "python": "", "use_remote_latest": ""},
    )
    for name, shown, origin, _ in describe(asked):
        value = getattr(asked, name)
        if name in _HANDED_ON and origin != "default" and shown == value:
            found[name] = " ".join(value) if isinstance(value, tuple) else str(value)
    return found


def old_store_url(datastore: str) -> str | None:
    """The URL of the store of metaflow-netflixext under the same configuration; None for none."""
    _, place = _root(datastore)
    return store_url(datastore, place, folder="") if place else None


def load_credentials() -> Credentials:
    """The logins of `METAFLOW_CONDA_SRCS_AUTH_INFO`, by host or by URL.

    A host alone stands for `https`. Raises `mfenv.errors.InvalidSetting`, which shows none of it.
    """
    found = Credentials()
    for place, login in _table("CONDA_SRCS_AUTH_INFO").items():
        if not isinstance(login, list) or [type(one) for one in login] != [str, str]:
            raise InvalidSetting(
                f"METAFLOW_CONDA_SRCS_AUTH_INFO: `{place}` has no pair of user and password",
                'write `{"HOST": ["USER", "PASSWORD"]}`',
            )
        url = place if "://" in place else f"https://{place}"
        found.set(url.rstrip("/") + "/", Login(user=login[0], password=login[1]))
    return found


def store_url(datastore: str, root: str, *, folder: str = "/mfenv") -> str:
    """The URL of the store in a root as Metaflow writes it.

    That is a path for `local`, a URL for `s3` and `gs`, and for `azure` a container with a prefix;
    a URL may have the options of pkgcache's stores.
    What lies beside our `folder` in it is of Metaflow or of metaflow-netflixext. Raises
    `mfenv.errors.InvalidSetting`.
    """
    from metaflow import metaflow_config

    path, _, options = root.partition("?")
    place = path.rstrip("/") + folder
    if "://" not in place and datastore == "local":
        return (Path.cwd() / Path(place).expanduser()).as_uri()
    if "://" not in place and datastore == "azure":
        return _azure_url(place, metaflow_config.AZURE_STORAGE_BLOB_SERVICE_ENDPOINT)
    if datastore == "s3" and not options and metaflow_config.S3_ENDPOINT_URL:
        options = f"endpoint={quote(metaflow_config.S3_ENDPOINT_URL, safe=':/')}"
    return f"{place}?{options}" if options else place


def given(name: str) -> Any:
    """What the environment or Metaflow's configuration files say; None for nothing.

    Metaflow's own `from_conf` would also hand it to remote tasks, credentials included.
    """
    from metaflow import metaflow_config_funcs as files

    key = f"METAFLOW_{name}"
    configured = {**(files.METAFLOW_CONFIG or {}), **(files.METAFLOW_LOCAL_CONFIG or {})}
    return os.environ.get(key, configured.get(key))


def _root(datastore: str) -> tuple[str, str]:
    """The setting that says where the stores of a datastore are, and what it says."""
    from metaflow import metaflow_config

    for variable in _ROOTS.get(datastore, ()):
        if place := given(variable):
            return variable, str(place)
    variable = f"DATASTORE_SYSROOT_{datastore.upper()}"
    place = getattr(metaflow_config, variable, None)
    return variable, f"{place.rstrip('/')}/conda_env" if place else ""


def _azure_url(place: str, endpoint: str | None) -> str:
    parts = urlsplit(endpoint or "")
    host = parts.hostname or ""
    if not host:
        raise InvalidSetting(
            "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT: is not set",
            "it is like `https://ACCOUNT.blob.core.windows.net/`",
        )
    if host.endswith(".blob.core.windows.net"):
        return f"az://{host.partition('.')[0]}/{place}"
    # An emulator has the account in the path.
    account = parts.path.strip("/") or host.partition(".")[0]
    return f"az://{account}/{place}?endpoint={quote(str(endpoint), safe=':/')}"


def _inherited() -> Iterator[tuple[str, Any, str]]:
    known = {one.name for one in fields(Settings)}
    for variable, name in _CONDA.items():
        if variable in os.environ:
            yield name, os.environ[variable], variable
    if "CONDA_OVERRIDE_GLIBC" in os.environ:
        glibc = f"__glibc={os.environ['CONDA_OVERRIDE_GLIBC']}"
        yield "virtual_packages", [glibc], "CONDA_OVERRIDE_GLIBC"
    for variable, name, read in _SETTINGS:
        value = given(variable)
        if value is not None and name in known:
            yield name, read(variable, value), f"METAFLOW_{variable}"
    for name in known:
        variable = f"MFENV_{name.upper()}"
        value = given(variable)
        if value is not None:
            yield name, value, f"METAFLOW_{variable}"


def _list(name: str, value: Any) -> list[str]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _json(name, value)
    found = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(found, list):
        raise InvalidSetting(f"METAFLOW_{name}: is not a list", 'write `["a", "b"]`')
    return [str(one) for one in found]


def _table(name: str, value: Any = None) -> dict[str, Any]:
    found = given(name) if value is None else value
    if isinstance(found, str) and found.strip():
        found = _json(name, found)
    found = {} if found in (None, "") else found
    if not isinstance(found, dict):
        raise InvalidSetting(f"METAFLOW_{name}: is not an object", 'write `{"NAME": ...}`')
    return found


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidSetting(f"METAFLOW_{name}: is not JSON", "write it in one line") from None


def _text(name: str, value: Any) -> Any:
    del name
    return value


def _format(name: str, value: Any) -> str:
    if value not in _FORMATS:
        raise InvalidSetting(
            f"METAFLOW_{name}: `{value}` is no format", f"known: {', '.join(_FORMATS)}"
        )
    return _FORMATS[value]


def _latest(name: str, value: Any) -> list[str]:
    return [_LATEST.get(one, one) for one in _list(name, value)]


def _virtual(name: str, value: Any) -> list[str]:
    found = _table(name, value)
    if not all(isinstance(packages, dict) for packages in found.values()):
        raise InvalidSetting(
            f"METAFLOW_{name}: is not an object of objects",
            'write `{"linux-64": {"__glibc": "2.28"}}`',
        )
    return [
        f"{platform}:{package}={version}"
        for platform, packages in found.items()
        for package, version in packages.items()
    ]


_SETTINGS: tuple[tuple[str, str, Callable[[str, Any], Any]], ...] = (
    ("CONDA_CHANNELS", "channels", _list),
    ("CONDA_DEFAULT_PIP_SOURCE", "index_url", _text),
    ("CONDA_DEFAULT_PYPI_SOURCE", "index_url", _text),
    ("CONDA_PREFERRED_FORMAT", "preferred_format", _format),
    ("CONDA_USE_REMOTE_LATEST", "use_remote_latest", _latest),
    ("CONDA_SYS_DEFAULT_PACKAGES", "virtual_packages", _virtual),
)
