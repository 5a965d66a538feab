"""conda-lock.yml, the unified lock file of conda-lock (version 1).

pixi wrote the same with other details, as versions 1 to 3 of its own lock file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from envid.redaction import redact
from reqparse._edges import conda_edge, pypi_edge
from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._locked import Place, check_version, conda_parts, hash_table
from reqparse._strange import check_file, check_keys
from reqparse._url import is_vcs
from reqparse._yaml import load_yaml
from reqparse.locked import Lock, LockedPackage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._reading import Reading

__all__ = ["read"]

DEFAULT = ("main", "dev")
"""The categories that conda-lock installs where nothing is said."""

_UNREAD = {
    "metadata.*": None,  # when and by whom it was made
    "package.optional": None,  # what is not of the category `main`
    "package.source": "a package is taken from its URL",
    "package.constrains": "it bounds packages that would be chosen anew",
    **{
        f"package.{key}": None  # what the file of the package says itself
        for key in (
            *("arch", "build", "build_number", "license", "license_family", "noarch"),
            *("purls", "subdir", "timestamp", "track_features"),
        )
    },
}


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a conda-lock.yml says to `reading`."""
    check_file(location, data, "conda-lock.yml")
    root = load_yaml(decode(data, pep263=False))
    if "metadata" not in root.table or "package" not in root.table:
        check_keys(root.table, ("metadata",), "conda-lock.yml", "`metadata` and `package`")
        raise Flaw("this conda-lock.yml has no `package`", "make it again")
    check_version(root.get("version"), ("1",), "conda-lock.yml")
    place = Place(location, redact(location))
    _read(reading, place, root)
    categories = dict.fromkeys(group for p in reading.packages for group in p.groups)
    metadata = root.get("metadata")
    reading.facts["lock"] = Lock(
        kind="conda-lock.yml",
        groups=tuple(categories),
        default_groups=tuple(name for name in DEFAULT if name in categories),
        content_hash={name: node.text for name, node in metadata.get("content_hash").table.items()},
        made_from=tuple(metadata.get("sources").texts()),
        origin=place.at(root),
    )
    reading.note_unread(root, place.file, _UNREAD)


def read_pixi(reading: Reading, place: Place, root: Node) -> None:
    """Add what a pixi.lock up to version 3 says: its one environment is `default`."""
    if "metadata" not in root.table or "package" not in root.table:
        raise Flaw("this pixi.lock has no `metadata` and `package`", "lock again with pixi")
    _read(reading, place, root, "default")
    platforms = reading.facts.get("platforms", ())
    reading.facts["lock"] = Lock(
        kind="pixi.lock", environments={"default": platforms}, origin=place.at(root)
    )
    reading.note_unread(root, place.file, _UNREAD)


def _read(reading: Reading, place: Place, root: Node, environment: str | None = None) -> None:
    metadata = root.get("metadata")
    with reading.guard(place.at(metadata)):
        reading.facts["platforms"] = tuple(dict.fromkeys(metadata.get("platforms").texts()))
        for node in metadata.get("channels").items:
            channel = node if isinstance(node.value, str) else node.get("url")
            reading.add_source(
                "channel", reading.expand(channel.text, place.at(node)), place.at(node)
            )
            if isinstance(node.value, dict) and (names := list(node.get("used_env_vars").texts())):
                reading.note(place.at(node), f"`used_env_vars` is not used: {', '.join(names)}")
    for node in root.get("package").items:
        with reading.guard(place.at(node)):
            reading.packages.append(_package(place, node, environment))


def _package(place: Place, node: Node, environment: str | None) -> LockedPackage:
    name, manager, url = node.get("name").text, node.opt("manager"), node.get("url").text
    if manager not in (("conda", "pip", "pypi") if environment else ("conda", "pip")):
        raise Flaw(f"`{name}` has the manager `{manager}`", "conda-lock knows `conda` and `pip`")
    category = node.opt("category")
    groups = [category] if category else list(node.get("categories").texts())
    hashes = hash_table(node.get("hash"))
    if is_vcs(url):
        hashes = []  # conda-lock says the commit once more, and calls it a sha256
    edge = conda_edge if manager == "conda" else pypi_edge
    return LockedPackage(
        category="conda" if manager == "conda" else "pypi",
        name=name.lower() if manager == "conda" else canonicalize_name(name),
        version=node.opt("version"),
        # Not every release of conda-lock writes `build`; the name of the file always has it.
        build=conda_parts(url)[2] if manager == "conda" else None,
        artifacts=(place.artifact(url, hashes=hashes, size=node.number("size")),),
        platforms=(node.get("platform").text,),
        groups=(environment,) if environment else tuple(groups),
        requires_python=node.opt("requires_python"),
        dependencies=tuple(edge(text) for text in _dependencies(node)),
        origin=place.at(node),
    )


def _dependencies(node: Node) -> Iterator[str]:
    """What a package needs: a table from name to version or, of pixi, a list."""
    dependencies = node.get("dependencies")
    yield from node.get("requires_dist").texts()
    if isinstance(dependencies.value, list):
        yield from dependencies.texts()
        return
    for name, version in dependencies.table.items():
        yield f"{name} {version.text if version.value is not None else ''}"
