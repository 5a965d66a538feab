"""environment.yml in the dialects of conda, conda-lock, mamba and the reference system.

Selectors in comments (`# [linux]`) and in mamba's keys (`sel(linux): ...`) give each requirement
the platforms it applies to.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from envid.redaction import redact
from reqparse._conda import conda_requirement, pep440, sys_requirement
from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._selectors import comment_selector, select
from reqparse._strange import check_file, check_keys
from reqparse._url import absolute, directory
from reqparse._yaml import load_yaml
from reqparse.model import PLATFORMS, Origin, Requirement
from reqparse.requirements_txt import RequirementsReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqparse._node import Node
    from reqparse._reading import Reading

__all__ = ["KEYS", "python_stated", "read"]

KEYS = (
    *("category", "name", "channels", "platforms", "dependencies", "sys", "variables"),
    *("pip-repositories", "pypi-indices"),
)
"""What is read at the top of a file, in this order; what else stands there is noted."""
_UNUSED = {
    "allow-pypi-requests": "PyPI is asked for what is listed under `pip:`",
    "channel_priority": "the setting `channel_priority` says it",
    "platform": "`platforms:` lists those to resolve for",
    "prefix": "an environment is created where you say",
}
_SEL = re.compile(r"sel\((.*)\)")
# `pip: [numpy=1.26]` is conda's spelling in the place of pip's, which refuses it; what is meant is
# certain.
_SINGLE_EQUALS = re.compile(
    r"([A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?)\s*=(?!=)\s*([<>~=!]=|[<>])?\s*([^=\s]\S*)"
)


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what an environment.yml and the files that it includes say to `reading`."""
    _Reader(reading, location).read(data)


def python_stated(requirement: Requirement) -> str | None:
    """The Python version that a dependency on conda's `python` states, as a PEP 440 specifier.

    None for any other requirement, and for a version that PEP 440 has no words for.
    """
    if requirement.category != "conda" or requirement.name != "python":
        return None
    return pep440(requirement.specifier)


def _document(data: bytes) -> Node:
    text = decode(data, pep263=False)
    try:
        root = load_yaml(text)
    # A template may be valid YAML by chance; only where it is not, is it told as what it is.
    except Flaw as flaw:
        if re.search(r"(?m)^\s*\{%|\{\{", text):
            raise Flaw(
                "this is no environment.yml: it seems to be a conda recipe or another template",
                "give what comes of it",
                flaw.line,
            ) from None
        raise
    if isinstance(root.value, (list, str)):
        hint = "what stands in lines by itself is a requirements.txt, and given with `-r`"
        raise Flaw("this is no environment.yml: it has no keys", hint, root.line)
    return root


