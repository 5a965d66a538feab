"""Settings: what is policy rather than request, each with its value and where that came from.

The command line wins over the environment (`MFENV_<NAME>`), which wins over `mfenv.toml` or
`[tool.mfenv]` in `pyproject.toml` (the nearest upwards), which wins over the user's file, which
wins over the default.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envid.redaction import redact
from mfenv._setting_values import KnownSetting, size, truth, typed
from mfenv.errors import InvalidSetting
from mfenv.user import config_folder, data_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pkgcache.archives.records import PackageLimits
    from pkgcache.web.patience import Patience

__all__ = [
    "ALL_SETTINGS",
    "Settings",
    "cache_limits",
    "describe",
    "package_limits",
    "patience",
    "project_files",
    "transmute_memory",
    "truth",
]


# What is said often on a command line has a name in the singular there.
_OPTIONS = {"channels": "--channel", "platforms": "--platform"}
# Variables of ours that are no settings.
_NO_SETTINGS = ("MFENV_DEBUG", "MFENV_NO_PROGRESS")


class Settings:
    """The settings in force; `origins` says of each where it came from.

    `notes` are on variables that look like settings and are none.
    """

    # What was given; all else has its default. Nothing is set by name: settings do not change.
    __slots__ = ("given", "notes", "origins")

    home = KnownSetting("", "directory of all local state; empty for the user's data directory")
    store = KnownSetting("", "URL of the shared store: `file:///DIR`, `s3://…`, `az://…`, `gs://…`")
    platforms: KnownSetting[tuple[str, ...]] = KnownSetting(
        (), "platforms to resolve for; none for this machine's"
    )
    python = KnownSetting(
        "", "Python version of requests that state none; empty for the newest that solves"
    )
    python_provider = KnownSetting("conda", "where Python comes from: `conda` or `system`")
    channels: KnownSetting[tuple[str, ...]] = KnownSetting(
        ("conda-forge",), "conda channels, in order"
    )
    channel_priority = KnownSetting(
        "strict", "`strict`: the first channel that has a name decides; or `flexible`, `disabled`"
    )
    conda_resolver = KnownSetting(
        "rattler",
        "what chooses conda packages: `rattler`, which comes with mfenv, or `micromamba`, `mamba` or"
        " `conda` on PATH, or the path of one of these, with its own configuration",
    )
    channel_alias = KnownSetting("", "where channels named without a URL are; empty for conda's")
    pypi_names = KnownSetting(
        "", "JSON file with the PyPI names of conda packages, in place of looking into them"
    )
    index_url = KnownSetting("pypi", "first package index; `pypi` is the public one")
    extra_index_url: KnownSetting[tuple[str, ...]] = KnownSetting(
        (), "further package indexes, in order"
    )
    find_links: KnownSetting[tuple[str, ...]] = KnownSetting(
        (), "directories or pages with archives"
    )
    no_index = KnownSetting(False, "use no package index")
    index_strategy = KnownSetting(
        "first-index", "`first-index`: the first index that has a name decides its versions"
    )
    mixed_resolver = KnownSetting(
        "joint",
        "what chooses conda and PyPI packages for one environment: `joint`, which comes with mfenv,"
        " or the `conda-lock` on PATH",
        ("joint", "conda-lock"),
    )
    pypi_resolver = KnownSetting(
        "uv",
        "what chooses PyPI packages: `uv`, which comes with mfenv, or the `pip` on PATH with its own"
        " configuration",
        ("uv", "pip"),
    )
    pre = KnownSetting(False, "accept pre-releases")
    exclude_newer = KnownSetting("", "ignore what was published at or after this moment")
    virtual_packages: KnownSetting[tuple[str, ...]] = KnownSetting(
        (),
        "what target machines offer, over the defaults, such as `__glibc=2.28`, or for one platform"
        " `linux-64:__cuda=12.4`",
    )
    detect_cuda = KnownSetting(
        True, "take the CUDA driver of this machine for `__cuda` where it is the target"
    )
    seed = KnownSetting(
        False,
        "put the newest pip into environments, with setuptools and wheel where Python is older than"
        " 3.12",
    )
    offline = KnownSetting(False, "resolve from what the engines have cached, without network")
    local_only = KnownSetting(
        False, "use what is on this machine: neither store nor channels, indexes or downloads"
    )
    use_remote_latest: KnownSetting[tuple[str, ...]] = KnownSetting(
        ("none",),
        "whose environments of the store answer a request that is not known here: `none`, `me`,"
        " `anyone` or the names of users",
    )
    downloads = KnownSetting(64, "downloads at a time")
    network_silence = KnownSetting(
        30, "seconds that a server may be silent, whoever asks it, before it is asked again"
    )
    network_speed = KnownSetting(
        1000, "bytes per second that a server must send over that time, else it is asked again"
    )
    network_tries = KnownSetting(3, "how often a server is asked in all that does not answer")
    preferred_format = KnownSetting(
        "none",
        "format of conda packages in the store, which others are transmuted to: `conda`,"
        " `tar.bz2`, or `none` for the one they have",
        ("none", "conda", "tar.bz2"),
    )
    transmute_level = KnownSetting(
        3, "zstd level of what is transmuted to `.conda`, 1 to 19", range(1, 20)
    )
    transmute_memory = KnownSetting(
        "100MiB", "what transmuting a package may take, beyond an interpreter; decides its threads"
    )
    cache_size = KnownSetting(
        "", "what the package cache may hold, such as `20GB`; empty for no limit"
    )
    cache_age = KnownSetting(
        0, "days after which an unused package leaves the package cache; 0 for no limit"
    )
    always_verify = KnownSetting(
        False, "hash every file of a package before it is linked, not only what may have changed"
    )
    package_files = KnownSetting(200_000, "files that one package may unpack to")
    package_size = KnownSetting("32GiB", "what one package may unpack to")
    package_ratio = KnownSetting(
        200, "how many times its own size a package may unpack to, beyond 64 MiB"
    )
    locked = KnownSetting(
        False,
        "take the environments of a flow's steps from the lock file beside it, or fail",
    )
    joint_rounds = KnownSetting(
        50,
        "how many other choices of conda packages are tried where PyPI packages do not go with the"
        " first; 0 to leave it at that",
        range(1001),
    )
    clobber = KnownSetting(
        False,
        "accept packages that bring the same module with different content, of which one will be"
        " there; a note says which",
    )
    compile_bytecode = KnownSetting(False, "compile Python files when an environment is created")
    link_scripts = KnownSetting(
        False, "run the post-link scripts of conda packages, which can do whatever the user can"
    )

    def __init__(
        self,
        *,
        origins: Mapping[str, str] | None = None,
        notes: tuple[str, ...] = (),
        **values: Any,
    ) -> None:
        for name in values.keys() - ALL_SETTINGS.keys():
            raise TypeError(f"there is no setting `{name}`")
        self.given, self.origins, self.notes = values, origins or {}, notes

    def __eq__(self, other: object) -> bool:
        """Whether all have the same values, wherever these came from."""
        return isinstance(other, Settings) and all(
            getattr(self, name) == getattr(other, name) for name in ALL_SETTINGS
        )

    __hash__ = None  # type: ignore[assignment]  # nothing keeps them by their values

    @classmethod
    def load(
        cls,
        options: Mapping[str, Any] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        directory: Path | None = None,
        inherited: Iterable[tuple[str, Any, str]] = (),
    ) -> Settings:
        """Read the settings in force for `directory` (default: the current one).

        `options` are those of a command line; None there means not given. `inherited` are the name,
        value and origin of settings from the configuration of the program that mfenv is part of;
        they win over files, and `environ` wins over them. Raises `InvalidSetting` naming the file
        or variable.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        layers = [
            *((layer, True) for layer in _from_files(directory)),
            (inherited, False),
            (_from_environment(environ), False),
            (_from_options(options or {}), False),
        ]
        # What comes later wins.
        for layer, in_file in layers:
            for name, value, origin in layer:
                values[name] = typed(ALL_SETTINGS[name], value, origin, in_file=in_file)
                origins[name] = origin
        return cls(**values, origins=origins, notes=tuple(_unknown(environ)))

    def with_options(self, options: Mapping[str, Any]) -> Settings:
        """These settings, and over them what stands on a command line, as `load` takes it."""
        values, origins = {}, dict(self.origins)
        for name, value, origin in _from_options(options):
            values[name] = typed(ALL_SETTINGS[name], value, origin)
            origins[name] = origin
        return self.replaced(**values, origins=origins)

    def replaced(self, *, origins: Mapping[str, str] | None = None, **values: Any) -> Settings:
        """These settings, but for some values and, where it is given, where they all came from."""
        return Settings(
            origins=self.origins if origins is None else origins,
            notes=self.notes,
            **{**self.given, **values},
        )

    @property
    def home_path(self) -> Path:
        """The directory that holds the registry, the cache and the environments."""
        if self.home:
            return Path(self.home).expanduser().absolute()
        try:
            return data_folder()
        except RuntimeError:
            raise InvalidSetting(
                "this user has no home directory", "set MFENV_HOME to a directory of your own"
            ) from None


