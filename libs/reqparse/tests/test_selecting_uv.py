"""What is selected from a uv.lock is what uv itself exports, for real locks and generated projects."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

import reqparse
from reqparse.selecting import Choice, SelectionTarget, select

from .targets import target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DATA = Path(__file__).resolve().parents[4] / "shared/data"
TARGETS = [
    target(platform, python)
    for platform in ("linux-64", "osx-arm64")
    for python in ("3.10.4", "3.13.1")
]
MARKERS = (
    "sys_platform == 'darwin'",
    "sys_platform != 'darwin'",
    "python_full_version < '3.12'",
    "platform_machine == 'x86_64' and python_full_version >= '3.12'",
    "os_name == 'nt'",
)


class Uv:
    """uv in a directory of its own, without a network."""

    def __init__(self, root: Path) -> None:
        self.binary = pytest.importorskip("uv").find_uv_bin()
        self.root = root

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
        environ = {
            **kept,
            "HOME": str(self.root),
            "UV_CACHE_DIR": str(self.root / "cache"),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
        }
        command = [self.binary, *words, "--offline", "--quiet"]
        return subprocess.run(
            command, cwd=self.root, env=environ, capture_output=True, text=True, check=False
        )

    def export(self, *options: str) -> list[str] | None:
        """The lines of what uv exports; None where it refuses."""
        words = ("--frozen", "--no-hashes", "--no-header", "--no-annotate", "--no-emit-project")
        done = self.run("export", *words, *options)
        return done.stdout.splitlines() if done.returncode == 0 else None


def installed(lines: Iterable[str], goal: SelectionTarget) -> dict[str, str]:
    """What exported lines install on a target: names and versions."""
    found = {}
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(dict(goal.markers)):
            (specifier,) = requirement.specifier
            assert requirement.name not in found, lines
            found[requirement.name] = specifier.version
    return found


class Ask(NamedTuple):
    options: tuple[str, ...]
    choice: Choice


def check(uv: Uv, asks: Sequence[Ask]) -> int:
    """Compare every question's answers on every target; how many packages there were."""
    locked = reqparse.parse_file(uv.root / "uv.lock")
    count = 0
    for ask in asks:
        lines = uv.export(*ask.options)
        for goal in TARGETS:
            if not all(goal.python in _specifier(p.specifier) for p in locked.python):
                continue
            if lines is None:
                with pytest.raises(reqparse.SelectionErrors):
                    select(locked, goal, ask.choice)
                continue
            ours = {
                s.package.name: s.package.version
                for s in select(locked, goal, ask.choice)
                if not s.package.editable  # uv leaves members out, as it is asked
            }
            assert ours == installed(lines, goal), (ask.options, goal.platform, goal.python)
            count += len(ours)
    return count


def _specifier(text: str) -> Any:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(text)


def locks() -> list[Any]:
    paths = sorted((DATA / "public-locks/uv").glob("*uv.lock"))
    if not paths:
        return [pytest.param(DATA, marks=pytest.mark.skip(reason="no ../shared/data"))]
    return [pytest.param(path, id=path.name) for path in paths]


@pytest.mark.shared
@pytest.mark.parametrize("path", locks())
def test_a_real_lock(path: Path, tmp_path: Path) -> None:
    locked = reqparse.parse_file(path)
    assert locked.lock
    (root,) = locked.lock.roots
    groups = "".join(f'"{group}" = []\n' for group in locked.lock.groups)
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "{root}"\nversion = "1"\nrequires-python = ">=3.10"\n'
        f"[dependency-groups]\n{groups}"
    )
    (tmp_path / "uv.lock").write_bytes(path.read_bytes())
    asks = [Ask((), Choice()), Ask(("--no-default-groups",), Choice(default_groups=False))]
    asks += [Ask(("--extra", e), Choice(extras=(e,))) for e in locked.lock.extras]
    asks += [Ask(("--group", g), Choice(groups=(g,))) for g in locked.lock.groups]
    assert check(Uv(tmp_path), asks) >= 0


