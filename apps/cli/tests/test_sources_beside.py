"""Locks of pip, pipenv, poetry, pixi and scripts beside what they were made from."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from uv import find_uv_bin

from mfenv.errors import InvalidRequest
from mfenv.importing.content_hashes import conda_lock_hashes
from mfenv.importing.locks import read_locks
from mfenv.importing.staleness import check_fresh
from mfenv.request import Request
from mfenv.settings import Settings
from pkgcache.web.credentials import Credentials
from reqparse import parse_file
from resolvers.testing import FakeIndex, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

SHA = "0" * 64


def notes(lock: Path, *, strict: bool = False, **asked: Any) -> tuple[str, ...]:
    request = Request(locks=(lock,), **asked)
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


NO_KEYRING = "keyring.backends.null.Keyring"
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
    assert "`docs`; `--no-group` leaves one out" in note
    # All groups come along, whichever else is named.
    assert notes(lock, strict=True, groups=("main",)) == (note,)
    assert notes(lock, strict=True, groups=("docs",)) == ()
    assert notes(lock, strict=True, without_groups=("docs",)) == ()
    assert notes(lock, strict=True, only_groups=("dev",)) == ()


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


# What other tools compute, by themselves


def tool_venv(folder: Path, package: str) -> Path:
    """The Python of a new environment with a tool from the public index."""
    for words in (("venv", "-q", "tool"), ("pip", "install", "-q", "--python", "tool", package)):
        command = [find_uv_bin(), *words]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if ran.returncode:
            pytest.skip(f"{package} cannot be installed: {ran.stderr.splitlines()[-1:]}")
    return folder / "tool/bin/python"


OLDER = (
    "[tool.poetry]\nname = 'x'\nversion = '1'\nauthors = []\ndescription = ''\n"
    "package-mode = false\n[tool.poetry.dependencies]\npython = '>=3.9'\napp = '^1'\n"
)
NEWER = (
    "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.9'\ndependencies = ['app>=1']\n"
    "[tool.poetry]\npackage-mode = false\n[dependency-groups]\ndev = ['tool']\n"
)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("release", ["1.8.5", "2.1.4", ""])
def test_poetry_knows_its_own_locks_as_we_do(tmp_path: Path, release: str) -> None:
    python = tool_venv(tmp_path, f"poetry=={release}" if release else "poetry")
    source, lock = tmp_path / "pyproject.toml", tmp_path / "poetry.lock"
    with FakeIndex(make_wheel("app", "1.0"), make_wheel("tool", "1.0")) as index:
        where = f"[[tool.poetry.source]]\nname = 'ours'\nurl = '{index.url}'\n"
        extras = "[tool.poetry.extras]\nmore = ['app']\n"
        group = "[tool.poetry.group.t.dependencies]\ntool = '*'\n"
        older = [OLDER, OLDER + where, OLDER + extras + group]
        newer = {"1.8.5": [], "2.1.4": [NEWER.partition("[dependency-groups]")[0]]}
        for text in (*older, *newer.get(release, [NEWER])):
            same = text if where in text else text + where
            source.write_text(same)
            command = [str(python), "-m", "poetry", "lock", "-n"]
            environ = {**os.environ, "HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": NO_KEYRING}
            subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=True)
            assert notes(lock, strict=True) == ()
            # No package says that less is asked for than was.
            source.write_text(same.replace("app = '^1'", "").replace("'app>=1'", ""))
            expected = f"{source}: what it asks for is not what `{lock}` was made for"
            assert notes(lock) == (expected,)
            source.write_text(same.replace("version = '1'", "version = '2'"))
            assert notes(lock, strict=True) == ()


CONDA_LOCK = """
import json, pathlib, sys
from conda_lock.content_hash import compute_content_hashes
from conda_lock.src_parser import make_lock_spec
from conda_lock.virtual_package import default_virtual_package_repodata
asked = make_lock_spec(src_files=[pathlib.Path("environment.yml")], mapping_url="names.yml")
print(json.dumps(compute_content_hashes(asked, default_virtual_package_repodata())))
"""


@pytest.mark.slow
@pytest.mark.network
def test_conda_lock_knows_its_own_locks_as_we_do(tmp_path: Path) -> None:
    python = tool_venv(tmp_path, "conda-lock>=4")
    source = tmp_path / "environment.yml"
    names = "pip: {conda_name: pip, import_name: pip, mapping_source: x, pypi_name: pip}\n"
    (tmp_path / "names.yml").write_text(names)
    same = (
        "channels: [conda-forge, https://host.test/ours]\n"
        "platforms: [linux-64, linux-aarch64, osx-64, osx-arm64]\ncategory: dev\ndependencies:\n"
        "- python=3.11\n- conda-forge::app >=1,<2\n- app==1.0\n- blas=*=mkl\n- other 1.0 *_cuda\n"
        "- only  # [linux64]\n- pip\n- pip:\n  - Req_uests[b,a] >=2, <3\n  - more===1.0\n  - -e .\n"
    )
    source.write_text(same)
    command = [str(python), "-c", CONDA_LOCK]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    said = parse_file(source)
    digests = json.loads(ran.stdout.splitlines()[-1])
    assert all(digest in conda_lock_hashes(said, name) for name, digest in digests.items())
    assert len(digests) == len(set(digests.values())) == 4
    for before, after in (("3.11", "3.12"), ("- only  # [linux64]\n", ""), ("[b,a]", "")):
        source.write_text(same.replace(before, after))
        said = parse_file(source)
        assert digests["linux-64"] not in conda_lock_hashes(said, "linux-64")


def test_a_content_hash_of_conda_lock_tells_what_packages_do_not(tmp_path: Path) -> None:
    source, lock = tmp_path / "environment.yml", tmp_path / "conda-lock.yml"
    same = "channels: [forge]\nplatforms: [linux-64]\ndependencies: [app]\n"
    more = "dependencies: [app, tool]"

    def write(digest: str, made_from: str = "environment.yml") -> None:
        packages = "".join(
            f"- name: {name}\n  version: '1'\n  manager: conda\n  platform: linux-64\n"
            f"  dependencies: {{}}\n  url: https://host.test/linux-64/{name}-1-0.conda\n"
            f"  hash: {{sha256: {SHA}}}\n  category: main\n"
            for name in ("app", "tool")
        )
        lock.write_text(
            f"version: 1\nmetadata:\n  content_hash: {{linux-64: '{digest}'}}\n  channels: []\n"
            f"  platforms: [linux-64]\n  sources: [{made_from}]\npackage:\n{packages}"
        )

    source.write_text(same.replace("dependencies: [app]", more))
    (digest, *_) = sorted(conda_lock_hashes(parse_file(source), "linux-64"))
    write(digest)
    assert notes(lock, strict=True) == ()
    source.write_text(same)
    (note,) = notes(lock)
    assert "cannot be told: its `content_hash` for linux-64 is another one" in note
    with pytest.raises(InvalidRequest, match="it is not known that a lock is fresh"):
        notes(lock, strict=True)
    source.write_text(f"{same[:-2]}, 'app[version=\"<1\"]']\n")
    (note,) = notes(lock)
    assert "is asked for on linux-64" in note
    for made_from, text, told in (
        ("environment.yml, dev.yml", same, "it was made from environment.yml, dev.yml"),
        (
            "environment.yml",
            same.replace("[app]", "[app, {pip: ['x @ https://a.test/x.zip']}]"),
            "",
        ),
    ):
        write(digest, made_from)
        source.write_text(text)
        (note,) = notes(lock)
        assert told in note
