"""Environments to draw, of as many packages as one likes, and a browser that looks at pages."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from envid.packages import Package
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec, Source
from mfenv.reporting.overview import overview

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser, Dialog, Page

    from mfenv.reporting.overview import Overview

PATIENCE = 300_000  # milliseconds, of which a busy machine may need many
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def drawn(
    count: int, *, platforms: Sequence[str] = ("linux-64",), newer: int = 0
) -> tuple[ResolvedEnv, ...]:
    """An environment of `top0`, which needs `count` others: each of these two with higher numbers.

    Every third one is conda's. Their sizes grow with their numbers; the first has none. The first
    `newer` of them have another version.
    """
    names = [f"part{number:03}" for number in range(count)]

    def package(number: int, platform: str) -> Package:
        name, is_conda = names[number], number % 3 == 2
        needed = [number + 3, 3 * number + 3 if not is_conda else number + 9]
        version = f"{number % 7}.{2 if number < newer else 1}"
        digest = hashlib.sha256(f"{name} {version} {platform}".encode()).hexdigest()
        return Package.make(
            kind="conda" if is_conda else "pypi",
            name=name,
            version=version,
            build="h0_0" if is_conda else None,
            filename=f"{name}-{version}-h0_0.conda" if is_conda else f"{name}-{version}.whl",
            url=f"https://files.test/{name}",
            sha256=digest,
            size=1000 * number * number or None,
            depends=[names[one] for one in needed if one < count and (one % 3 == 2) is is_conda],
        )

    top = Package.make(
        kind="pypi",
        name="top0",
        version="1.0",
        filename="top0-1.0.whl",
        url="https://files.test/top0",
        sha256="0" * 64,
        size=5000,
        depends=names[: min(count, 40)],
    )
    spec = EnvSpec.make(
        requirements={"pypi": ["top0"]}, python="", sources=[Source.make("index", "pypi")]
    )
    found = {
        platform: ("3.11.7", [top, *(package(number, platform) for number in range(count))])
        for platform in platforms
    }
    places = {platform: {"pypi": {"top0": "requirements.txt:1"}} for platform in platforms}
    return ResolvedEnv.co_resolve(spec, found, resolved_by="ada", origins=places)


def without_packages() -> tuple[ResolvedEnv, ...]:
    """An environment that is a Python of the system, and nothing else."""
    spec = EnvSpec.make(requirements={}, python="3.11")
    return ResolvedEnv.co_resolve(spec, {"linux-64": ("3.11.7", ())}, resolved_by="ada")


def circle() -> tuple[ResolvedEnv, ...]:
    """An environment of two packages of conda that need each other."""
    packages = [
        Package.make(
            kind="conda",
            name=name,
            version="1",
            build="0",
            filename=f"{name}-1-0.conda",
            url=f"https://files.test/{name}",
            sha256=digit * 64,
            size=1500,
            depends=[other],
        )
        for name, other, digit in (("one", "two", "1"), ("two", "one", "2"))
    ]
    spec = EnvSpec.make(requirements={"conda": ["one"]}, python="")
    return ResolvedEnv.co_resolve(spec, {"linux-64": ("3.11.7", packages)}, resolved_by="ada")


def seen(licence: str = "MIT", **envs: Sequence[ResolvedEnv]) -> Overview:
    """What there is to see of them; every package states this licence."""
    every = [package for found in envs.values() for env in found for package in env.packages]
    return overview(envs, lambda _: (), dict.fromkeys(every, licence))


def program() -> str | None:
    """A browser of this machine."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def started() -> Iterator[Browser]:
    """A browser without windows; skips where there is none, or nothing to drive it with."""
    found = program()
    if not found:
        pytest.skip(f"this machine has none of {', '.join(PROGRAMS)}")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser: Browser = driver.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, **options: object) -> Iterator[Page]:
    """A page of a file; whatever it asks for, complains of or pops up fails at the end."""
    faults: list[str] = []

    def dismissed(dialog: Dialog) -> None:
        faults.append(dialog.message)
        dialog.dismiss()

    page = browser.new_page(**options)  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", dismissed)
    page.on("request", lambda request: faults.append(request.url))
    page.goto(path.as_uri())
    yield page
    page.close()
    asked = [fault for fault in faults if fault not in (path.as_uri(), "data:,")]
    assert asked == []


def stops(page: Page) -> Iterator[str]:
    """What the Tab key leads to, until it leaves the page or comes to where it was before."""
    page.evaluate("window.met = new Set([document.body])")
    while True:
        page.keyboard.press("Tab")
        met = "met.has(document.activeElement) || !met.add(document.activeElement)"
        if page.evaluate(met):
            return
        yield named(page)


def named(page: Page) -> str:
    """What has the focus, as somebody hears it who does not see the page: `link Packages`."""
    tree: Mapping[str, str] = page.evaluate(
        """() => {
          const one = document.activeElement;
          const label = one.getAttribute("aria-label") || (one.labels && one.labels[0] || one).textContent;
          return { name: one.localName, label: label.trim() };
        }"""
    )
    return f"{tree['name']} {tree['label']}"
