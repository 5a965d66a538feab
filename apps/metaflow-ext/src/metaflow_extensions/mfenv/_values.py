"""Arguments of decorators, each of the type that it must have; packages become requirements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from envid.redaction import redact
from mfenv.errors import InvalidRequest
from reqparse import Origin, ParseErrors, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reqparse import Requirement
    from reqparse.model import Category

__all__ = ["PACKAGES", "READERS", "Arguments", "read"]

PACKAGES: Mapping[tuple[str, str], Category] = {
    ("conda", "packages"): "conda",
    ("conda", "libraries"): "conda",
    ("conda", "pip_packages"): "pypi",
    ("pypi", "packages"): "pypi",
    ("pypi", "conda_only"): "npconda",
    ("sys_packages", "packages"): "sys",
}
"""By kind of decorator and argument, what packages the argument names."""

_CHANNEL = re.compile(r"(?:https?|file)://\S+|[./~]\S*|[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_INDEX = re.compile(r"https?://[^/\s]\S*|file:/\S+|pypi")
# By which people mean any version; conda would look for one of that name.
_NO_VERSIONS = ("any", "latest", "newest", "none", "null")
_ANY = 'write `""` for any version'
_EXAMPLE = "write for example `>=1.2,<2`"
# A command line and a `Config` give texts, and numbers in the place of texts.
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
# 3.10 and 3.20, written without quotes, are these numbers.
_SHORTENED = (3.1, 3.2)


class Arguments(NamedTuple):
    """What a decorator was given, each argument as it is meant; None for what it was not given."""

    channels: tuple[str, ...] | None = None
    conda_only: tuple[Requirement, ...] | None = None
    default_groups: bool | None = None
    disabled: bool | None = None
    environment: str | None = None
    extra_indices: tuple[str, ...] | None = None
    extras: tuple[str, ...] | None = None
    fetch_at_exec: bool | None = None
    flow_dir: str | None = None
    groups: tuple[str, ...] | None = None
    libraries: tuple[Requirement, ...] | None = None
    locked: bool | None = None
    name: str | None = None
    no_groups: tuple[str, ...] | None = None
    only_groups: tuple[str, ...] | None = None
    package: tuple[str, ...] | None = None
    packages: tuple[Requirement, ...] | None = None
    path: str | None = None
    pathspec: str | None = None
    pip_packages: tuple[Requirement, ...] | None = None
    pip_sources: tuple[str, ...] | None = None
    python: str | None = None
    sources: tuple[str, ...] | None = None
    use_flow_dir: bool | None = None

    def given(self) -> Iterator[str]:
        """The names of those that were given."""
        return (name for name in self._fields if getattr(self, name) is not None)


def read(kind: str, place: str, attributes: Mapping[str, object]) -> Arguments:
    """What a decorator says.

    Raises `InvalidRequest`, which names the place, the argument, and the item in it.
    """
    arguments: dict[str, Any] = {}
    for key, value in attributes.items():
        category = PACKAGES.get((kind, key))
        try:
            arguments[key] = _packages(category, place, value) if category else READERS[key](value)
        except InvalidRequest as error:
            raise InvalidRequest(f"{place}: `{key}`: {error}", error.hint) from None
    return Arguments(**arguments)


def _packages(category: Category, place: str, value: object) -> tuple[Requirement, ...]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(
            f"is {_type(value)}, not an object of names and versions", 'write `{"NAME": "VERSION"}`'
        )
    return tuple(_package(category, place, *item) for item in value.items())


def _package(category: Category, place: str, name: object, version: object) -> Requirement:
    if not isinstance(name, str) or not name.strip():
        raise InvalidRequest(f"`{name}` is not a name", 'write `{"NAME": "VERSION"}`')
    name = name.strip()
    about = f"`{redact(name)}`: "
    # A number has lost what was written: `1.10` is 1.1.
    if not isinstance(version, str):
        number = isinstance(version, (int, float)) and not isinstance(version, bool)
        raise InvalidRequest(
            f"{about}the version is {_type(version)}, not a text",
            f'write `"{version}"`' if number else _ANY,
        )
    try:
        text = _SPELL[category](name, version.strip())
        return parse_requirement(text, category=category, origin=Origin(place))
    except InvalidRequest as error:
        raise InvalidRequest(f"{about}{error}", error.hint) from None
    except ParseErrors as error:
        message = "; ".join(problem.message for problem in error.problems)
        raise InvalidRequest(f"{about}{message}", error.hint or _EXAMPLE) from None


def _spell_pypi(name: str, version: str) -> str:
    # Metaflow's decorators take a version only; a marker stands behind it, as it would in a
    # requirement.
    bare, semicolon, marker = version.partition(";")
    bare, marker = bare.strip(), f" ;{marker}" if semicolon else ""
    if _is_direct(name):
        return _at_revision(name, bare) + marker
    target = bare.removeprefix("@").strip()
    if "://" in target:
        return f"{name} @ {version.removeprefix('@').strip()}"
    if bare.startswith("@") and "/" not in target and not target.startswith("."):
        raise InvalidRequest(
            f"`{bare}` is a revision, and `{name}` is not the URL of a repository",
            f'write `{{"git+https://HOST/REPOSITORY": "{bare}"}}`',
        )
    star = ".*" if _is_minor(name, bare) else ""
    return f"{name} {_after(bare)}{star}{marker}".strip()


def _is_direct(name: str) -> bool:
    return "://" in name or "@" in name or name.startswith((".", "/", "~"))


def _at_revision(reference: str, revision: str) -> str:
    """A direct reference with the revision of its repository, which Metaflow has as its version."""
    if not revision:
        return reference
    if not revision.removeprefix("@").strip() or not revision.startswith("@"):
        raise InvalidRequest(
            "a direct reference has no version beside it",
            'write `""`, or for a branch, tag or commit of a repository `"@REVISION"`',
        )
    url, mark, fragment = reference.partition("#")
    scheme, _, rest = url.partition("://")
    # A repository has its kind in front, `git+https`, and a name may stand before that: `name @
    # git+...`.
    if "+" not in scheme.rpartition("@")[2] or "@" in rest.partition("/")[2]:
        raise InvalidRequest(
            f"`{revision}` stands beside what has a revision already, or is no repository",
            'write `""`',
        )
    return f"{url}@{revision.removeprefix('@').strip()}{mark}{fragment}"


def _after(version: str) -> str:
    """A constraint as it stands behind a name; a bare version is an exact one."""
    if not version or version == "*":
        return ""
    return version if version[0] in "<>=!~@(" else f"=={_version(version)}"


def _is_minor(name: str, version: str) -> bool:
    """Whether this is a minor version of Python, which stands for all of its releases."""
    bare = name.rpartition("::")[2].strip().lower()
    return bare == "python" and re.fullmatch(r"\d+(\.\d+)?", version) is not None


def _spell_conda(name: str, version: str) -> str:
    if ";" in version:
        raise InvalidRequest("conda packages have no markers", "ask for it by `@pypi`")
    # In a MatchSpec, a version after a space is exact; `==1.2.*` is not what anybody means.
    glued = ("=" in version and version[0].isdigit()) or _is_minor(name, version)
    return f"{name}{'=' if glued else ' '}{_version(version)}".strip()


def _spell_sys(name: str, version: str) -> str:
    return f"{name}={version.lstrip('= ')}"


def _version(text: str) -> str:
    if text.lower() in _NO_VERSIONS:
        raise InvalidRequest(f"`{text}` is not a version", _ANY)
    return text


_SPELL: Mapping[Category, Callable[[str, str], str]] = {
    "conda": _spell_conda,
    "npconda": _spell_conda,
    "pypi": _spell_pypi,
    "sys": _spell_sys,
}


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise InvalidRequest(f"is {_type(value)}, not a list", 'write `["a", "b"]`')
    for item in value:
        if not isinstance(item, str):
            raise InvalidRequest(f"has {_type(item)}, not a text", "write it in quotes")
        if not item.strip():
            raise InvalidRequest("has a text that is empty", "leave it out")
    return tuple(item.strip() for item in value)


def _one_or_more(value: object) -> tuple[str, ...]:
    return _texts([value] if isinstance(value, str) else value)


def _channels(value: object) -> tuple[str, ...]:
    return _each(value, _CHANNEL, "the name or the URL of a channel", "conda-forge")


def _indexes(value: object) -> tuple[str, ...]:
    return _each(value, _INDEX, "the URL of an index", "https://HOST/simple")


def _each(value: object, form: re.Pattern[str], what: str, example: str) -> tuple[str, ...]:
    texts = _texts(value)
    for item in texts:
        if not form.fullmatch(item):
            raise InvalidRequest(f"`{redact(item)}` is not {what}", f"such as `{example}`")
    return texts


def _text(value: object) -> str:
    # A command line gives what is made of digits as a number.
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InvalidRequest(f"is {_type(value)}, not a text", "write it in quotes")
    return str(value)


def _flag(value: object) -> bool:
    flag = _FLAGS.get(str(value).lower())
    if flag is None:
        raise InvalidRequest(f"`{value}` is neither true nor false", "write `True` or `False`")
    return flag


def _python(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InvalidRequest(f"is {_type(value)}, not a version", 'write `"3.12"`')
    if value in _SHORTENED:
        raise InvalidRequest(f"is the number {value}", f'write `"{value}0"` in quotes')
    return str(value).strip()


def _type(value: object) -> str:
    names = {
        bool: f"the flag {value}",
        float: f"the number {value}",
        int: f"the number {value}",
        str: "a text",
        type(None): "None",
    }
    kind = "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"
    return names.get(type(value), kind)


READERS: Mapping[str, Callable[[object], object]] = {
    "channels": _channels,
    "default_groups": _flag,
    "disabled": _flag,
    "environment": _text,
    "extra_indices": _indexes,
    "extras": _texts,
    "fetch_at_exec": _flag,
    "flow_dir": _text,
    "groups": _texts,
    "locked": _flag,
    "name": _text,
    "no_groups": _texts,
    "only_groups": _texts,
    "package": _one_or_more,
    "path": _text,
    "pathspec": _text,
    "pip_sources": _indexes,
    "python": _python,
    "sources": _indexes,
    "use_flow_dir": _flag,
}
"""By argument that names no packages, what reads its value."""
