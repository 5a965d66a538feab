"""Steps in environments that were there before, where nothing can be resolved any more."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from envid.platforms import host_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .helpers import Pad

pytestmark = pytest.mark.slow

GONE = {"MFENV_CHANNELS": "file:///gone", "MFENV_INDEX_URL": "http://127.0.0.1:9/simple"}
PYTHON = ("--python", f"{sys.version_info.major}.{sys.version_info.minor}")
GPU = {"METAFLOW_CONDA_SYS_DEFAULT_GPU_PACKAGES": '{"__cuda": "12.4"}'}


@pytest.fixture(scope="session")
def known(pad: Pad) -> str:
    """An environment that has a name: its description."""
    asked = ("--conda", "colours=1.0", "--conda", "requests", *PYTHON)
    return pad.mfenv("resolve", *asked, "--alias", "team/known:v1", "--json")


def old_package(one: Mapping[str, Any]) -> dict[str, Any]:
    data = Path(unquote(urlsplit(one["url"]).path)).read_bytes()
    ending = ".tar.bz2" if one["filename"].endswith(".tar.bz2") else ".conda"
    return {
        "_type": "conda",
        "filename": one["filename"].removesuffix(ending),
        "url": one["url"],
        "url_format": ending,
        "hashes": {ending: hashlib.md5(data, usedforsecurity=False).hexdigest()},
    }


@pytest.fixture(scope="session")
def imported(pad: Pad, known: str) -> str:
    """The same packages as metaflow-netflixext described them, taken over by another name."""
    (ours,) = json.loads(known)["environments"]
    environment = {
        "deps": [f"conda::python=={ours['python']}", "conda::colours==1.0", "conda::requests"],
        "sources": ["conda::https://gone.test/main"],
        "packages": [old_package(one) for one in ours["packages"]],
        "resolved_on": "2024-05-01T10:00:00",
        "resolved_by": "ada",
        "resolved_archs": [host_platform()],
    }
    old = {"a" * 40: {"b" * 40: environment}}
    manifest = pad.root / "conda_v2.cnd"
    manifest.write_text(
        json.dumps(
            {
                "version": 1,
                "environments": {host_platform(): old},
                "aliases": {"team/old/v1": ["a" * 40, "b" * 40]},
            }
        )
    )
    metaflow = str(Path(sys.executable).with_name("metaflow"))
    taken = pad.python(metaflow, "environment", "import-netflixext", str(manifest))
    assert taken.status == 0, taken.out
    return "team/old:v1"


@pytest.mark.parametrize(
    ("words", "env"),
    [
        ((), {}),
        ((), {"MFENV_VIRTUAL_PACKAGES": "__cuda=12.4 __glibc=2.17 __osx=12.0"}),
        ((), {"CONDA_OVERRIDE_CUDA": "12.4"}),
        ((), {"MFENV_PYTHON": "3.13"}),
        (("--with", "resources:gpu=1"), GPU),
        (("--with", 'sys_packages:packages={"__cuda": "12.4"}'), {}),
        (("--with", 'conda:libraries={"colours": ">=1.0,<2"}'), {}),
    ],
)
@pytest.mark.parametrize("name", ["team/known:v1", "team/old:v1"])
def test_a_named_environment_runs_as_it_is(
    pad: Pad, imported: str, name: str, words: tuple[str, ...], env: dict[str, str]
) -> None:
    del imported
    expected = pad.mfenv("show", name, "--json")
    full_id = json.loads(expected)["environments"][0]["full_id"]
    words = ("--with", f"named_env:name={name}", *words)
    shown = pad.ok("bare", env={**GONE, **env}, command=f"{' '.join(words[:2])} environment show")
    assert f":{full_id} " in shown.out
    ran = pad.ok("bare", *words, env={**GONE, **env})
    assert ran.fact("modules") == ["colours", "requests"]
    assert full_id[:12] in ran.out


def test_what_to_do_is_said_in_the_words_of_metaflow(pad: Pad) -> None:
    ran = pad.run("bare", "--with", "named_env:name=team/nothing:v1", env=GONE)
    assert ran.status != 0
    assert "`metaflow environment list` shows" in ran.out
    assert "`mfenv " not in ran.out
