"""Metaflow's configuration as settings of mfenv: `METAFLOW_CONDA_*`, and where the store is.

Every setting of mfenv may also stand in Metaflow's configuration, as `METAFLOW_MFENV_<NAME>`. What
mfenv itself is told, on the command line or by `MFENV_<NAME>`, wins over both; they win over files.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from metaflow_extensions.mfenv._configuration import (
    SETTINGS,
    given,
    glibc,
    ignored_datastores,
    logins,
    root,
)
from metaflow_extensions.mfenv.asking import facts
from mfenv.errors import InvalidSetting
from mfenv.settings import ALL_SETTINGS, Settings, describe
from mfenv.user import user_name
from pkgcache.web.credentials import Credentials
from pkgcache.web.login import Login

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "DATASTORES",
    "handed_on",
    "load_credentials",
    "load_settings",
    "old_store_url",
    "store_url",
]

DATASTORES = ("local", "s3", "azure", "gs")
"""The types of datastore that a store can lie beside."""

_ROOTS = {
    "local": ("CONDA_LOCALROOT",),
    "s3": ("CONDA_S3ROOT", "CONDA_PACKAGE_S3ROOT"),
    "azure": ("CONDA_AZUREROOT", "CONDA_PACKAGE_AZUREROOT"),
    "gs": ("CONDA_GSROOT", "CONDA_PACKAGE_GSROOT"),
}
_HANDED_ON = {
    *("channel_alias", "channel_priority", "channels", "exclude_newer", "extra_index_url"),
    *("index_strategy", "index_url", "no_index", "pre", "preferred_format", "python"),
    *("python_provider", "seed", "use_remote_latest", "virtual_packages"),
}
_OWN_DEFAULT = "Metaflow's default"
# Of conda itself, which the resolvers of metaflow-netflixext heeded.
_CONDA = {"CONDA_CHANNELS": "channels"}


def load_settings(
    datastore: str, options: Mapping[str, object] | None = None, *, root: str | None = None
) -> Settings:
    """The settings in force for flows whose artifacts are in a datastore of this type.

    Takes `local`, `s3`, `azure` or `gs`; `options` are those of a command line, and `root` is where
    to have the store instead of the place that Metaflow's configuration names. Raises
    `mfenv.errors.InvalidSetting`.
    """
    by_hand = dict(options or {})
    if root and not by_hand.get("store"):
        by_hand["store"] = store_url(datastore, root)
    used = datastore not in ignored_datastores()
    variable, place = _root(datastore) if used else ("", "")
    inherited = list(_inherited())
    if place and variable in _ROOTS[datastore]:
        # First, so that METAFLOW_MFENV_STORE wins: of equals, the later one counts.
        inherited.insert(0, ("store", store_url(datastore, place), f"METAFLOW_{variable}"))
    settings = Settings.load(by_hand, inherited=inherited)
    # Environments of conda and of metaflow-netflixext have pip, and steps call it.
    if "seed" not in settings.origins:
        settings = settings.replaced(seed=True, origins={**settings.origins, "seed": _OWN_DEFAULT})
    if not place or "store" in settings.origins:
        return settings
    # Where the artifacts are is a default, which a file may override.
    origins = {**settings.origins, "store": f"METAFLOW_{variable}"}
    return settings.replaced(store=store_url(datastore, place), origins=origins)


def handed_on(settings: Settings) -> dict[str, str]:
    """Those settings that decide what a request means and who may answer it, as texts.

    By them a run that a task on another machine starts finds what is known where the task came
    from. What holds a login stays here.
    """
    # A task's own run would otherwise ask for the Python of its image.
    python = settings.python or f"{sys.version_info.major}.{sys.version_info.minor}"
    me = user_name()
    # In a container, whoever works there has another name.
    users = tuple(me if user in ("none", "me") else user for user in settings.use_remote_latest)
    texts: dict[str, str] = {}
    asked = settings.replaced(
        python=python,
        use_remote_latest=users,
        origins={**settings.origins, "python": "", "use_remote_latest": ""},
    )
    for name, shown, origin, _ in describe(asked):
        value = getattr(asked, name)
        is_stated = origin not in ("default", _OWN_DEFAULT)
        # `describe` leaves credentials out: what it shows otherwise has one.
        if name in _HANDED_ON and is_stated and shown == value:
            texts[name] = " ".join(value) if isinstance(value, tuple) else str(value)
    return texts


def old_store_url(datastore: str) -> str | None:
    """The URL of the store of metaflow-netflixext under the same configuration; None for none."""
    _, place = _root(datastore)
    return store_url(datastore, place, folder="") if place else None


def load_credentials() -> Credentials:
    """The logins of `METAFLOW_CONDA_SRCS_AUTH_INFO`, by host or by URL.

    A host alone stands for `https`. Raises `mfenv.errors.InvalidSetting`, which shows none of it.
    """
    credentials = Credentials()
    for place, user, password in logins():
        url = place if "://" in place else f"https://{place}"
        credentials.set(url.rstrip("/") + "/", Login(user=user, password=password))
    return credentials


def store_url(datastore: str, root: str, *, folder: str = "/mfenv") -> str:
    """The URL of the store in a root as Metaflow writes it.

    That is a path for `local`, a URL for `s3` and `gs`, and for `azure` a container with a prefix;
    a URL may have the options of pkgcache's stores.
    What lies beside our `folder` in it is of Metaflow or of metaflow-netflixext. Raises
    `mfenv.errors.InvalidSetting`.
    """
    path, _, options = root.partition("?")
    place = path.rstrip("/") + folder
    if "://" not in place and datastore == "local":
        return (Path.cwd() / Path(place).expanduser()).as_uri()
    if "://" not in place and datastore == "azure":
        return _azure_url(place, facts().azure_endpoint)
    if datastore == "s3" and not options and (endpoint := facts().s3_endpoint):
        options = f"endpoint={quote(endpoint, safe=':/')}"
    return f"{place}?{options}" if options else place


def _root(datastore: str) -> tuple[str, str]:
    """The setting that says where the stores of a datastore are, and what it says."""
    for variable in _ROOTS.get(datastore, ()):
        if place := root(variable, datastore):
            return variable, place
    variable = f"DATASTORE_SYSROOT_{datastore.upper()}"
    sysroot = facts().sysroots.get(datastore)
    return variable, f"{sysroot.rstrip('/')}/conda_env" if sysroot else ""


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


def _inherited() -> Iterator[tuple[str, object, str]]:
    for variable, name in _CONDA.items():
        if variable in os.environ:
            yield name, os.environ[variable], variable
    if overridden := glibc("CONDA_OVERRIDE_GLIBC"):
        yield "virtual_packages", overridden, "CONDA_OVERRIDE_GLIBC"
    for variable, name, read in SETTINGS:
        value = given(variable)
        if value is not None and name in ALL_SETTINGS:
            yield name, read(variable, value), f"METAFLOW_{variable}"
    for name in ALL_SETTINGS:
        variable = f"MFENV_{name.upper()}"
        value = given(variable)
        if value is not None:
            yield name, value, f"METAFLOW_{variable}"
