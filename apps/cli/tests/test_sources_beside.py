"""Locks of pip, pipenv, poetry, pixi and scripts beside what they were made from."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from mfenv.errors import InvalidRequest
from mfenv.importing.locks import read_locks
from mfenv.importing.staleness import check_fresh
from mfenv.request import Request
from mfenv.settings import Settings
from pkgcache.web.credentials import Credentials
from resolvers.testing import FakeIndex, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

SHA = "0" * 64


def notes(lock: Path, *, strict: bool = False, groups: tuple[str, ...] = ()) -> tuple[str, ...]:
    request = Request(locks=(lock,), groups=groups)
    credentials = Credentials()
    settings = Settings.load(environ={}, directory=lock.parent)
    locks = read_locks(request, settings, credentials, lambda _: None)
    return check_fresh(locks, strict=strict)


def uv(folder: Path, index: FakeIndex, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {key: text for key, text in os.environ.items() if not key.startswith("UV_")}
    environ |= {
        "UV_DEFAULT_INDEX": index.url,
        "UV_PYTHON": sys.executable,
        "UV_CACHE_DIR": str(folder / "cache"),
    }
    command = [find_uv_bin(), *words]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


def test_a_lock_of_a_script(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    same = "# /// script\n# requires-python = '>=3.10'\n# dependencies = ['app']\n# ///\nprint()\n"
    script.write_text(same)
    lock = tmp_path / "job.py.lock"
    with FakeIndex(make_wheel("app", "1.0"), make_wheel("dep", "1.0")) as index:
        assert uv(tmp_path, index, "lock", "--script", "job.py").returncode == 0
        assert notes(lock, strict=True) == ()
        for before, after, told in (
            ("'app'", "'app', 'dep'", "asks of `dep`"),
            (">=3.10", ">=3.11", "requires-python"),
            (
                "# ///\np",
                "# [tool.uv]\n# constraint-dependencies = ['app<9']\n# ///\np",
                "constraint",
            ),
        ):
            script.write_text(same.replace(before, after))
            assert uv(tmp_path, index, "lock", "--check", "--script", "job.py").returncode != 0
            (note,) = notes(lock)
            assert told in note
            assert note.startswith(f"{script}: ")


def test_what_its_input_alone_brought_and_no_longer_asks_for(tmp_path: Path) -> None:
    source, lock = tmp_path / "requirements.in", tmp_path / "requirements.txt"
    source.write_text("app\nTool\n")
    app = make_wheel("app", "1.0", requires=["dep"])
    with FakeIndex(app, make_wheel("dep", "1.0"), make_wheel("tool", "1.0")) as index:
        for style in ("split", "line"):
            words = (source.name, "-o", lock.name, "--annotation-style", style)
            source.write_text("app\nTool\n")
            assert uv(tmp_path, index, "pip", "compile", *words).returncode == 0
            assert notes(lock, strict=True) == ()
            source.write_text("app\n")
            assert notes(lock) == (
                f"{source}: `tool` is not asked for, and `{lock}` was made for it",
            )
            source.write_text("Tool\n")
            (note,) = notes(lock)
            assert "`app` is not asked for" in note


def test_a_pipfile_is_known_by_its_hash(tmp_path: Path) -> None:
    source, lock = tmp_path / "Pipfile", tmp_path / "Pipfile.lock"
    same = (
        "[[source]]\nname = 'ours'\nurl = 'https://host.test/simple'\nverify_ssl = true\n"
        "[packages]\napp = '*'\n[dev-packages]\ntool = {version = '*'}\n[docs]\nsite = '*'\n"
        "[requires]\npython_version = '3.12'\n[scripts]\nstart = 'app'\n"
    )
    source.write_text(same)
    # What pipenv hashes, in its own words.
    text = (
        '{"_meta":{"requires":{"python_version":"3.12"},"sources":[{"name":"ours",'
        '"url":"https://host.test/simple","verify_ssl":true}]},"default":{"app":"*"},'
        '"develop":{"tool":{"version":"*"}},"docs":{"site":"*"}}'
    )
    entry = {"hashes": [f"sha256:{SHA}"], "version": "==1.0"}
    meta = {
        "hash": {"sha256": hashlib.sha256(text.encode()).hexdigest()},
        "pipfile-spec": 6,
        "requires": {"python_version": "3.12"},
        "sources": [{"name": "ours", "url": "https://host.test/simple", "verify_ssl": True}],
    }
    content = {"_meta": meta, "default": {"app": entry}, "develop": {"tool": entry}}
    lock.write_text(json.dumps({**content, "docs": {"site": entry}}))
    assert notes(lock, strict=True) == ()
    source.write_text(same.replace("start = 'app'", "start = 'other'"))
    assert notes(lock, strict=True) == ()
    # Without a source pipenv has its own, which the lock tells.
    source.write_text(same[same.index("[packages]") :])
    assert notes(lock, strict=True) == ()
    for before, after in (("app = '*'", ""), ("tool =", "test ="), ("site = '*'", "site = '>1'")):
        source.write_text(same.replace(before, after))
        assert notes(lock) == (f"{source}: what it asks for is not what `{lock}` was made for",)


POETRY = """[[package]]
name = "{name}"
version = "1.0"
optional = false
python-versions = "*"
groups = ["{group}"]
files = [{{file = "{name}-1.0-py3-none-any.whl", hash = "sha256:{sha}"}}]
"""


def test_groups_of_poetry(tmp_path: Path) -> None:
    source, lock = tmp_path / "pyproject.toml", tmp_path / "poetry.lock"
    named = (("app", "main"), ("tool", "dev"), ("site", "docs"))
    packages = "".join(POETRY.format(name=name, group=group, sha=SHA) for name, group in named)
    lock.write_text(
        f"{packages}[metadata]\nlock-version = '2.1'\npython-versions = '>=3.9'\ncontent-hash = ''\n"
    )
    same = (
        "[tool.poetry]\nname = 'x'\nversion = '1'\n[tool.poetry.dependencies]\npython = '>=3.9'\n"
        "app = '^1'\n[tool.poetry.group.dev.dependencies]\ntool = '*'\n"
        "[tool.poetry.group.docs.dependencies]\nsite = '*'\n"
    )
    source.write_text(same)
    assert notes(lock, strict=True) == ()
    for before, after in (("tool = '*'", "tool = '^2'"), ("site = '*'", "site = '*'\nmore = '*'")):
        source.write_text(same.replace(before, after))
        (note,) = notes(lock)
        assert "is asked for" in note
    source.write_text(f"{same}[dependency-groups]\nnew = ['more']\n")
    (note,) = notes(lock)
    assert "`more` is asked for" in note
    source.write_text(f"{same}[tool.poetry.group.docs]\noptional = true\n")
    (note,) = notes(lock, strict=True)
    assert "optional for poetry: `docs`" in note
    assert notes(lock, strict=True, groups=("main",)) == ()


def test_a_manifest_of_pixi_asks_for_more_than_its_lock_has(tmp_path: Path) -> None:
    source, lock = tmp_path / "pixi.toml", tmp_path / "pixi.lock"
    url = "https://host.test/forge"
    lock.write_text(
        f"version: 6\nenvironments:\n  default:\n    channels:\n    - url: {url}/\n"
        "    packages:\n      linux-64: []\npackages: []\n"
    )
    same = f"[workspace]\nname = 'x'\nchannels = ['{url}']\nplatforms = ['linux-64']\n"
    source.write_text(same)
    assert notes(lock, strict=True) == ()
    for text, told in (
        (same.replace("['linux-64']", "['linux-64', 'osx-arm64']"), "the platform `osx-arm64`"),
        (same.replace(f"['{url}']", f"['{url}', 'other']"), "the channel `other`"),
        (f"{same}[feature.a.dependencies]\n[environments]\nmore = ['a']\n", "environment `more`"),
    ):
        source.write_text(text)
        (note,) = notes(lock)
        assert told in note


def test_what_cannot_be_compared_is_no_success(tmp_path: Path) -> None:
    lock = tmp_path / "pylock.toml"
    lock.write_text("lock-version = '1.0'\ncreated-by = 'me'\npackages = []\n")
    assert notes(lock) == ()
    (note,) = notes(lock, strict=True)
    assert "was not checked" in note
    lock.with_name("pyproject.toml").write_text("[project]\nname = 'x'\nversion = '1'\n")
    (note,) = notes(lock)
    assert "cannot be told: a pylock.toml does not say" in note
    with pytest.raises(InvalidRequest, match="it is not known that a lock is fresh"):
        notes(lock, strict=True)
