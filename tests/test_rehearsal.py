"""A release, rehearsed: wheels are built and installed where nothing of the checkout can be seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).parent.parent
MEMBERS = (
    "libs/envid",
    "libs/reqparse",
    "libs/pkgcache",
    "libs/resolvers",
    "apps/cli",
    "apps/metaflow-ext",
)

pytestmark = [pytest.mark.network, pytest.mark.slow]


def run(*command: str | Path) -> str:
    # Nothing of the surrounding environment may lend a module to the one under test.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    for member in MEMBERS:
        run(uv.find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", out, ROOT / member)
    return out


def install(wheels: Path, venv: Path, *names: str) -> Path:
    run(uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    command: list[str | Path] = [uv.find_uv_bin(), "pip", "install", "--quiet", "--no-sources"]
    run(*command, "--python", python, "--find-links", wheels, *names)
    return python


def test_mfenv_from_its_wheels_runs(wheels: Path, tmp_path: Path) -> None:
    python = install(wheels, tmp_path / "venv", "mfenv")
    assert "Usage: mfenv" in run(python.with_name("mfenv"), "--help")
    assert run(python.with_name("mfenv"), "--version").startswith("mfenv, version ")


def test_envid_and_reqparse_bring_nothing_heavy(wheels: Path, tmp_path: Path) -> None:
    python = install(wheels, tmp_path / "venv", "envid", "reqparse")
    listed = json.loads(
        run(uv.find_uv_bin(), "pip", "list", "--format", "json", "--python", python)
    )
    expected = {"envid", "reqparse", "packaging", "pyyaml"}
    expected |= {"tomli"} if sys.version_info < (3, 15) else set()
    assert {one["name"].lower() for one in listed} == expected
    run(python, "-c", "import envid, reqparse")


def test_metaflow_has_the_extension_while_it_is_installed(wheels: Path, tmp_path: Path) -> None:
    python = install(wheels, tmp_path / "venv", "metaflow-mfenv")
    code = (
        "import metaflow.extension_support as support\n"
        "from metaflow.decorators import get_all_step_decos\n"
        "from metaflow.plugins import ENVIRONMENTS\n"
        "(conda,) = (one for one in ENVIRONMENTS if one.TYPE == 'conda')\n"
        "found = {name: one['version'] for name, one in support._all_packages.items()}\n"
        "print(found, conda.__module__, get_all_step_decos()['pypi'].__module__)\n"
    )
    package = "metaflow_extensions.mfenv"
    expected = f"{{'metaflow-mfenv': '0.1.0'}} {package}.conda_environment {package}.decorators"
    assert run(python, "-c", code).strip() == expected
    run(uv.find_uv_bin(), "pip", "uninstall", "--python", python, "metaflow-mfenv")
    own = "metaflow.plugins.pypi"
    expected = f"{{}} {own}.conda_environment {own}.pypi_decorator"
    assert run(python, "-c", code).strip() == expected


@pytest.mark.parametrize("member", MEMBERS)
def test_wheel_holds_the_package_and_nothing_else(wheels: Path, member: str) -> None:
    project = member.split("/")[1].replace("cli", "mfenv").replace("metaflow-ext", "metaflow_mfenv")
    (wheel,) = wheels.glob(f"{project}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    package = "metaflow_extensions" if project == "metaflow_mfenv" else project
    (info,) = top - {package}
    assert info.endswith(".dist-info")
    assert f"{info}/licenses/LICENSE" in names
    assert any(name.endswith("/py.typed") for name in names)
    if project == "metaflow_mfenv":
        assert f"{info}/top_level.txt" in names