ALL_SETTINGS: Mapping[str, KnownSetting[Any]] = {
    name: setting for name, setting in vars(Settings).items() if isinstance(setting, KnownSetting)
}
"""All settings, by name."""


def cache_limits(settings: Settings) -> tuple[int | None, float | None]:
    """What the package cache may hold: bytes, and seconds since the last use; None for no limit.

    Raises `InvalidSetting` for a size that is none.
    """
    size = _size("cache_size", settings) if settings.cache_size else None
    return size, settings.cache_age * 86400.0 or None


def transmute_memory(settings: Settings) -> int:
    """What transmuting may take, in bytes. Raises `InvalidSetting` for a size that is none."""
    return _size("transmute_memory", settings)


def patience(settings: Settings, on_wait: Callable[[str], None]) -> Patience:
    """The patience with servers; `on_wait` is told of each longer wait."""
    from pkgcache.web.patience import Patience

    return Patience(
        silence=float(settings.network_silence),
        speed=settings.network_speed,
        tries=settings.network_tries,
        on_wait=on_wait,
    )


def package_limits(settings: Settings) -> PackageLimits:
    """Where a package counts as a bomb. Raises `InvalidSetting` for a size that is none."""
    from pkgcache.archives.records import PackageLimits

    return PackageLimits(
        files=settings.package_files,
        size=_size("package_size", settings),
        ratio=settings.package_ratio,
    )


