"""What a conda package says about itself in `info/`, checked (conda's package specification).

Reads `index.json`, `paths.json` or the files it replaced (`files`, `has_prefix`, `no_link`), and
`link.json`. Nothing in them is used before it was seen to be what it should be.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from pkgcache.archives._members import path_issue
from pkgcache.archives._places import is_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pkgcache.archives.records import EntryPoint, FileMode

READ = ("index.json", "paths.json", "link.json", "files", "has_prefix", "no_link")
"""The files in `info/` that are looked at."""

# The prefix of files whose `has_prefix` line does not give it.
_OLD_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
_TEXTS = ("arch", "features", "license", "license_family", "platform", "subdir", "track_features")
_FORM = re.compile(r"[A-Za-z0-9_.+!~-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = ("hardlink", "softlink", "directory")
# How `noarch: generic`, or none, was written before conda-build asked for one of two words in 2023,
# in `index.json` as it stands, in `link.json` as a text. conda still reads all of them.
_YES = ("1", "on", "true", "y", "yes")
_NO = ("", "0", "false", "n", "no", "none", "off")


class BadInfo(ValueError):
    """The metadata of a conda package is missing, damaged, or another package's."""


class Path(NamedTuple):
    """An entry of `paths.json`; `size` is -1 and `sha256` empty where they are not given."""

    path: str
    kind: str
    size: int
    sha256: str
    placeholder: str
    mode: FileMode
    no_link: bool


def index(content: Mapping[str, bytes], stem: str) -> dict[str, Any]:
    """`index.json`, reduced to the fields that are known; raises `BadInfo`."""
    data = _json(content, "index.json")
    if not isinstance(data, dict):
        raise BadInfo("its index.json is not an object")
    identity = {key: _form(data, key) for key in ("name", "version", "build")}
    # What is asked for by the name of the file must not turn out to be another package.
    if "-".join(identity.values()) != stem:
        own = "-".join(identity.values())
        raise BadInfo(f"its index.json is that of another package, `{own}`")
    number = data.get("build_number", 0)
    # Not `isinstance`: true and false are instances of `int`.
    if type(number) is not int or number < 0:
        raise BadInfo("the build_number in its index.json is not a number")
    noarch = _noarch(data.get("noarch"), "index.json") or _link(content)[0]
    timestamp = data.get("timestamp")
    return {
        **identity,
        "build_number": number,
        "depends": _texts(data, "depends"),
        "constrains": _texts(data, "constrains"),
        **({"noarch": noarch} if noarch else {}),
        **({"timestamp": timestamp} if type(timestamp) is int else {}),
        **{key: data[key] for key in _TEXTS if isinstance(data.get(key), str)},
        **_site_packages(data),
    }


def paths(content: Mapping[str, bytes]) -> list[Path]:
    """The files that are to be linked, in the order given; raises `BadInfo`."""
    if "paths.json" in content:
        data = _json(content, "paths.json")
        if not isinstance(data, dict) or data.get("paths_version") != 1:
            raise BadInfo("its paths.json is of an unknown version")
        if not isinstance(data.get("paths"), list):
            raise BadInfo("its paths.json has no list of paths")
        entries = [_path(entry) for entry in data["paths"]]
    else:
        entries = list(_old_paths(content))
    seen: set[str] = set()
    for entry in entries:
        if entry.path in seen:
            raise BadInfo(f"`{entry.path}` is listed twice")
        seen.add(entry.path)
    return entries


def entry_points(content: Mapping[str, bytes], noarch: str | None) -> tuple[EntryPoint, ...]:
    """The entry points of a `noarch: python` package; raises `BadInfo`."""
    own, texts = _link(content)
    if own and own != noarch:
        raise BadInfo("its link.json and index.json do not agree about noarch")
    if noarch != "python":
        return ()
    from pkgcache.archives import _dist_info  # few packages need it, and it imports much

    parts = [text.partition("=") for text in texts]
    try:
        checked = (_dist_info.entry_point(name.strip(), value) for name, _, value in parts)
        return tuple(dict.fromkeys(checked))
    except _dist_info.BadMetadata as error:
        raise BadInfo(error.issues[0].removeprefix("it ")) from None


def _link(content: Mapping[str, bytes]) -> tuple[str | None, list[str]]:
    """What `link.json`, if it is there, says of noarch, and the entry points in it."""
    if "link.json" not in content:
        return None, []
    data = _json(content, "link.json")
    if not isinstance(data, dict) or data.get("package_metadata_version", 1) != 1:
        raise BadInfo("its link.json is of an unknown version")
    own = data.get("noarch")
    # Some packages have the type alone there, as a text.
    own = own if isinstance(own, dict) else {"type": own}
    return _noarch(own.get("type"), "link.json"), _texts(own, "entry_points", "link.json")


