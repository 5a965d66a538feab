"""One HTML file that shows environments: it loads nothing, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from envid.markup import Html, element, joined
from mfenv.reporting.parts import counted
from mfenv.reporting.sections import SECTIONS, label

if TYPE_CHECKING:
    from mfenv.reporting.overview import Overview

__all__ = ["GENERATOR", "page"]

GENERATOR = "mfenv report"


def page(view: Overview) -> str:
    """The page: the same for the same data, whoever makes it and whenever."""
    style, script = (_file(name).strip() for name in ("page.css", "page.js"))
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_digest(style)}; script-src {_digest(script)}"
    )
    # In a script element text is not escaped but ends at `</script`; JSON may write `<` otherwise.
    data = json.dumps(view.to_dict(), separators=(",", ":")).replace("<", "\\u003c")
    return Template(_file("page.html")).substitute(
        policy=policy,
        generator=GENERATOR,
        title=joined(view.heading),
        style=style,
        body=_body(view),
        data=data,
        script=script,
    )


def _body(view: Overview) -> Html:
    parts = [section(view) for section in SECTIONS]
    # Of the sections that there are: some have nothing to show.
    titles = re.findall(r'<h2 id="([a-z]+)-title">([^<]*)</h2>', "".join(parts))
    links = [element("li", element("a", title, href=f"#{name}")) for name, title in titles]
    platforms = len(view.environments)
    counts = counted(len({key for seen in view.environments for key in seen.graph.packages}))
    said = [counted(len(view.names), "environment"), counts]
    if platforms > len(view.names):
        said.insert(1, f"{platforms} platforms in all")
    return joined(
        element(
            "header",
            element("h1", view.heading),
            element("p", ", ".join(said), class_="faint"),
            element("nav", element("ul", *links), aria_label="Sections"),
        ),
        _tools(view),
        element("main", *parts, id="content", tabindex=-1),
    )


def _tools(view: Overview) -> Html:
    options = [
        element("option", label(seen, view.environments), value=number)
        for number, seen in enumerate(view.environments)
    ]
    choice = element(
        "span",
        element("label", "Show ", for_="part"),
        element("select", *options, id="part"),
        hidden=len(options) == 1,
    )
    search = joined(
        element("label", "Find ", for_="search"),
        Html('<input type="search" id="search" autocomplete="off" spellcheck="false">'),
        element("span", id="found", class_="faint", role="status"),
    )
    return element(
        "div",
        element("span", search),
        choice,
        element("button", type="button", id="theme"),
        id="tools",
        class_="tools",
        role="search",
        hidden=True,
    )


def _file(name: str) -> str:
    return (files("mfenv.reporting") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