def _size(name: str, settings: Settings) -> int:
    try:
        return size(getattr(settings, name))
    except InvalidSetting as error:  # whoever made the settings did not read them
        raise InvalidSetting(f"{settings.origins.get(name, name)}: {error}", error.hint) from None


def describe(settings: Settings) -> Iterator[tuple[str, Any, str, str]]:
    """Name, value, origin and meaning of each setting; credentials in URLs are left out."""
    for name, setting in ALL_SETTINGS.items():
        value = getattr(settings, name)
        shown = tuple(map(_shown, value)) if isinstance(value, tuple) else _shown(value)
        if name == "home":
            shown = str(settings.home_path)
        yield name, shown, settings.origins.get(name, "default"), setting.help


def _from_options(options: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    for name, value in options.items():
        # click gives an empty tuple for a list that was not given.
        if value is not None and value != ():
            yield name, value, _OPTIONS.get(name, f"--{name.replace('_', '-')}")


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    for name in ALL_SETTINGS:
        variable = f"MFENV_{name.upper()}"
        if variable in environ:
            yield name, environ[variable], variable


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    """A note on each variable that is named like a setting, and is none."""
    for variable in sorted(environ):
        name = variable.removeprefix("MFENV_").lower()
        if (
            variable.startswith("MFENV_")
            and variable not in _NO_SETTINGS
            and name not in ALL_SETTINGS
        ):
            near = _nearest(name)
            meant = f"did you mean MFENV_{near.upper()}?" if near else "`mfenv config` lists them"
            yield f"the variable {variable} is no setting: {meant}"


def _nearest(name: str) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, ALL_SETTINGS, n=1)), None)


def _from_files(directory: Path | None) -> Iterator[Iterator[tuple[str, Any, str]]]:
    with suppress(RuntimeError):  # a user without a home directory has no file there
        yield _from_file(config_folder() / "mfenv.toml", ())
    # The nearest one alone: files further up add nothing to it.
    for path, table in project_files(directory):
        yield _from_file(path, table)
        return


def project_files(directory: Path | None = None) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The files of projects with settings for a directory, and the table; the first one counts.

    Raises `InvalidSetting` where the current directory is gone.
    """
    try:
        start = directory or Path.cwd()
    except FileNotFoundError:
        raise InvalidSetting("the current directory is gone", "change to another one") from None
    for folder in (start, *start.parents):
        if (folder / "mfenv.toml").is_file():
            yield folder / "mfenv.toml", ()
        # Not parsed before something of ours is in it: whether the project's own file is whole is
        # not for us to say.
        project = folder / "pyproject.toml"
        if project.is_file() and b"[tool.mfenv" in project.read_bytes():
            yield project, ("tool", "mfenv")


def _from_file(path: Path, table: tuple[str, ...]) -> Iterator[tuple[str, Any, str]]:
    if not path.exists():
        return
    if not path.is_file():  # a pipe would be waited for
        raise InvalidSetting(f"{path}: is not a file")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path}: cannot be read: {error}") from None
    data: Any = _toml(path, text)
    for key in table:
        data = data.get(key, {})
    if not isinstance(data, dict):
        raise InvalidSetting(f"{path}: `[{'.'.join(table)}]` is not a table")
    for key, value in data.items():
        name = key.replace("-", "_")
        origin = f"{path}:{_line_of(text, key)}"
        if name not in ALL_SETTINGS:
            near = _nearest(name)
            raise InvalidSetting(
                f"{origin}: there is no setting `{key}`",
                f"did you mean `{near}`?" if near else "`mfenv config` lists the settings",
            )
        yield name, value, origin


def _toml(path: Path, text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"{path}: is not TOML: {error}") from None


def _line_of(text: str, key: str) -> int:
    # `tomllib` keeps no lines. A table further up may have the key, too: it is for messages alone.
    for number, line in enumerate(text.splitlines(), 1):
        if line.split("=", 1)[0].strip().strip("'\"") == key:
            return number
    return 1


def _shown(value: Any) -> Any:
    return redact(value) if isinstance(value, str) else value
