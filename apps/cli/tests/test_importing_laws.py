"""Laws of imports, over generated environments: what was exported comes back as it was."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envid import ResolvedEnv
from mfenv.errors import NotExportable
from mfenv.exporting.formats import export
from mfenv.importing.preparing import prepare_import
from mfenv.request import Request
from mfenv.settings import Settings
from pkgcache.web.credentials import Credentials
from pkgcache.worker import Worker
from resolvers.pinned import PinnedResolver
from resolvers.request import ResolveContext

from .generated import SHARED, whole

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from envid.packages import Package

NAMES = {"conda-lock": "conda-lock.yml", "pixi": "pixi.lock", "explicit": "list.txt"}


def settled(envs: Sequence[ResolvedEnv]) -> tuple[ResolvedEnv, ...]:
    """The same with wheels that run everywhere, and without edges to what is not there.

    Of a package that several platforms have, each has the edges of all: pixi has one entry for it.
    """
    packages = {env.platform: [p for p in env.packages if _runs(p)] for env in envs}
    names = [{p.name for p in held} for held in packages.values()]
    everywhere = set.intersection(*names)

    def whole(package: Package) -> Package:
        same = (p for held in packages.values() for p in held if p.url == package.url)
        needs = {name for p in same for name in p.depends} & everywhere
        return package._replace(depends=tuple(sorted(needs)))

    found = {env.platform: (env.python, [whole(p) for p in packages[env.platform]]) for env in envs}
    return ResolvedEnv.co_resolve(envs[0].spec, found, resolved_by="me")


def _runs(package: Package) -> bool:
    return package.kind == "conda" or (
        not package.built_from and package.filename.endswith("-any.whl")
    )


def imported(text: str, name: str) -> tuple[ResolvedEnv, ...]:
    """What a lock is imported as; nothing is asked, since no process and no server is there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text)
        prepared = prepare_import(
            Request(locks=(path,)), Settings.load(environ={}), Credentials(), note=lambda _: None
        )
        with Worker(on_process=_none) as worker:
            context = ResolveContext(cache_dir=Path(folder), offline=True, on_process=_none)
            resolver = PinnedResolver(worker, prepared.pins)
            found = resolver.resolve(prepared.spec, prepared.platforms, context)
    by_platform = {name: (one.python, one.packages) for name, one in found.items()}
    return ResolvedEnv.co_resolve(prepared.spec, by_platform, resolved_by="me")


def _none(name: str) -> Any:
    raise AssertionError(name)


def edges(env: ResolvedEnv) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(p.kind, p.name): p.depends for p in env.packages}


@pytest.mark.slow
@pytest.mark.parametrize("form", NAMES)
@given(whole(), st.randoms())
def test_what_was_exported_comes_back(
    form: str, envs: tuple[ResolvedEnv, ...], order: random.Random
) -> None:
    envs = settled(envs)
    if form == "explicit":
        envs = ResolvedEnv.co_resolve(
            envs[0].spec,
            {
                envs[0].platform: (
                    envs[0].python,
                    [p for p in envs[0].packages if p.kind == "conda"],
                )
            },
            resolved_by="me",
        )
    try:
        text = export(envs, form).text
    except NotExportable:  # for want of an md5
        assert form == "conda-lock"
        return
    found = imported(text, NAMES[form])
    assert {env.full_id for env in found} == {envs[0].full_id}
    assert [env.platform for env in found] == [env.platform for env in envs]
    if form != "explicit":
        assert [edges(env) for env in found] == [edges(env) for env in envs]
        return
    # In whatever order: it is the same request.
    head, *lines = text.rpartition("@EXPLICIT\n")
    listed = lines[-1].splitlines(keepends=True)
    order.shuffle(listed)
    (shuffled,) = imported(f"{head}@EXPLICIT\n{''.join(listed)}", NAMES[form])
    assert shuffled.req_id == found[0].req_id


@pytest.mark.shared
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("locks/pixi-v4/turtlesim-lock.yml", marks=pytest.mark.slow),
        "locks/pixi-v5/stability-original.yml",
        "public-locks/conda-lock/rattler__test-data__conda-lock__v0__python-conda-lock.yml",
    ],
)
def test_real_locks_come_back_from_every_format(path: str) -> None:
    if not (SHARED / path).exists():
        pytest.skip(f"{SHARED / path} is not here")
    first = imported((SHARED / path).read_text(), path.rpartition("/")[2])
    for form, name in NAMES.items():
        for envs in [(env,) for env in first] if form == "explicit" else [first]:
            if any(p.kind == "pypi" for env in envs for p in env.packages) and form == "explicit":
                continue
            found = imported(export(envs, form).text, name)
            for env, again in zip(envs, found, strict=True):
                assert {tuple(p.identity.items()) for p in again.packages} == {
                    tuple(p.identity.items()) for p in env.packages
                }
                if form != "explicit":
                    assert again.full_id == env.full_id
