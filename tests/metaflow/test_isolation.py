"""What lies beside a flow, or on its PYTHONPATH, and what of mfenv could be in its way."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .helpers import Pad

pytestmark = pytest.mark.slow

OURS = ("envid", "mfenv", "pkgcache", "reqparse", "resolvers")
# What these import, but for what Metaflow itself cannot do without.
OTHERS = (
    *("click", "markdown_it", "mdurl", "packaging", "pygments"),
    *("rattler", "rich", "tomli", "uv", "yaml"),
)
# As modules of the extension are called.
COMMAND = ("-m", "metaflow.cmd.main_cli", "environment")
OWN = ("bridge", "engine", "isolated", "local", "names", "needs", "runner", "staging")


@pytest.fixture
def shadows(pad: Pad, tmp_path: Path) -> Pad:
    """The pad with flows in a directory with modules by all of these names."""
    folder = tmp_path / "flows"
    folder.mkdir()
    for name in ("inside", "shadowed", "shadowed_inner"):
        shutil.copy(pad.flows / f"{name}.py", folder)
    for name in (*OURS, *OTHERS, *OWN):
        (folder / f"{name}.py").write_text("MINE = True\n")
    found = pad.at(folder)
    found.started = True
    return found


def names(*more: str) -> dict[str, str]:
    return {"NAMES": " ".join((*OURS, *OTHERS, *OWN, *more))}


def test_modules_beside_a_flow_are_its_own_and_no_others(shadows: Pad) -> None:
    ran = shadows.ok("shadowed", env=names())
    assert ran.fact("done") == names()["NAMES"].split()
    assert ran.fact("inner")


def test_modules_on_pythonpath_are_the_flows_and_no_others(shadows: Pad, tmp_path: Path) -> None:
    path = tmp_path / "modules"
    path.mkdir()
    for name in OURS:
        (shadows.flows / f"{name}.py").rename(path / f"{name}.py")
    (path / "sitecustomize.py").write_text("import sys\nsys.modules['resolvers_were_here'] = sys\n")
    env = {"NAMES": " ".join(OTHERS), "PYTHONPATH": str(path), "PYTHONSTARTUP": str(path / "none")}
    assert shadows.ok("shadowed", env=env).fact("done")


def test_empty_directories_beside_a_flow_are_nothing(shadows: Pad) -> None:
    for name in (*OURS, *OTHERS, *OWN):
        (shadows.flows / f"{name}.py").unlink()
        (shadows.flows / name).mkdir()
    assert shadows.ok("shadowed", env={"NAMES": ""}).fact("inner")


def test_packages_of_metaflow_beside_a_flow_are_metaflows_alone(shadows: Pad) -> None:
    # As much of it as Metaflow needs; what it gives mfenv would not do.
    (shadows.flows / "zstandard.py").write_text("MINE = True\n")
    (shadows.flows / "requests").mkdir()
    (shadows.flows / "requests" / "__init__.py").write_text(
        "MINE = True\n"
        "class Session:\n    def mount(self, *_): pass\n"
        "class adapters:\n    class HTTPAdapter:\n        def __init__(self, **_): pass\n"
    )
    assert shadows.ok("shadowed", env=names("requests", "zstandard")).fact("inner")


def test_the_command_does_not_look_where_it_is_started(shadows: Pad) -> None:
    for env in ({}, {"PYTHONPATH": str(shadows.flows)}):
        ran = shadows.python(*COMMAND, "list", "--json", env=env)
        assert ran.status == 0, ran.out
        assert json.loads(ran.data)


def test_mfenv_may_be_installed_where_only_pythonpath_says(shadows: Pad, tmp_path: Path) -> None:
    """As `pip install --target` does it, for a Python that is told its home as well."""
    target = tmp_path / "target"
    target.mkdir()
    for path in {Path(str(one.locate_file(""))) for one in distributions()} | set(sources()):
        for one in path.iterdir():
            if not (target / one.name).is_symlink():
                (target / one.name).symlink_to(one)
    python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    env = {
        **names(),
        "OUTSIDE_PREFIX": sys.base_prefix,
        "PYTHONHOME": sys.base_prefix,
        "PYTHONPATH": str(target),
    }
    ran = shadows.of(str(python)).ok("shadowed", env=env)
    assert ran.fact("inner")


def sources() -> list[Path]:
    """Where the distributions of a checkout are, if they are not installed as wheels."""
    return [Path(path) for path in sys.path if Path(path).name == "src"]
