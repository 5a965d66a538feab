from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import random
import shlex
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envid.packages import BuiltFrom, Package
from pkgcache.errors import NotInCache, NotOurPrefix, PrefixError, PrefixExists
from pkgcache.local.cache import PackageCache
from pkgcache.locks import hold
from pkgcache.prefixes._bytecode import compile_modules
from pkgcache.prefixes._making import BuildSite, _lock_path
from pkgcache.prefixes.prefix import MARKER, create_venv, read_marker, remove_prefix

from .children import create
from .helpers import (
    Recorder,
    create_at_once,
    env_of,
    kill_while_creating,
    make_wheel,
    package_of,
    record_hash,
    record_of,
    wheel_files,
    zipped,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envid.resolved import ResolvedEnv
    from pkgcache.local._shelves import Known

PYTHON = Path(sys.executable)
SITE = f"lib/python3.{sys.version_info.minor}/site-packages"
PKGUTIL = b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
PKG_RESOURCES = b"""
try:
    import pkg_resources
    pkg_resources.declare_namespace(__name__)
except ImportError:
    import pkgutil
    __path__ = pkgutil.extend_path(__path__, __name__)
"""
MAIN = b"import sys\ndef main():\n    print('ran', *sys.argv[1:])\n    return 3\n"
SCRIPTS = "[console_scripts]\ndemo = demo.main:main\n[gui_scripts]\ndemo-gui = demo.main:main [x]\n"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "envs" / "one"


def cached(
    cache: PackageCache,
    name: str = "demo",
    files: Mapping[str, bytes] | None = None,
    *,
    entry_points: str = "",
) -> Package:
    data = make_wheel(name, files=files, entry_points=entry_points)
    package = package_of(data, name)
    cache.add(data, package.filename)
    return package


def demo(cache: PackageCache) -> ResolvedEnv:
    files = {"demo/__init__.py": b"", "demo/main.py": MAIN}
    return env_of(cached(cache, files=files, entry_points=SCRIPTS))


def output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def alone(prefix: Path) -> bool:
    """Whether nothing but the prefix is where it is."""
    return [one.name for one in prefix.parent.iterdir()] == [prefix.name]


@pytest.mark.parametrize("script", ["demo", "demo-gui"])
@pytest.mark.parametrize("name", ["one", "with space", "it's", "n" * 140, "ünï"])
def test_scripts_run_whatever_the_prefix_is_called(
    tmp_path: Path, cache: PackageCache, name: str, script: str
) -> None:
    prefix = tmp_path / name
    create_venv(demo(cache), prefix, python=PYTHON, cache=cache)
    done = subprocess.run([prefix / "bin" / script, "a b", "c"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, b"ran a b c\n")


def test_the_environment_is_complete_and_names_its_own_place(
    prefix: Path, cache: PackageCache
) -> None:
    env = demo(cache)
    linked = create_venv(env, prefix, python=PYTHON, cache=cache)
    assert (linked.files, linked.clobbers) == (9, ())
    assert read_marker(prefix) == env.env_id
    assert alone(prefix)
    found = output(
        prefix / "bin/python", "-c", "import sys, demo; print(sys.prefix, demo.__file__)"
    )
    assert found.split() == [str(prefix), str(prefix / SITE / "demo/__init__.py")]
    activated = output("sh", "-c", f". {prefix}/bin/activate && echo $VIRTUAL_ENV")
    assert activated.split() == [str(prefix)]
    for path in prefix.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b".mfenv-new" not in path.read_bytes(), path


def test_record_tells_the_truth(prefix: Path, cache: PackageCache) -> None:
    files = {
        "demo/__init__.py": b"",
        "demo/a,b.txt": b"comma",
        "demo/main.py": MAIN,
        "demo-1.0.data/scripts/run": b"#!python" + b" " * 600 + b"\nprint('script')\n",
        "demo-1.0.data/scripts/shell": b"#!/bin/sh\necho shell\n",
        "demo-1.0.data/data/share/doc/demo.txt": b"doc",
        "demo-1.0.data/headers/demo.h": b"header",
        "demo-1.0.data/purelib/pure.py": b"",
        "demo-1.0.data/platlib/plat.py": b"",
        # What only an installer may say:
        "demo-1.0.dist-info/INSTALLER": b"evil",
        "demo-1.0.dist-info/REQUESTED": b"",
        "demo-1.0.dist-info/direct_url.json": b"{}",
    }
    package = cached(cache, files=files, entry_points=SCRIPTS)
    create_venv(env_of(package), prefix, python=PYTHON, cache=cache)
    site = prefix / SITE
    info = site / "demo-1.0.dist-info"
    rows = list(csv.reader((info / "RECORD").read_text().splitlines()))
    for path, digest, size in rows:
        data = (site / path).read_bytes()
        if not path.endswith("RECORD"):
            assert (digest, int(size)) == (record_hash(data), len(data))
    recorded = {os.path.normpath(site / path) for path, _, _ in rows}
    version = f"python3.{sys.version_info.minor}"
    assert {
        *(str(prefix / "bin" / name) for name in ("run", "shell", "demo", "demo-gui")),
        str(prefix / "share/doc/demo.txt"),
        str(prefix / f"include/site/{version}/demo/demo.h"),
        *(str(site / name) for name in ("pure.py", "plat.py", "demo/a,b.txt", "demo/main.py")),
        *(str(info / name) for name in ("INSTALLER", "RECORD", "WHEEL", "METADATA")),
    } < recorded
    assert {os.path.normpath(one) for one in info.iterdir()} < recorded
    assert sorted(one.name for one in info.iterdir()) == [
        *("INSTALLER", "METADATA", "RECORD", "WHEEL", "entry_points.txt")
    ]
    assert (info / "INSTALLER").read_text() == "mfenv\n"
    assert output(prefix / "bin/run") == "script\n"
    assert output(prefix / "bin/shell") == "shell\n"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (
            BuiltFrom(kind="vcs", url="git+https://git.test/x", commit="c0ffee", subdirectory="d"),
            {
                "url": "https://git.test/x",
                "subdirectory": "d",
                "vcs_info": {"vcs": "git", "commit_id": "c0ffee"},
            },
        ),
        (BuiltFrom(kind="sdist", url="https://files.test/x.tar.gz"), None),
    ],
)
def test_what_was_built_says_from_where(
    prefix: Path, cache: PackageCache, origin: BuiltFrom, expected: object
) -> None:
    package = cached(cache)._replace(built_from=origin)
    create_venv(env_of(package), prefix, python=PYTHON, cache=cache)
    path = prefix / SITE / "demo-1.0.dist-info/direct_url.json"
    assert (json.loads(path.read_bytes()) if path.exists() else None) == expected


