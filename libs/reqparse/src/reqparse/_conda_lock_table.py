"""`[tool.conda-lock]`: channels, platforms and conda dependencies beside the project's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reqparse._poetry_versions import constraint

if TYPE_CHECKING:
    from reqparse._node import Node
    from reqparse._project import Project

_CARET = re.compile(r"[~^]\s*[0-9]")


_UNUSED = {
    "allow-pypi-requests": "requirements of PyPI's are taken as such",
    "category": "the whole table is read",
    "default-non-conda-source": "the project's own dependencies are PyPI's",
}
_DEPENDENCY = {
    "optional": "what the table names is asked for",
    "category": "what the table names is asked for",
    "manager": "what has no `source` of its own is conda's",
}


def read(project: Project, table: Node) -> bool:
    """Take the table; whether it says that the project's own dependencies are not wanted."""
    if table.value is None:
        return False
    reading = project.reading
    skip = False
    with reading.guard(project.at(table)):
        for node in table.get("channels").items:
            reading.add_source(
                "channel", reading.expand(node.text, project.at(node)), project.at(node)
            )
        for node in table.get("pip-repositories").items:
            url = reading.expand(node.text, project.at(node))
            reading.add_source("extra-index", url, project.at(node), base=project.base)
        if platforms := tuple(dict.fromkeys(table.get("platforms").texts())):
            reading.facts["platforms"] = platforms
        for name, node in table.get("dependencies").table.items():
            _take(project, name, node)
        skip = table.get("skip-non-conda-lock").flag
        # conda-lock looks up the project's own dependencies among conda's where nothing is said.
        if table.opt("default-non-conda-source") in ("pip", "pypi"):
            table.get("default-non-conda-source").done = True
        elif not skip:
            text = "the project's own dependencies are read as PyPI's, not looked up among conda's"
            reading.note(project.at(table), text)
        project.unused(table, _UNUSED)
    return skip


def _take(project: Project, name: str, node: Node) -> None:
    with project.reading.guard(project.at(node)):
        if not isinstance(node.value, dict):
            version = node
        else:
            project.unused(node, _DEPENDENCY)
            version = node.get("version")
            if node.opt("source") in ("pypi", "pip"):
                extras = list(node.get("extras").texts())
                requirement = project.direct(name, node, extras=extras)
                if requirement is None:
                    requirement = project.named(
                        name, constraint(node.opt("version") or ""), extras=extras
                    )
                project.check_read(node, name)
                project.take(requirement, node, name)
                return
        # Poetry's signs, which no MatchSpec has. In the node, since `conda` reads all of that.
        if isinstance(version.value, str) and _CARET.match(version.value):
            version.value = constraint(version.value)
        project.conda(name, node)