NAMES = ("pa", "pb", "pc", "pd", "pe")
Edge = str


def edges(*, forks: bool = False) -> st.SearchStrategy[list[Edge]]:
    """What something needs; versions only rarely, since what contradicts itself tests nothing."""
    edge = st.builds(
        lambda name, extra, marker: name + extra + (f" ; {marker}" if marker else ""),
        st.sampled_from(NAMES),
        st.sampled_from(["", "", "[x]"]),
        st.sampled_from([None, None, *MARKERS]),
    )
    fork = st.sampled_from(
        [
            [f"pa==1 ; {MARKERS[0]}", f"pa==2 ; {MARKERS[1]}"],
            [f"pa==2 ; {MARKERS[2]}", "pa==1 ; python_full_version >= '3.12'"],
            [f"pb==1 ; {MARKERS[1]}"],
        ]
    )
    plain = st.lists(edge, max_size=3)
    if not forks:
        return plain
    return st.builds(lambda first, rest: [*first, *rest], st.one_of(fork, st.just([])), plain)


def wheel(folder: Path, name: str, version: str, needs: list[Edge], of_extra: list[Edge]) -> None:
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: x"]
    lines += [f"Requires-Dist: {edge}" for edge in needs]
    for edge in of_extra:
        text, _, marker = edge.partition(" ; ")
        lines.append(
            f"Requires-Dist: {text} ; extra == 'x'" + (f" and ({marker})" if marker else "")
        )
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def project(root: Path, stated: dict[str, list[Edge]], conflict: tuple[str, str] | None) -> None:
    def listed(edges: list[Edge]) -> str:
        return "[" + ", ".join(f'"{edge}"' for edge in edges) + "]"

    text = (
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
        f"dependencies = {listed(stated['main'])}\n[project.optional-dependencies]\n"
        f"one = {listed(stated['one'])}\ntwo = {listed(stated['two'])}\n"
        f"all = {'[]' if conflict else listed(['app[one,two]'])}\n"
        f"[dependency-groups]\ndev = {listed(stated['dev'])}\ndocs = {listed(stated['docs'])}\n"
    )
    if conflict:
        members = ({"group" if name == "docs" else "extra": name} for name in conflict)
        inside = ", ".join(
            f"{{ {kind} = '{name}' }}" for one in members for kind, name in one.items()
        )
        text += f"[tool.uv]\nconflicts = [[{inside}]]\n"
    (root / "pyproject.toml").write_text(text)


ASKS = (
    Ask((), Choice()),
    Ask(("--no-default-groups",), Choice(default_groups=False)),
    Ask(("--extra", "one"), Choice(extras=("one",))),
    Ask(("--extra", "two", "--no-dev"), Choice(extras=("two",), without_groups=("dev",))),
    Ask(("--extra", "one", "--extra", "two"), Choice(extras=("one", "two"))),
    Ask(("--extra", "all"), Choice(extras=("all",))),
    Ask(("--group", "docs"), Choice(groups=("docs",))),
    Ask(("--only-group", "docs"), Choice(groups=("docs",), only_groups=True)),
    Ask(("--extra", "one", "--group", "docs"), Choice(extras=("one",), groups=("docs",))),
    Ask(("--extra", "none"), Choice(extras=("none",))),
    Ask(("--group", "none"), Choice(groups=("none",))),
)


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("REQPARSE_UV_EXAMPLES", "20")),
    suppress_health_check=list(HealthCheck),
)
@given(
    packages=st.fixed_dictionaries(
        {(name, version): st.tuples(edges(), edges()) for name in NAMES for version in "12"}
    ),
    stated=st.fixed_dictionaries(
        {"main": edges(forks=True), **{k: edges() for k in ("one", "two", "dev", "docs")}}
    ),
    conflict=st.sampled_from([None, None, ("one", "two"), ("one", "docs")]),
)
def test_a_generated_project(
    tmp_path_factory: pytest.TempPathFactory,
    packages: dict[tuple[str, str], tuple[list[Edge], list[Edge]]],
    stated: dict[str, list[Edge]],
    conflict: tuple[str, str] | None,
) -> None:
    root = tmp_path_factory.mktemp("project")
    (root / "links").mkdir()
    for (name, version), (needs, of_extra) in packages.items():
        wheel(root / "links", name, version, needs, of_extra)
    if conflict:
        versions = zip(conflict, ("pe==1", "pe==2"), strict=True)
        stated = stated | {name: [*stated[name], version] for name, version in versions}
    project(root, stated, conflict)
    uv = Uv(root)
    if uv.run("lock", "--no-index", "--find-links", "links").returncode:
        return  # nothing satisfies it all
    check(uv, ASKS)