def test_modules_are_compiled_when_asked(prefix: Path, cache: PackageCache) -> None:
    create_venv(demo(cache), prefix, python=PYTHON, cache=cache, compile=True)
    code = "import demo.main; print(demo.main.__cached__, demo.main.main.__code__.co_filename)"
    compiled, source = output(prefix / "bin/python", "-B", "-c", code).split()
    assert Path(compiled).is_file()
    assert source == str(prefix / SITE / "demo/main.py")


def test_compiling_runs_nothing_of_what_it_compiles(prefix: Path, cache: PackageCache) -> None:
    spy = f"open({str(prefix.parent / 'ran')!r}, 'a').write(__name__)\n".encode()
    shadows = ("compileall", "py_compile", "struct", "json", "sitecustomize", "usercustomize")
    files = {f"{name}.py": spy for name in shadows}
    files |= {"x.pth": b"import sys; " + spy, "encodings/__init__.py": spy}
    create_venv(
        env_of(cached(cache, files=files)), prefix, python=PYTHON, cache=cache, compile=True
    )
    assert alone(prefix)
    assert len(list((prefix / SITE / "__pycache__").iterdir())) == len(shadows)
    output(prefix / "bin/python", "-c", "")  # what a start of Python would run
    assert not alone(prefix)


def test_what_does_not_compile_is_noted(prefix: Path, cache: PackageCache) -> None:
    files = {
        "demo/__init__.py": b"",
        "demo/_py2.py": b"print 'hello'\n",
        "demo/coding.py": b"# coding: nonsense\n",
        "demo/latin.py": b"x = '\xe4'\n",
        "demo/nul.py": b"x = '\0'\n",
        "demo/other.py": b"x = 1\n",
    }
    told = Recorder()
    env = env_of(cached(cache, files=files))
    create_venv(env, prefix, python=PYTHON, cache=cache, compile=True, progress=told)
    (note,) = told.notes
    assert note.startswith(
        f"`{SITE}/demo/_py2.py` and 3 more of `demo` cannot be compiled: SyntaxError"
    )
    compiled = {one.name.split(".")[0] for one in (prefix / SITE / "demo/__pycache__").iterdir()}
    assert compiled == {"__init__", "other"}