class _Reader:
    def __init__(self, reading: Reading, location: str) -> None:
        self._reading = reading
        self._location, self._file = location, redact(location)
        self._base = absolute(directory(location))
        self._pip = RequirementsReader(reading)
        self._group: str | None = None

    def read(self, data: bytes) -> None:
        # In the order of KEYS, not of the file: a category holds for all that is read after it.
        takers: tuple[Callable[[Node], None], ...] = (
            *(self._category, self._name, self._channels, self._platforms, self._dependencies),
            *(self._sys, self._variables, self._indexes, self._indexes),
        )
        keys = dict(zip(KEYS, takers, strict=True))
        with self._reading.guard(self._at(None)):
            check_file(self._location, data, "environment.yml")
            table = _document(data).table
            check_keys(table, (*KEYS, *_UNUSED), "environment.yml", "`dependencies` or `channels`")
            for key, take in keys.items():
                if key in table:
                    with self._reading.guard(self._at(table[key])):
                        take(table[key])
            for key in [key for key in table if key not in keys]:
                with self._reading.guard(self._at(table[key])):
                    self._other(key, table[key])

    def _other(self, key: str, node: Node) -> None:
        """Note a key that means nothing here; what seems to mean something is wrong."""
        if key == "pip":
            raise Flaw("`pip:` stands by itself", "indent it, as an item of `dependencies:`")
        if key not in _UNUSED and (near := get_close_matches(key, KEYS, n=1, cutoff=0.75)):
            raise Flaw(f"there is no key `{key}`", f"did you mean `{near[0]}`?")
        self._reading.note(self._at(node), f"`{key}` is not used: {_UNUSED.get(key, 'not known')}")

    def _at(self, node: Node | None) -> Origin:
        return Origin(file=self._file, line=node.line if node else None)

    def _name(self, node: Node) -> None:
        self._reading.places["name"] = self._at(node)
        self._reading.facts["name"] = None if node.value is None else node.text

    def _category(self, node: Node) -> None:
        self._group = None if node.text == "main" else node.text

    def _platforms(self, node: Node) -> None:
        self._reading.places["platforms"] = self._at(node)
        self._reading.facts["platforms"] = tuple(dict.fromkeys(node.texts()))

    def _variables(self, node: Node) -> None:
        variables = {}
        for name, value in node.table.items():
            with self._reading.guard(self._at(value)):
                # YAML has made true or false of it; in the environment it is a text again.
                is_flag = isinstance(value.value, bool)
                variables[name] = str(value.value).lower() if is_flag else value.text
        self._reading.facts["variables"] = variables
        self._reading.places["variables"] = self._at(node)

    def _channels(self, node: Node) -> None:
        for item in node.items:
            with self._reading.guard(self._at(item)):
                if item.text == "nodefaults":
                    self._reading.facts["no_defaults"] = True
                else:
                    channel = self._reading.expand(item.text, self._at(item))
                    with self._reading.scope(self._chosen(item, None)):
                        self._reading.add_source("channel", channel, self._at(item))

    def _indexes(self, node: Node) -> None:
        for item in node.items:
            with self._reading.guard(self._at(item)):
                url = self._reading.expand(item.text, self._at(item))
                self._reading.add_source("extra-index", url, self._at(item), base=self._base)

    def _sys(self, node: Node) -> None:
        self._each(node, None, self._sys_package)

    def _dependencies(self, node: Node) -> None:
        self._each(node, None, self._conda)

    def _each(
        self,
        node: Node,
        platforms: tuple[str, ...] | None,
        take: Callable[[Node, tuple[str, ...] | None], None],
    ) -> None:
        for item in node.items:
            if item.value is None:
                self._reading.note(self._at(item), "an empty item")
                continue
            with self._reading.guard(self._at(item)):
                take(item, self._chosen(item, platforms))

    def _chosen(self, node: Node, platforms: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The platforms that remain after the selector beside a node, if there is any."""
        if not re.search(r"\[[^\[\]]*\]", node.comment):
            return platforms
        chosen = comment_selector(node.comment)
        if chosen is None:
            self._reading.note(self._at(node), f"`# {node.comment}` is not a platform selector")
            return platforms
        return self._narrow(node, chosen, platforms)

    def _narrow(
        self, node: Node, chosen: tuple[str, ...], platforms: tuple[str, ...] | None
    ) -> tuple[str, ...] | None:
        chosen = tuple(p for p in chosen if platforms is None or p in platforms)
        if not chosen:
            self._reading.note(
                self._at(node), "its selector chooses no platform that is known here"
            )
        # All of them are said by None, however that was written.
        return None if chosen == PLATFORMS else chosen

    def _conda(self, item: Node, platforms: tuple[str, ...] | None) -> None:
        if isinstance(item.value, dict):
            self._section(item, platforms)
            return
        requirement = conda_requirement(item.text, base=self._base)
        self._add(requirement, item, platforms)
        # It is a package of conda's, and states the Python that all others are for.
        if version := python_stated(requirement):
            with self._reading.scope(platforms):
                self._reading.add_python(version, self._at(item))

    def _add(self, requirement: Requirement, item: Node, platforms: tuple[str, ...] | None) -> None:
        with self._reading.scope(platforms, self._group):
            self._reading.add(
                replace(requirement, origin=self._at(item), original=redact(item.text))
            )

    def _section(self, item: Node, platforms: tuple[str, ...] | None) -> None:
        """A mapping among the dependencies: `pip:`, `sys:`, or mamba's `sel(...):`."""
        for key, node in item.table.items():
            chosen = self._chosen(node, platforms)
            if node.value in (None, []):
                text = f"`{key}:` is empty: what belongs to it is indented more than it"
                self._reading.note(self._at(node), text)
                continue
            if key == "pip":
                self._each(node, chosen, self._pip_line)
            elif key == "sys":
                self._each(node, chosen, self._sys_package)
            elif (selector := _SEL.fullmatch(key)) and (
                selected := select(selector[1])
            ) is not None:
                self._conda(node, self._narrow(node, selected, platforms))
            else:
                raise Flaw(f"`{key}:` among the dependencies", "only `pip:` and `sys:`", node.line)

    def _sys_package(self, item: Node, platforms: tuple[str, ...] | None) -> None:
        self._add(sys_requirement(item.text), item, platforms)

    def _pip_line(self, item: Node, platforms: tuple[str, ...] | None) -> None:
        text = item.text
        if pin := _SINGLE_EQUALS.fullmatch(text):
            text = f"{pin[1]}{pin[2] or '=='}{pin[3]}"
            self._reading.note(self._at(item), f"`{item.text}` is read as `{text}`")
        with self._reading.scope(platforms, self._group):
            # By platforms: what is included for Linux is read once more where it is for macOS, too.
            self._pip.line(text, self._location, self._at(item), platforms)