WORKSPACE = {
    "pyproject.toml": """\
[tool.uv.workspace]
members = ["one", "two"]
[dependency-groups]
dev = ["pc"]
docs = ["pd"]
""",
    "one/pyproject.toml": """\
[project]
name = "one"
version = "1"
requires-python = ">=3.10"
dependencies = ["two[x]", "pa ; sys_platform == 'darwin'"]
[dependency-groups]
dev = ["pe"]
[tool.uv.sources]
two = { workspace = true }
""",
    "two/pyproject.toml": """\
[project]
name = "two"
dynamic = ["version"]
requires-python = ">=3.10"
dependencies = []
[project.optional-dependencies]
x = ["pb"]
[build-system]
requires = []
build-backend = "none"
backend-path = ["."]
""",
    "two/none.py": """\
def prepare_metadata_for_build_editable(folder, config_settings=None):
    import os
    os.mkdir(os.path.join(folder, "two-1.dist-info"))
    with open(os.path.join(folder, "two-1.dist-info", "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.4\\nName: two\\nVersion: 1\\nDynamic: Version\\n"
                   "Provides-Extra: x\\nRequires-Dist: pb ; extra == 'x'\\n")
    return "two-1.dist-info"
prepare_metadata_for_build_wheel = prepare_metadata_for_build_editable
def build_editable(*_, **__): raise SystemExit(1)
def build_wheel(*_, **__): raise SystemExit(1)
""",
}


def laid_out(root: Path, files: dict[str, str]) -> Uv:
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / "links").mkdir()
    for name in NAMES:
        wheel(root / "links", name, "1", [], [])
    return Uv(root)


def test_a_workspace(tmp_path: Path) -> None:
    uv = laid_out(tmp_path, WORKSPACE)
    done = uv.run("lock", "--no-index", "--find-links", "links")
    assert done.returncode == 0, done.stderr
    emit = ("--no-emit-workspace",)
    asks = [
        Ask(emit, Choice()),
        Ask((*emit, "--no-default-groups"), Choice(default_groups=False)),
        Ask((*emit, "--group", "docs"), Choice(groups=("docs",))),
        Ask((*emit, "--package", "two"), Choice(packages=("two",))),
        Ask((*emit, "--package", "one"), Choice(packages=("one",))),
        Ask((*emit, "--package", "two", "--extra", "x"), Choice(packages=("two",), extras=("x",))),
    ]
    assert check(uv, asks) > 10
    locked = reqparse.parse_file(tmp_path / "uv.lock")
    assert [s.package.name for s in select(locked, TARGETS[0], Choice(packages=("one",)))] == [
        *("pb", "pe", "two"),
    ]


def test_a_script(tmp_path: Path) -> None:
    text = '# /// script\n# requires-python = ">=3.10"\n# dependencies = ["pa", "pb ; os_name == \'nt\'"]\n# ///\n'
    uv = laid_out(tmp_path, {"job.py": text})
    done = uv.run("lock", "--script", "job.py", "--no-index", "--find-links", "links")
    assert done.returncode == 0, done.stderr
    locked = reqparse.parse_file(tmp_path / "job.py.lock")
    assert [s.package.name for s in select(locked, TARGETS[0])] == ["pa"]
