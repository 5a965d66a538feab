"""What a task imports inside its own environment: Metaflow, the standard library, Python 3.8."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import metaflow_extensions.mfenv.plugins.mfextinit_mfenv as plugins
from metaflow_extensions.mfextmeta_mfenv import APART

SOURCE = Path(plugins.__file__).parents[1]
PACKAGE = "metaflow_extensions.mfenv"
PYTHONS = sorted(Path.home().glob(".pyenv/versions/3.8.*/bin/python"))


def imported_at_once(path: Path) -> set[str]:
    """The modules that a module imports when it is imported itself."""
    found = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pending += ast.iter_child_nodes(node)
    return found


def in_tasks() -> list[Path]:
    """The modules that Metaflow loads of the extension, and those that they load."""
    described = [*plugins.STEP_DECORATORS_DESC, *plugins.FLOW_DECORATORS_DESC]
    described += [*plugins.ENVIRONMENTS_DESC, *plugins.TL_PLUGINS_DESC]
    names = [path.rpartition(".")[0] for _, path in described]
    names += [f"{PACKAGE}.{one}" for one in ("toplevel.toplevel", "config.mfextinit_mfenv")]
    names += [f"{PACKAGE}.plugins.cards.mfextinit_mfenv"]
    names += [f"{PACKAGE}.{one}" for one in ("bootstrap", "environment_cmd", "isolated", "serving")]
    found: dict[str, Path] = {}
    while names:
        name = names.pop()
        path = SOURCE / f"{name.removeprefix(PACKAGE + '.').replace('.', '/')}.py"
        if name.startswith(f"{PACKAGE}.") and name not in found and path.exists():
            found[name] = path
            names += imported_at_once(path)
    return list(found.values())


def test_only_metaflow_and_the_standard_library_are_imported_at_once() -> None:
    known = {*sys.stdlib_module_names, "metaflow", "metaflow_extensions"}
    strangers = {
        (path.name, name)
        # The last is read with every flow, but for those in tasks.
        for path in (*in_tasks(), SOURCE / "environment_cli.py")
        for name in imported_at_once(path)
        if name.partition(".")[0] not in known
    }
    assert strangers == set()


def test_what_is_in_no_code_package_is_what_no_task_imports() -> None:
    readme = (SOURCE.parents[2] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*) \| .* \| (yes|no|imported) \|$", readme, re.MULTILINE)
    told = {name: where for names, where in rows for name in re.findall(r"`(\w+)`", names)}
    public = {path.stem for path in SOURCE.glob("*.py") if not path.stem.startswith("_")}
    assert told.keys() == public
    private = {path.stem for path in SOURCE.glob("_*.py")} - {"__about__"}
    assert private | {name for name, where in told.items() if where == "no"} == set(APART)
    assert set(APART).isdisjoint(path.stem for path in in_tasks())


@pytest.mark.slow
def test_python_38_imports_it_with_metaflow(tmp_path: Path) -> None:
    if not PYTHONS:
        pytest.skip("this machine has no Python 3.8")
    (tmp_path / "metaflow").symlink_to(Path(str(distribution("metaflow").locate_file("metaflow"))))
    (tmp_path / "metaflow_extensions").mkdir()
    (tmp_path / "metaflow_extensions" / "mfenv").symlink_to(SOURCE)
    # As much of it as Metaflow needs when it is imported.
    (tmp_path / "requests.py").write_text(
        "class Session:\n    def mount(self, *_): pass\n"
        "class adapters:\n    class HTTPAdapter:\n        def __init__(self, **_): pass\n"
    )
    code = (
        "import importlib, sys\n"
        "from metaflow import conda, named_env, pip, pypi, req_parser, sys_packages\n"
        "from metaflow.plugins import ENVIRONMENTS\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "print(*sorted(one.__module__ for one in ENVIRONMENTS if one.TYPE in ('conda', 'pypi')))\n"
    )
    names = [
        ".".join((PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts)) for path in in_tasks()
    ]
    done = subprocess.run(
        [PYTHONS[0], "-B", "-s", "-c", code, *names],
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{PACKAGE}.conda_environment"] * 2


def test_a_task_imports_nothing_that_asks_mfenv() -> None:
    """A dataclass takes as long to make as a module, and every task of a run makes them."""
    code = f"""
import dataclasses, sys
made, make = [], dataclasses.dataclass
def counting(*words, **options):
    if sys._getframe(1).f_globals["__name__"].startswith("{PACKAGE}"):
        made.append(1)
    return make(*words, **options)
dataclasses.dataclass = counting
import metaflow, {PACKAGE}.task, {PACKAGE}.conda_environment, {PACKAGE}.decorators
ours = [name.rpartition(".")[2] for name in sys.modules if name.startswith("{PACKAGE}.")]
print(len(made), *ours)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    made, *modules = done.stdout.split()
    assert int(made) == 1
    asking = {"bridge", "collect", "command_records", "local", "messages", "run_records"}
    assert asking & set(modules) == set()
