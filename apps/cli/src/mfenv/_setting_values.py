"""The values of settings: each of its type, and checked when it is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from urllib.parse import urlsplit

from envid.errors import InvalidRequirement, InvalidSpec
from envid.platforms import PLATFORMS, check_platform, virtual_packages
from envid.redaction import redact
from envid.requirements import normalize, normalize_python
from mfenv.errors import InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["KnownSetting", "is_url", "size", "truth", "typed"]

_SIZE = r"(?i)(\d+(?:\.\d+)?)\s*((?:[KMGT]i?)?B?)"
# As SI and IEC have them: a `KB` is 1000 bytes, a `KiB` 1024.
_UNITS = {"": 1, "B": 1} | {
    unit: factor**power
    for power, letter in enumerate("KMGT", 1)
    for unit, factor in (
        (letter, 1000),
        (f"{letter}B", 1000),
        (f"{letter}I", 1024),
        (f"{letter}IB", 1024),
    )
}
_NAME = r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*"
_STORE = r"(?s)file://(?:localhost)?/+[^/?#].*|(?:s3|gs)://[^/?#].*|az://[^/?#]+/+[^/?#].*"
_FLAGS = {"1": True, "true": True, "yes": True, "on": True}
_FLAGS |= {"0": False, "false": False, "no": False, "off": False, "": False}


_PATHS = ("conda_resolver", "home", "pypi_names")

_T = TypeVar("_T")


class KnownSetting(Generic[_T]):
    """An attribute of `Settings`: what it is by default, what it is for, and what it may be."""

    name: str

    def __init__(self, default: _T, text: str, choices: Sequence[_T] = ()) -> None:
        self.default, self.help, self.choices = default, text, choices

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, settings: None, owner: type) -> KnownSetting[_T]: ...
    @overload
    def __get__(self, settings: object, owner: type) -> _T: ...
    def __get__(self, settings: Any, owner: type) -> KnownSetting[_T] | _T:
        if settings is None:
            return self
        value: _T = settings.given.get(self.name, self.default)
        return value


def typed(setting: KnownSetting[Any], value: Any, origin: str, *, in_file: bool = False) -> Any:
    """The value of a setting in its type; raises `InvalidSetting` naming where it came from.

    What is `in_file` is TOML, and hints are.
    """
    typed_value = _of_type(setting.default, value, origin, in_file=in_file)
    # A path is any bytes; all else goes into ids, databases and URLs.
    if setting.name not in _PATHS and not _is_text(typed_value):
        raise InvalidSetting(
            f"{origin}: holds bytes that are no text", "in a URL, write them like `%FF`"
        )
    if setting.name.endswith("_resolver") and "/" not in typed_value:
        # As in metaflow-netflixext: `none` is that of no site.
        typed_value = {"none": setting.default}.get(typed_value.lower(), typed_value.lower())
    choices = setting.choices
    if choices and typed_value not in choices:
        raise InvalidSetting(
            f"{origin}: `{typed_value}` cannot be chosen", f"choose {', '.join(map(str, choices))}"
        )
    check = _CHECKS.get(setting.name)
    # Empty stands for what the help of a setting says.
    nothing = typed_value == () or typed_value == setting.default == ""
    if check is None or nothing:
        return typed_value
    try:
        check(typed_value)
    except (InvalidSetting, InvalidSpec, InvalidRequirement) as error:
        # The origin names the setting; in a spec it may be called otherwise.
        reason = error.reason if isinstance(error, InvalidSpec) else str(error)
        raise InvalidSetting(f"{origin}: {redact(reason)}", error.hint) from None
    return typed_value


def _is_text(value: object) -> bool:
    try:
        # Not the text of a tuple as a whole, in which such bytes are written out.
        "".join(map(str, value) if isinstance(value, tuple) else str(value)).encode()
    except UnicodeEncodeError:
        return False
    return True


def truth(value: object, origin: str, *, in_file: bool = False) -> bool:
    """A setting that is true or false, or says so in a word; raises `InvalidSetting`.

    The words are those of variables; an empty one is false. The hint has those of TOML for what is
    `in_file`, and for what is no text.
    """
    if isinstance(value, bool):
        return value
    # Not `bool`: to that every text but the empty one is true, and so would `0` and `no` be.
    if not isinstance(value, str) or value.strip().lower() not in _FLAGS:
        # A bare `1` is a number in TOML, which is what is wrong with it there.
        own = in_file or not isinstance(value, str)
        hint = "say `true` or `false`" if own else "say `1` or `0`"
        raise InvalidSetting(f"{origin}: `{value}` is neither true nor false", hint)
    return _FLAGS[value.strip().lower()]


def size(text: str) -> int:
    """A number of bytes from a text such as `20GB`; raises `InvalidSetting`."""
    parts = re.fullmatch(_SIZE, text)
    if not parts:
        raise InvalidSetting(f"`{text}` is not a size", "such as `20GB` or `500 MiB`")
    return int(float(parts[1]) * _UNITS[parts[2].upper()])


def is_url(text: str) -> bool:
    """Whether a text is the URL of a place that is read by HTTP or in the file system."""
    try:
        parts = urlsplit(text)
        # Of `parts`, the port alone raises what is wrong with it, and only when it is asked for.
        at_host = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port is no number
        return False
    return parts.scheme == "file" or bool(at_host)


def _of_type(default: Any, value: Any, origin: str, *, in_file: bool) -> Any:
    if isinstance(default, bool):
        return truth(value, origin, in_file=in_file)
    if isinstance(default, int):
        # 0 is a value only where it is the default and means no limit.
        return _number(value, min(default, 1), origin)
    if isinstance(default, tuple):
        items = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(v, str) for v in items):
            raise InvalidSetting(f"{origin}: is not a list of texts", 'write `["a", "b"]`')
        return tuple(items)
    if not isinstance(value, str):
        raise InvalidSetting(f"{origin}: is not a text", "write it in quotes")
    return value.strip()


def _number(value: Any, least: int, origin: str) -> int:
    try:
        # `int` would take true for 1, and 1.5 as well.
        number = -1 if isinstance(value, (bool, float)) else int(value)
    except (TypeError, ValueError):
        number = -1
    if number < least:
        raise InvalidSetting(f"{origin}: `{value}` is not a number from {least}", "such as `16`")
    return number


def _option(name: str) -> Callable[[Any], object]:
    """The check of an option of a spec."""

    def check(value: Any) -> None:
        from envid.spec import Options

        Options.make(**{name: value})

    return check


def _platforms(value: tuple[str, ...]) -> None:
    for platform in value:
        check_platform(platform)


def _virtual_packages(value: tuple[str, ...]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for text in value:
        place, colon, package = text.rpartition(":")
        platforms = (check_platform(place),) if colon else PLATFORMS
        normal = normalize("sys", package)
        name = normal.partition("=")[0]
        other = seen.setdefault((place, name), normal)
        if other != normal:
            raise InvalidSetting(f"both `{other}` and `{normal}` are there", "keep one of them")
        # `virtual_packages` leaves out what only another system has.
        able = [
            platform for platform in platforms if normal in virtual_packages(platform, [normal])
        ]
        if not able or name == "__win":
            raise InvalidSetting(f"{', '.join(platforms)} cannot have `{name}`", "leave it out")
        if name in ("__glibc", "__osx"):
            _floor(able[0], normal)


def _floor(platform: str, text: str) -> None:
    from resolvers.errors import UnsupportedRequest
    from resolvers.targets import Target

    try:
        Target.make(platform, [text])
    except UnsupportedRequest as error:
        raise InvalidSetting(str(error), error.hint) from None


def _index(value: str) -> None:
    if value != "pypi" and not is_url(value):
        raise InvalidSetting(
            f"`{value.rpartition('@')[2]}` is not the URL of a package index",
            "write it like `https://host/simple`, or `pypi` for the public one",
        )


def _indexes(value: tuple[str, ...]) -> None:
    for url in value:
        _index(url)


def _links(value: tuple[str, ...]) -> None:
    for place in value:
        if "://" in place and not is_url(place):
            raise InvalidSetting(
                f"`{place}` is neither a directory nor the URL of a page",
                "write it like `https://host/links`, or as a path",
            )


def _channels(value: tuple[str, ...]) -> None:
    for channel in value:
        path = channel.startswith((".", "/", "~"))
        if "://" in channel and not is_url(channel):
            raise InvalidSetting(
                f"`{channel}` is not the URL of a conda channel",
                "channels are read by https, http or file, such as `https://host/channel`",
            )
        if not path and not re.fullmatch(_NAME, channel) and not is_url(channel):
            raise InvalidSetting(
                f"`{channel}` is neither the name nor the URL of a conda channel",
                "write it like `conda-forge` or `https://host/channel`",
            )


def _channel_alias(value: str) -> None:
    if not is_url(value):
        raise InvalidSetting(f"`{value}` is not a URL", "write it like `https://host`")


def _conda_resolver(value: str) -> None:
    family = ("micromamba", "mamba", "conda")
    name = value.rpartition("/")[2]
    if value not in ("rattler", *family) and not ("/" in value and name.startswith(family)):
        raise InvalidSetting(
            f"`{value}` is no resolver of conda packages",
            f"choose rattler, {', '.join(family)}, or the path of one of the last three",
        )


def _store(value: str) -> None:
    if not re.fullmatch(_STORE, value):
        raise InvalidSetting(
            f"`{value}` is not a store",
            "it is like `file:///path/to/store`, `s3://bucket/…`, `az://account/container/…`,"
            " `gs://bucket/…`",
        )


def _users(value: tuple[str, ...]) -> None:
    alone = {"none", "anyone"}.intersection(value)
    if alone and len(value) > 1:
        raise InvalidSetting(
            f"`{min(alone)}` cannot stand beside other words",
            "say `none`, `anyone`, `me` or the names of users",
        )


_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "cache_size": size,
    "channel_alias": _channel_alias,
    "channel_priority": _option("channel_priority"),
    "channels": _channels,
    "conda_resolver": _conda_resolver,
    "exclude_newer": _option("exclude_newer"),
    "extra_index_url": _indexes,
    "find_links": _links,
    "index_strategy": _option("index_strategy"),
    "index_url": _index,
    "package_size": size,
    "platforms": _platforms,
    "python": normalize_python,
    "python_provider": _option("python_provider"),
    "store": _store,
    "transmute_memory": size,
    "use_remote_latest": _users,
    "virtual_packages": _virtual_packages,
}
