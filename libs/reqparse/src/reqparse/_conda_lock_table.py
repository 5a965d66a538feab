"""`[tool.conda-lock]`: channels, platforms and conda dependencies beside the project's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reqparse._poetry import constraint
from reqparse._pypi import pep508_requirement

if TYPE_CHECKING:
    from reqparse._node import Node
    from reqparse._project import Project

_CARET = re.compile(r"[~^]\s*[0-9]")


def read(project: Project, table: Node) -> bool:
    """Take the table; whether it says that the project's own dependencies are not wanted."""
    job = project.job
    skip = False
    with job.guard(project.at(table)):
        for node in table.get("channels").items:
            if node.text == "nodefaults":
                job.facts["no_defaults"] = True
            else:
                job.add_source("channel", job.expand(node.text, project.at(node)), project.at(node))
        for node in table.get("pip-repositories").items:
            url = job.expand(node.text, project.at(node))
            job.add_source("extra-index", url, project.at(node), base=project.base)
        if platforms := tuple(dict.fromkeys(table.get("platforms").texts())):
            job.facts["platforms"] = platforms
        for name, node in table.get("dependencies").table.items():
            _take(project, name, node)
        if "allow-pypi-requests" in table.table:
            node = table.get("allow-pypi-requests")
            job.note(project.at(node), "`allow-pypi-requests` is not used")
        skip = table.get("skip-non-conda-lock").value is True
        _explain(project, table, skip=skip)
    return skip


def _explain(project: Project, table: Node, *, skip: bool) -> None:
    if skip:
        node = table.get("skip-non-conda-lock")
        project.job.note(project.at(node), "the project's own dependencies are not asked for")
    elif table.value is not None and table.opt("default-non-conda-source") not in ("pip", "pypi"):
        text = "the project's own dependencies are read as PyPI's, not looked up among conda's"
        project.job.note(project.at(table), text)


def _take(project: Project, name: str, node: Node) -> None:
    with project.job.guard(project.at(node)):
        if isinstance(node.value, dict) and node.opt("source") in ("pypi", "pip"):
            extras = list(node.get("extras").texts())
            found = project.direct(name, node, extras=extras)
            if found is None:
                listed = f"[{','.join(extras)}]" if extras else ""
                text = name + listed + constraint(node.opt("version") or "")
                found = pep508_requirement(text, base=project.base)
            project.take(found, node, name)
            return
        version = node if isinstance(node.value, str) else node.get("version")
        if isinstance(version.value, str) and _CARET.match(version.value):
            version.value = constraint(version.value)
        project.conda(name, node)