def test_a_compiler_that_ends_takes_one_module_with_it(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    modules = [f"lib/{name}.py" for name in ("a", "b", "c")]
    for one in modules:
        (tmp_path / one).write_text("")
    python = tmp_path / "python"
    code = (
        "import json, os, sys\n"
        "for at, (path, _) in enumerate(json.load(sys.stdin)):\n"
        "    print(json.dumps([at, None]), flush=True)\n"
        "    if path.endswith('b.py'): os.abort()\n"
    )
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c {shlex.quote(code)}\n")
    python.chmod(0o755)
    told = Recorder()
    compile_modules(
        BuildSite(root=tmp_path, final=tmp_path), python, dict.fromkeys(modules, "demo"), told
    )
    assert told.notes == [
        "`lib/b.py` of `demo` cannot be compiled: the compiler ended before it was done"
    ]


class TestLinking:
    def test_files_are_linked_and_cannot_be_written_by_accident(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        env = demo(cache)
        create_venv(env, prefix, python=PYTHON, cache=cache)
        file = prefix / SITE / "demo/main.py"
        origin = cache.unpacked(env.packages[0]).tree / "demo/main.py"
        assert file.samefile(origin)
        assert not file.stat().st_mode & 0o222

    def test_a_write_by_force_does_not_reach_the_next_environment(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        env = demo(cache)
        create_venv(env, prefix, python=PYTHON, cache=cache)
        file = prefix / SITE / "demo/main.py"
        file.chmod(0o644)
        file.write_bytes(b"poison")
        other = prefix.with_name("other")
        create_venv(env, other, python=PYTHON, cache=cache)
        assert (other / SITE / "demo/main.py").read_bytes() == MAIN

    def test_files_are_copied_from_another_file_system_and_it_is_said_once(
        self, prefix: Path, tmp_path: Path
    ) -> None:
        shm = Path("/dev/shm")
        if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no second file system")
        root = shm / f"pkgcache-test-{os.getpid()}-{random.getrandbits(60):x}"
        cache, progress = PackageCache(root), Recorder()
        try:
            create_venv(demo(cache), prefix, python=PYTHON, cache=cache, progress=progress)
        finally:
            remove_tree(root)
        assert (prefix / SITE / "demo/main.py").read_bytes() == MAIN
        assert (prefix / SITE / "demo/main.py").stat().st_mode & 0o200
        assert [note for note in progress.notes if "copied" in note] == progress.notes[:1]

    def test_wheels_that_fight_over_a_file_are_reported(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        first = cached(cache, "first", {"shared/same.py": b"", "shared/which.py": b"first"})
        second = cached(cache, "second", {"shared/same.py": b"", "shared/which.py": b"second"})
        progress = Recorder()
        env = env_of(first, second)
        linked = create_venv(env, prefix, python=PYTHON, cache=cache, progress=progress)
        (clobber,) = linked.clobbers
        assert (clobber.kept, clobber.lost) == ("second", "first")
        assert clobber.path == f"{SITE}/shared/which.py"
        assert progress.notes == [f"`second` overwrites `{SITE}/shared/which.py` of `first`"]
        assert (prefix / SITE / "shared/which.py").read_bytes() == b"second"

    def test_the_record_of_a_wheel_tells_what_is_there(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        wheels = [cached(cache, name, {"which.py": name.encode()}) for name in ("first", "second")]
        create_venv(env_of(*wheels), prefix, python=PYTHON, cache=cache)
        for name in ("first", "second"):
            with (prefix / SITE / f"{name}-1.0.dist-info/RECORD").open(newline="") as file:
                assert ["which.py", record_hash(b"second"), "6"] in list(csv.reader(file))

    @pytest.mark.parametrize(
        ("texts", "kept"),
        [
            ((PKGUTIL, b"# a comment\n" + PKGUTIL), 1),
            ((PKGUTIL, PKG_RESOURCES), 1),
            ((b"", PKG_RESOURCES), 1),
            ((b"", b"from .main import code\n"), 1),
            ((b"from .main import code\n", b""), 0),
            ((b"VERSION = 1\n", PKGUTIL), 0),
        ],
    )
    def test_nothing_is_lost_of_a_shared_namespace(
        self, prefix: Path, cache: PackageCache, texts: tuple[bytes, bytes], kept: int
    ) -> None:
        wheels = [
            cached(cache, name, {"shared/__init__.py": text, f"shared/{name}.py": b""})
            for name, text in zip(("first", "second"), texts, strict=True)
        ]
        linked = create_venv(env_of(*wheels), prefix, python=PYTHON, cache=cache)
        assert linked.clobbers == ()
        assert (prefix / SITE / "shared/__init__.py").read_bytes() == texts[kept]
        names = {path.stem for path in (prefix / SITE / "shared").iterdir()}
        assert names == {"__init__", "first", "second"}

    def test_hashes_of_two_kinds_can_mean_the_same(self, prefix: Path, cache: PackageCache) -> None:
        text, first = b"SAME = 1\n", cached(cache, "first", {"same.py": b"SAME = 1\n"})
        files = wheel_files("second", files={"same.py": text})
        info = "second-1.0.dist-info"
        digest = base64.urlsafe_b64encode(hashlib.sha512(text).digest()).rstrip(b"=").decode()
        record = record_of(files, info).decode().replace(record_hash(text), f"sha512={digest}")
        data = zipped({**files, f"{info}/RECORD": record.encode()})
        second = package_of(data, "second")
        cache.add(data, second.filename)
        linked = create_venv(env_of(first, second), prefix, python=PYTHON, cache=cache)
        assert linked.clobbers == ()

    @pytest.mark.parametrize("folder", ["one", "one/two"])
    def test_a_file_of_one_wheel_is_no_folder_of_another(
        self, prefix: Path, cache: PackageCache, folder: str
    ) -> None:
        wheels = [
            cached(cache, "first", {folder: b"a file"}),
            cached(cache, "second", {f"{folder}/three/four.py": b""}),
        ]
        with pytest.raises(PrefixError) as caught:
            create_venv(env_of(*wheels), prefix, python=PYTHON, cache=cache)
        assert f"`first` brings a file `{SITE}/{folder}`, and `second` brings" in str(caught.value)
        assert not prefix.exists()

    def test_a_wheel_that_brings_the_same_twice(self, prefix: Path, cache: PackageCache) -> None:
        files = {
            "demo.py": b"1",
            "demo-1.0.data/purelib/demo.py": b"1",
            f"demo-1.0.data/data/{SITE}/demo.py": b"1",
        }
        create_venv(env_of(cached(cache, files=files)), prefix, python=PYTHON, cache=cache)
        assert (prefix / SITE / "demo.py").read_bytes() == b"1"

    def test_the_script_of_an_entry_point_stands_for_the_one_of_setuptools(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        files = {
            "demo/__init__.py": b"",
            "demo/main.py": MAIN,
            "demo-1.0.data/scripts/demo": b"#!python\nfrom pkg_resources import load_entry_point\n",
        }
        env = env_of(cached(cache, files=files, entry_points=SCRIPTS))
        linked = create_venv(env, prefix, python=PYTHON, cache=cache)
        assert linked.clobbers == ()
        assert subprocess.run([prefix / "bin/demo"], check=False).returncode == 3


def remove_tree(root: Path) -> None:
    subprocess.run(["rm", "-r", root], check=True)


def test_the_name_that_was_given_is_kept(tmp_path: Path, cache: PackageCache) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("real")
    prefix = tmp_path / "home" / "one"
    create_venv(demo(cache), prefix, python=PYTHON, cache=cache)
    assert (prefix / "bin/demo").read_text().startswith(f"#!{prefix}/bin/python\n")
    remove_prefix(tmp_path / "real" / "one", cache=cache)
    assert not prefix.exists()


class TestRefused:
    """What cannot be created: one clear error, nothing left behind."""

    def test_a_missing_wheel(self, prefix: Path, cache: PackageCache) -> None:
        package = package_of(make_wheel("demo"), "demo")
        with pytest.raises(NotInCache):
            create_venv(env_of(package), prefix, python=PYTHON, cache=cache)
        assert not prefix.parent.exists()

    def test_another_python(self, prefix: Path, cache: PackageCache) -> None:
        env = replace(demo(cache), python="3.4.1")
        with pytest.raises(PrefixError, match=r"the environment needs 3\.4\.1"):
            create_venv(env, prefix, python=PYTHON, cache=cache)
        assert not prefix.parent.exists()

    def test_another_patch_of_python_is_only_noted(self, prefix: Path, cache: PackageCache) -> None:
        progress = Recorder()
        env = replace(demo(cache), python=f"3.{sys.version_info.minor}.99")
        create_venv(env, prefix, python=PYTHON, cache=cache, progress=progress)
        assert progress.notes[0].endswith(f"resolved for 3.{sys.version_info.minor}.99")

    def test_another_platform(self, prefix: Path, cache: PackageCache) -> None:
        other = "osx-64" if sys.platform == "linux" else "linux-64"
        with pytest.raises(PrefixError, match=f"an environment for {other}"):
            create_venv(replace(demo(cache), platform=other), prefix, python=PYTHON, cache=cache)

    @pytest.mark.parametrize("python", ["/nowhere/python", "/bin/echo", "/bin/false", "/dev/null"])
    def test_an_interpreter_that_is_none(
        self, prefix: Path, cache: PackageCache, python: str
    ) -> None:
        with pytest.raises(PrefixError, match=f"`{python}` cannot make a virtual environment"):
            create_venv(demo(cache), prefix, python=Path(python), cache=cache)
        assert not prefix.parent.exists()

    def test_conda_packages(self, prefix: Path, cache: PackageCache) -> None:
        package = Package.make(
            kind="conda",
            name="zlib",
            version="1",
            build="0",
            filename="zlib-1-0.conda",
            url="https://files.test/zlib-1-0.conda",
            sha256="0" * 64,
        )
        with pytest.raises(PrefixError, match="cannot hold conda packages"):
            create_venv(env_of(package), prefix, python=PYTHON, cache=cache)

    @pytest.mark.parametrize("kind", ["directory", "file", "link", "environment"])
    def test_a_place_that_is_taken(self, prefix: Path, cache: PackageCache, kind: str) -> None:
        prefix.parent.mkdir()
        if kind == "directory":
            prefix.mkdir()
        elif kind == "file":
            prefix.touch()
        elif kind == "link":
            prefix.symlink_to("nowhere")
        else:
            create_venv(demo(cache), prefix, python=PYTHON, cache=cache)
        with pytest.raises(PrefixExists):
            create_venv(demo(cache), prefix, python=PYTHON, cache=cache)
        assert alone(prefix)

    def test_a_parent_that_is_a_file(self, prefix: Path, cache: PackageCache) -> None:
        prefix.parent.touch()
        with pytest.raises(PrefixError, match="file exists"):
            create_venv(demo(cache), prefix, python=PYTHON, cache=cache)


class TestReplace:
    def test_the_new_one_is_there_and_the_old_one_gone(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        create_venv(env_of(cached(cache, "old")), prefix, python=PYTHON, cache=cache)
        env = demo(cache)
        create_venv(env, prefix, python=PYTHON, cache=cache, replace=True)
        assert read_marker(prefix) == env.env_id
        assert not (prefix / SITE / "old").exists()
        assert alone(prefix)

    def test_when_the_new_one_fails_the_old_one_stays(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        env = demo(cache)
        create_venv(env, prefix, python=PYTHON, cache=cache)
        missing = env_of(package_of(make_wheel("more"), "more"))
        with pytest.raises(NotInCache):
            create_venv(missing, prefix, python=PYTHON, cache=cache, replace=True)
        assert read_marker(prefix) == env.env_id
        assert alone(prefix)

    def test_an_environment_moved_aside_by_a_killed_process_comes_back(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        env = demo(cache)
        create_venv(env, prefix, python=PYTHON, cache=cache)
        prefix.rename(prefix.with_name(".one.mfenv-old"))
        with pytest.raises(PrefixExists):
            create_venv(env, prefix, python=PYTHON, cache=cache)
        assert read_marker(prefix) == env.env_id


class TestRemove:
    def test_leaves_nothing(self, prefix: Path, cache: PackageCache) -> None:
        create_venv(demo(cache), prefix, python=PYTHON, cache=cache)
        (prefix / "mine.txt").touch()
        remove_prefix(prefix, cache=cache)
        assert list(prefix.parent.iterdir()) == []

    @pytest.mark.parametrize(
        "marker",
        [
            None,
            "",
            "{}",
            "[]",
            '{"schema_version":1}',
            '{"schema_version":1,"req_id":"x","full_id":"y","platform":"linux-64"}',
            f'{{"schema_version":2,"req_id":"{"a" * 40}","full_id":"{"b" * 40}","platform":""}}',
        ],
    )
    def test_what_is_not_ours_is_not_touched(
        self, prefix: Path, cache: PackageCache, marker: str | None
    ) -> None:
        prefix.mkdir(parents=True)
        if marker is not None:
            (prefix / MARKER).write_text(marker)
        with pytest.raises(NotOurPrefix, match=r"has no environment marker|by a newer mfenv"):
            remove_prefix(prefix, cache=cache)
        with pytest.raises(NotOurPrefix):
            create_venv(demo(cache), prefix, python=PYTHON, cache=cache, replace=True)
        assert alone(prefix)

    def test_a_link_to_an_environment_is_not_followed(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        create_venv(demo(cache), prefix, python=PYTHON, cache=cache)
        link = prefix.with_name("link")
        link.symlink_to(prefix)
        with pytest.raises(NotOurPrefix, match="symbolic link"):
            remove_prefix(link, cache=cache)
        assert read_marker(prefix)

    def test_a_linked_marker_does_not_count(self, prefix: Path, cache: PackageCache) -> None:
        create_venv(demo(cache), prefix, python=PYTHON, cache=cache)
        other = prefix.with_name("other")
        other.mkdir()
        (other / MARKER).symlink_to(prefix / MARKER)
        with pytest.raises(NotOurPrefix):
            remove_prefix(other, cache=cache)

    @pytest.mark.parametrize("place", ["home", "above", "root"])
    def test_more_than_an_environment_is_not_deleted(
        self, tmp_path: Path, cache: PackageCache, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        home = tmp_path / "above" / "home"
        create_venv(demo(cache), home, python=PYTHON, cache=cache)
        (home.parent / MARKER).write_bytes((home / MARKER).read_bytes())
        monkeypatch.setenv("HOME", str(home))
        target = {"home": home, "above": home.parent, "root": Path("/")}[place]
        with pytest.raises(NotOurPrefix, match="not only an environment"):
            remove_prefix(target, cache=cache)
        assert home.is_dir()

    def test_nothing_is_there(self, prefix: Path, cache: PackageCache) -> None:
        with pytest.raises(NotOurPrefix, match="not a directory"):
            remove_prefix(prefix, cache=cache)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_under_any_umask_it_works(prefix: Path, cache: PackageCache, umask: int) -> None:
    before = os.umask(umask)
    try:
        create_venv(demo(cache), prefix, python=PYTHON, cache=cache)
    finally:
        os.umask(before)
    assert subprocess.run([prefix / "bin/demo"], capture_output=True, check=False).returncode == 3


def test_planted_links_beside_the_prefix_are_not_followed(
    tmp_path: Path, prefix: Path, cache: PackageCache
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").touch()
    prefix.parent.mkdir()
    for what in ("new", "old", "gone"):
        prefix.with_name(f".one.mfenv-{what}").symlink_to(victim)
    create_venv(demo(cache), prefix, python=PYTHON, cache=cache)
    assert (victim / "precious").exists()
    assert alone(prefix)


@pytest.mark.slow
def test_a_creation_killed_at_any_moment_leaves_the_old_one_or_the_new_one(
    prefix: Path, cache: PackageCache
) -> None:
    many = {f"many/m{number}.py": b"" for number in range(2000)}
    envs = [env_of(cached(cache, name, {**many, f"{name}.py": b""})) for name in ("a", "b")]
    ids = [one.env_id for one in envs]
    for env in envs:
        create_venv(env, prefix, python=PYTHON, cache=cache, replace=True)
    for _ in kill_while_creating(create, prefix, cache, envs):
        assert read_marker(prefix) in ids
        assert len(list((prefix / SITE / "many").iterdir())) == 2000
    create_venv(envs[0], prefix, python=PYTHON, cache=cache, replace=True)
    assert alone(prefix)


class EarlyCache(PackageCache):
    """One at whose files the other process has looked by the time that a lock is there."""

    @contextmanager
    def looking(self, packages: Iterable[Package]) -> Iterator[Known]:
        yield self.surely_unpacked(packages)

    def surely_unpacked(self, packages: Iterable[Package]) -> Known:
        with super().looking(packages) as known:
            pass
        return known


def test_what_changes_while_another_process_is_waited_for_is_noticed(
    prefix: Path, cache: PackageCache
) -> None:
    env = demo(cache)
    (package,) = env.packages
    source = cache.unpacked(package).tree / "demo" / "main.py"
    held = ExitStack()
    held.enter_context(hold(_lock_path(prefix, cache)))

    class Meanwhile(Recorder):
        def note(self, text: str) -> None:
            super().note(text)
            status = source.stat()
            source.chmod(0o644)
            source.write_bytes(MAIN.replace(b"3", b"4"))
            source.chmod(status.st_mode)
            os.utime(source, ns=(status.st_mtime_ns, status.st_mtime_ns))
            held.close()

    told = Meanwhile()
    prefix.parent.mkdir()
    create_venv(env, prefix, python=PYTHON, cache=EarlyCache(cache.root), progress=told)
    assert told.notes[0].startswith("waiting for another process")
    assert (prefix / SITE / "demo" / "main.py").read_bytes() == MAIN


@pytest.mark.slow
def test_processes_that_create_one_prefix_take_turns(prefix: Path, cache: PackageCache) -> None:
    env = demo(cache)
    create_at_once(create, prefix, cache, env)
    assert read_marker(prefix) == env.env_id
    assert alone(prefix)
