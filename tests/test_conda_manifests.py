"""pixi's manifests and scripts, resolved against real channels: what they say is what comes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from .channel import Recipe, cached, pack, write_channel

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Machine

PACKAGES = (
    *(Recipe(name="lib", version=version, noarch="generic") for version in ("1.0", "2.0", "3.0")),
    Recipe(name="tool", version="1.0", noarch="generic", depends=("lib >=1",)),
    Recipe(name="more", version="1.0", noarch="generic", extra={"extra_depends": {"x": ["tool"]}}),
)
NEAR = (Recipe(name="lib", version="1.5", noarch="generic"),)


@pytest.fixture
def conda(machine: Machine) -> Machine:
    for name, recipes in (("far", PACKAGES), ("near", NEAR)):
        folder = machine.root / name
        packed = [pack(recipe, folder) for recipe in recipes]
        write_channel(folder, {path: record for one in packed for path, record in one.items()})
    machine.environ |= {"MFENV_PYTHON_PROVIDER": "conda"}
    return machine


def resolved(machine: Machine, text: str, *words: str, name: str = "pixi.toml") -> dict[str, str]:
    """The conda packages and versions that a file comes to, Python and its own aside."""
    path: Path = machine.root / name
    path.write_text(
        text.replace("MAIN", cached().main.as_uri())
        .replace("FAR", (machine.root / "far").as_uri())
        .replace("NEAR", (machine.root / "near").as_uri())
    )
    kind = "--script" if name.endswith(".py") else "-p"
    out = machine.ok("resolve", kind, path, "--platform", "linux-64", "--json", *words)
    env = json.loads(out)["environments"][0]
    ours = {recipe.name for recipe in PACKAGES}
    return {one["name"]: one["version"] for one in env["packages"] if one["name"] in ours}


WORKSPACE = 'workspace.channels = ["FAR", "MAIN"]\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ("dependencies.tool = '*'", {"tool": "1.0", "lib": "3.0"}),
        ("dependencies.tool = '*'\nconstraints.lib = '<3'", {"tool": "1.0", "lib": "2.0"}),
        ("dependencies.more = '*'\nconstraints.lib = '<3'", {"more": "1.0"}),
        (
            "dependencies.tool = '*'\ntarget.osx.constraints.lib = '<3'",
            {"tool": "1.0", "lib": "3.0"},
        ),
        (
            "dependencies.lib = '1.*'\ntarget.linux.dependencies.lib = '2.*'",
            {"lib": "2.0"},
        ),
        ("dependencies.lib = { version = '*', when = '__osx' }", {}),
        ("dependencies.lib = { version = '2.*', when = '__unix' }", {"lib": "2.0"}),
        (
            "dependencies.more = { extras = ['x'] }",
            {"more": "1.0", "tool": "1.0", "lib": "3.0"},
        ),
        (
            "environments.default = ['old']\nfeature.old.dependencies.lib = '1.*'",
            {"lib": "1.0"},
        ),
        (
            "environments.default = ['old']\nfeature.old.channels = ['NEAR']\ndependencies.lib = '*'",
            {"lib": "1.5"},
        ),
        (
            """environments.default = ['old']
dependencies.lib = '*'
feature.old.channels = [{ channel = 'NEAR', priority = -1 }]""",
            {"lib": "3.0"},
        ),
        (
            """workspace.channel-priority = 'disabled'
dependencies.lib = '*'
environments.default = ['old']
feature.old.channels = ['NEAR']""",
            {"lib": "3.0"},
        ),
    ],
)
def test_a_manifest_comes_to_what_it_says(
    conda: Machine, text: str, packages: dict[str, str]
) -> None:
    assert resolved(conda, WORKSPACE + text) == packages


@pytest.mark.slow
def test_an_environment_of_a_manifest_is_a_group(conda: Machine) -> None:
    text = (
        WORKSPACE
        + "dependencies.lib = '*'\nenvironments.bare = { features = ['t'],"
        + " no-default-feature = true }\nfeature.t.dependencies.more = '*'"
    )
    assert resolved(conda, text) == {"lib": "3.0"}
    assert resolved(conda, text, "--group", "bare") == {"more": "1.0"}


def test_the_conda_packages_of_a_script_come(conda: Machine) -> None:
    text = (
        '# /// script\n# requires-python = ">=3.9"\n# [tool.pixi.workspace]\n'
        '# channels = ["FAR", "MAIN"]\n# [tool.pixi.dependencies]\n# tool = "*"\n'
        '# [tool.pixi.constraints]\n# lib = "<2"\n# ///\n'
    )
    assert resolved(conda, text, name="job.py") == {"tool": "1.0", "lib": "1.0"}


def test_a_bound_that_cannot_hold_is_named(conda: Machine) -> None:
    (conda.root / "pixi.toml").write_text(
        f"workspace.channels = ['{(conda.root / 'far').as_uri()}', '{cached().main.as_uri()}']\n"
        "dependencies.tool = '*'\nconstraints.lib = '<1'\n"
    )
    done = conda.run("resolve", "-p", conda.root / "pixi.toml")
    assert done.status == 1
    assert "lib" in done.err
    assert "Traceback" not in done.err
    assert "defect" not in done.err