def _noarch(value: Any, name: str) -> str | None:
    """`python`, `generic`, or None; raises `BadInfo` for what nothing ever wrote."""
    text = value.lower() if isinstance(value, str) else value
    if text in ("python", "generic"):
        return str(text)
    if text in (True, *_YES):
        return "generic"
    if text in (None, False, *_NO):
        return None
    raise BadInfo(f"the noarch in its {name} is {value!r}")


def _json(content: Mapping[str, bytes], name: str) -> Any:
    if name not in content:
        raise BadInfo(f"it has no info/{name}")
    try:
        return json.loads(content[name])
    # `RecursionError` comes of brackets in brackets by the thousand, as in a hostile file.
    except (ValueError, RecursionError):
        raise BadInfo(f"its {name} is not JSON") from None


def _form(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not _FORM.fullmatch(value):
        raise BadInfo(f"the {key} in its index.json is {value!r}")
    return value


def _texts(data: Mapping[str, Any], key: str, name: str = "index.json") -> list[str]:
    value = data.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadInfo(f"the {key} in its {name} is not a list of texts")
    return value


def _site_packages(data: Mapping[str, Any]) -> dict[str, str]:
    """CEP 17: where a Python that is unlike others has its packages."""
    value = data.get("python_site_packages_path")
    if value is None:
        return {}
    if not isinstance(value, str) or path_issue(value):
        raise BadInfo(f"the python_site_packages_path in its index.json is {value!r}")
    return {"python_site_packages_path": value}


def _path(data: Any) -> Path:
    if not isinstance(data, dict):
        raise BadInfo("its paths.json has an entry that is not an object")
    path = data.get("_path")
    if not isinstance(path, str):
        raise BadInfo("its paths.json has an entry without a path")
    _check_path(path)
    kind = data.get("path_type", "hardlink")  # CEP 34
    size, sha256 = data.get("size_in_bytes"), data.get("sha256")
    if kind not in _KINDS:
        raise BadInfo(f"the path_type of `{path}` is {kind!r}")
    if size is not None and (type(size) is not int or size < 0):
        raise BadInfo(f"the size_in_bytes of `{path}` is {size!r}")
    if sha256 is not None and (not isinstance(sha256, str) or not _SHA256.fullmatch(sha256)):
        raise BadInfo(f"the sha256 of `{path}` is {sha256!r}")
    no_link = data.get("no_link", False)
    if not isinstance(no_link, bool):
        raise BadInfo(f"the no_link of `{path}` is {no_link!r}")
    placeholder, mode = data.get("prefix_placeholder"), data.get("file_mode")
    return Path(
        path,
        kind,
        -1 if size is None else size,
        sha256 or "",
        *_placeholder(path, placeholder, mode),
        no_link,
    )


def _placeholder(path: str, placeholder: Any, mode: Any) -> tuple[str, FileMode]:
    if placeholder is None:
        return "", "text"
    if not isinstance(placeholder, str) or not placeholder or "\0" in placeholder:
        raise BadInfo(f"the prefix_placeholder of `{path}` is {placeholder!r}")
    if mode == "binary":
        return placeholder, "binary"
    if mode in (None, "text"):
        return placeholder, "text"
    raise BadInfo(f"the file_mode of `{path}` is {mode!r}")


def _check_path(path: str) -> None:
    if issue := path_issue(path):
        raise BadInfo(f"the path {path!r} {issue}")
    if is_record(path):
        raise BadInfo(f"the path `{path}` belongs to the environment")


def _old_paths(content: Mapping[str, bytes]) -> Iterator[Path]:
    """The files in which packages said it before there was `paths.json`."""
    if "files" not in content:
        raise BadInfo("it has neither info/paths.json nor info/files")
    no_link = set(_lines(content, "no_link"))
    prefixes: dict[str, tuple[str, FileMode]] = {}
    for line in _lines(content, "has_prefix"):
        try:
            # Quotes are for paths with spaces; without any, a backslash or an apostrophe means
            # itself.
            words = shlex.split(line) if '"' in line else line.split(maxsplit=2)
        except ValueError:
            words = []
        if len(words) == 1:
            prefixes[words[0]] = _OLD_PLACEHOLDER, "text"
        elif len(words) == 3:  # noqa: PLR2004  placeholder, mode, path
            prefixes[words[2]] = _placeholder(words[2], words[0], words[1])
        else:
            raise BadInfo(f"its has_prefix has the line {line!r}")
    for path in _lines(content, "files"):
        _check_path(path)
        placeholder, mode = prefixes.get(path, ("", "text"))
        # Without kind, size and hash, which these files do not give: those of the archive hold.
        yield Path(path, "", -1, "", placeholder, mode, path in no_link)


def _lines(content: Mapping[str, bytes], name: str) -> list[str]:
    try:
        text = content.get(name, b"").decode("utf-8")
    except UnicodeDecodeError:
        raise BadInfo(f"its info/{name} is not UTF-8") from None
    # Not `splitlines`, which takes characters for the end of a line that a name may have, as
    # U+2028.
    return [line for line in text.split("\n") if line]
