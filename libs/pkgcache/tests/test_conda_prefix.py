from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envid.packages import Package
from pkgcache.errors import BadArchive, NotInCache, PkgcacheError, PrefixError, PrefixExists
from pkgcache.local.cache import PackageCache
from pkgcache.prefixes._placeholder import NoRoom, replaced
from pkgcache.prefixes.conda_prefix import create_conda_env
from pkgcache.prefixes.linking import Clobber
from pkgcache.prefixes.prefix import MARKER, interrupted, read_marker, remove_prefix
from pkgcache.prefixes.verifying import verify_prefix

from .children import SPAWN, create_conda
from .conda_helpers import MTIME, PLACEHOLDER, Conda, Entry, env_of, package_of
from .helpers import PLATFORM, Recorder, create_at_once, kill_while_creating, make_wheel
from .helpers import package_of as wheel_package

SHARED = Path(__file__).parents[4] / "shared" / "data" / "packages"
SITE = "lib/python3.11/site-packages"
# It stands for an interpreter where none is run; real ones are created in the tests at the root.
PYTHON = Conda(
    name="python",
    version="3.11.7",
    files={
        "bin/python3.11": Entry(b"#!/bin/sh\n", mode=0o755),
        "bin/python": Entry(link="python3.11"),
    },
)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "envs" / "one"


def cached(cache: PackageCache, *packages: Conda, suffix: str = ".conda") -> list[Package]:
    found = []
    for one in packages:
        data = one.conda() if suffix == ".conda" else one.tar_bz2()
        package = package_of(one, data, suffix)
        cache.add(data, package.filename)
        found.append(package)
    return found


def cached_wheel(cache: PackageCache, name: str, files: dict[str, bytes]) -> Package:
    data = make_wheel(name, files=files)
    package = wheel_package(data, name)
    cache.add(data, package.filename)
    return package


def alone(prefix: Path) -> bool:
    """Whether nothing but the prefix is where it is."""
    return [one.name for one in prefix.parent.iterdir()] == [prefix.name]


def records(prefix: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in (prefix / "conda-meta").glob("*.json")]
    return {one["name"]: one for one in found}


def paths_of(prefix: Path, name: str) -> dict[str, dict[str, Any]]:
    return {one["_path"]: one for one in records(prefix)[name]["paths_data"]["paths"]}


def check_records(prefix: Path) -> None:
    """Every file in conda-meta exists with its recorded hash."""
    for record in records(prefix).values():
        paths = record["paths_data"]["paths"]
        assert record["files"] == [one["_path"] for one in paths]
        for one in paths:
            path = prefix / one["_path"]
            assert path.is_symlink() == (one["path_type"] == "softlink"), path
            if "sha256_in_prefix" in one:
                actual = hashlib.sha256(path.read_bytes()).hexdigest()
                assert actual == one["sha256_in_prefix"], path


RICH = Conda(
    files={
        "bin/tool": Entry(b"#!" + PLACEHOLDER.encode() + b"/bin/perl\n", mode=0o755, prefix="text"),
        "bin/alias": Entry(link="tool"),
        "lib/libx.so": Entry(
            b"\x7fELF" + PLACEHOLDER.encode() + b"/lib\0tail", mode=0o755, prefix="binary"
        ),
        "lib/plain.txt": b"plain\n",
        "lib/own.txt": Entry(b"own\n", no_link=True),
        "lib/dangling": Entry(link="nowhere"),
        "share/empty": b"",
        "share/na\u00efve name.txt": b"odd\n",
    }
)


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_a_package_is_laid_out_with_the_final_prefix_in_its_files(
    prefix: Path, cache: PackageCache, suffix: str
) -> None:
    env = env_of(*cached(cache, RICH, suffix=suffix))
    linked = create_conda_env(env, prefix, cache=cache)
    assert (linked.files, linked.clobbers) == (8, ())
    assert read_marker(prefix) == env.env_id
    assert (prefix / "bin/tool").read_text() == f"#!{prefix}/bin/perl\n"
    assert (prefix / "bin/alias").readlink() == Path("tool")
    assert os.access(prefix / "bin/tool", os.X_OK)
    library = (prefix / "lib/libx.so").read_bytes()
    assert library.startswith(b"\x7fELF" + os.fsencode(prefix) + b"/lib\0\0")
    assert (len(library), library[-5:]) == (4 + 255 + 9, b"\0tail")
    assert paths_of(prefix, "demo")["bin/alias"]["sha256_in_prefix"]
    assert "sha256" not in paths_of(prefix, "demo")["lib/dangling"]
    check_records(prefix)
    assert alone(prefix)


def test_files_are_linked_from_the_cache_but_those_that_must_not_be(
    prefix: Path, cache: PackageCache
) -> None:
    (package,) = cached(cache, RICH)
    create_conda_env(env_of(package), prefix, cache=cache)
    tree = cache.unpacked_conda(package).tree
    plain, own = prefix / "lib/plain.txt", prefix / "lib/own.txt"
    assert plain.samefile(tree / "lib/plain.txt")
    assert plain.stat().st_mode & 0o222 == 0
    assert not own.samefile(tree / "lib/own.txt")
    assert own.stat().st_mode & stat.S_IWUSR
    assert (plain.stat().st_mtime, own.stat().st_mtime) == (MTIME, MTIME)


def test_the_record_of_a_package_is_whole(prefix: Path, cache: PackageCache) -> None:
    (package,) = cached(cache, replace(RICH, index={"license": "MIT", "timestamp": 12}))
    create_conda_env(env_of(package), prefix, cache=cache)
    path = prefix / "conda-meta/demo-1.0-h0_0.json"
    found = json.loads(path.read_text())
    del found["paths_data"], found["files"]
    tree = str(cache.unpacked_conda(package).tree)
    assert found == {
        "build": "h0_0",
        "build_number": 0,
        "channel": f"https://channel.test/main/{PLATFORM}",
        "constrains": [],
        "depends": [],
        "extracted_package_dir": tree,
        "fn": package.filename,
        "license": "MIT",
        "link": {"source": tree, "type": 1},
        "name": "demo",
        "package_tarball_full_path": str(cache.archive_path(package)),
        "requested_spec": "demo",
        "sha256": package.hashes.sha256,
        "size": package.size,
        "subdir": PLATFORM,
        "timestamp": 12,
        "url": package.url,
        "version": "1.0",
    }
    history = (prefix / "conda-meta/history").read_text().splitlines()
    assert history[2] == f"+https://channel.test/main/{PLATFORM}::demo-1.0-h0_0"
    assert history[3] == '# update specs: ["python 3.*", "demo"]'


def test_the_environment_says_that_it_is_frozen(prefix: Path, cache: PackageCache) -> None:
    """CEP 22: one JSON object with one key, the text that conda and mamba show."""
    env = env_of(*cached(cache, RICH))
    create_conda_env(env, prefix, cache=cache)
    document = json.loads((prefix / "conda-meta/frozen").read_bytes())
    assert document.keys() == {"message"}
    assert isinstance(document["message"], str)
    assert "mfenv" in document["message"]
    assert verify_prefix(prefix) == ()
    create_conda_env(env, prefix, cache=cache, replace=True)
    remove_prefix(prefix, cache=cache)
    assert not prefix.exists()


NOARCH = Conda(
    name="pure",
    noarch="python",
    depends=("python",),
    files={"site-packages/pure.py": b"X = 1\n", "python-scripts/run": b"#!/bin/sh\n", "etc/x": b""},
    entry_points=("pure = pure:main",),
)


def test_a_noarch_package_goes_where_python_has_its_packages(
    prefix: Path, cache: PackageCache
) -> None:
    create_conda_env(env_of(*cached(cache, PYTHON, NOARCH)), prefix, cache=cache)
    assert (prefix / SITE / "pure.py").exists()
    assert (prefix / "bin/run").exists()
    assert (prefix / "etc/x").exists()
    assert (prefix / "bin/pure").read_text().startswith(f"#!{prefix}/bin/python3.11\n")
    assert paths_of(prefix, "pure")["bin/pure"]["path_type"] == "unix_python_entry_point"
    check_records(prefix)


def test_a_python_can_say_where_it_has_its_packages(prefix: Path, cache: PackageCache) -> None:
    python = replace(PYTHON, index={"python_site_packages_path": "lib/python3.11t/site-packages"})
    create_conda_env(env_of(*cached(cache, python, NOARCH)), prefix, cache=cache)
    assert (prefix / "lib/python3.11t/site-packages/pure.py").exists()


def test_dependencies_are_linked_first(prefix: Path, cache: PackageCache) -> None:
    chain = [
        Conda(name="a", depends=("m",), files={"x": b"a"}),
        Conda(name="m", depends=("z",), files={"x": b"m"}),
        Conda(name="z", depends=("a",), files={"x": b"z"}),
        Conda(name="b", files={"y": b""}),
    ]
    linked = create_conda_env(env_of(*cached(cache, *chain)), prefix, cache=cache)
    assert (prefix / "x").read_bytes() == b"a"
    assert linked.clobbers == (
        Clobber(path="x", kept="m", lost="z"),
        Clobber(path="x", kept="a", lost="m"),
    )


def test_packages_that_fight_over_a_path_are_reported_and_recorded_as_it_is(
    prefix: Path, cache: PackageCache
) -> None:
    packages = cached(
        cache,
        Conda(name="a", files={"f": b"1", "same": b"s", "d": b"file"}),
        Conda(name="b", files={"f": b"2", "same": b"s", "d/x": b"folder"}, depends=("a",)),
    )
    progress = Recorder()
    linked = create_conda_env(env_of(*packages), prefix, cache=cache, progress=progress)
    assert {(one.path, one.kept, one.lost) for one in linked.clobbers} == {
        ("f", "b", "a"),
        ("d", "b", "a"),
    }
    assert progress.notes == ["`b` overwrites `f` and 1 more of `a`"]
    assert records(prefix)["a"]["files"] == ["f", "same"]
    check_records(prefix)


class TestShebangs:
    LONG = b"/very/long" * 15

    @pytest.mark.parametrize(
        ("line", "prefix", "expected"),
        [
            (b"/bin/perl -w", b"/short", b"#!/short/bin/perl -w"),
            (b"/bin/perl", LONG, b"#!/usr/bin/env perl"),
            (b"/bin/perl -w", LONG, b"#!/usr/bin/env -S perl -w"),
            (b"/bin/perl", b"/with space", b"#!/usr/bin/env perl"),
            (
                b"/bin/python3.11 -E",
                b"/with space",
                b"#!/bin/sh\n'''exec' '/with space/bin/python3.11' -E \"$0\" \"$@\"\n' '''",
            ),
        ],
    )
    def test_are_such_as_the_kernel_can_read(
        self, line: bytes, prefix: bytes, expected: bytes
    ) -> None:
        data = b"#!" + PLACEHOLDER.encode() + line + b"\nbody\n"
        assert replaced(data, PLACEHOLDER, prefix, "text") == expected + b"\nbody\n"

    def test_of_other_places_are_left_alone(self) -> None:
        data = b"#!/bin/sh\n" + PLACEHOLDER.encode()
        assert replaced(data, PLACEHOLDER, self.LONG, "text") == b"#!/bin/sh\n" + self.LONG

    def test_run(self, tmp_path: Path) -> None:
        folder = tmp_path / "with space" / ("d" * 140)
        folder.mkdir(parents=True)
        (folder / "python3").symlink_to(sys.executable)
        data = b"#!/ph/python3 -I\nimport sys; print(sys.flags.isolated, *sys.argv[1:])\n"
        script = folder / "script"
        script.write_bytes(replaced(data, "/ph", os.fsencode(folder), "text"))
        script.chmod(0o755)
        done = subprocess.run([script, "a b", "c"], capture_output=True, text=True, check=True)
        assert done.stdout == "1 a b c\n"


def test_binary_strings_keep_their_places() -> None:
    data = b"\1/old/lib:/old/bin\0/old\0x/old"
    found = replaced(data, "/old", b"/n", "binary")
    assert found == b"\1/n/lib:/n/bin\0\0\0\0\0/n\0\0\0x/n\0\0"
    assert len(found) == len(data)
    with pytest.raises(NoRoom):
        replaced(data, "/old", b"/longer", "binary")


class TestRefuses:
    def test_a_prefix_that_does_not_fit_a_binary(self, tmp_path: Path, cache: PackageCache) -> None:
        prefix = tmp_path / ("p" * 150) / ("q" * 150)
        with pytest.raises(PrefixError, match=r"too long for `lib/libx.so` of `demo`") as caught:
            create_conda_env(env_of(*cached(cache, RICH)), prefix, cache=cache)
        assert caught.value.hint == "choose a place whose path has at most 255 characters"
        assert not prefix.parent.exists()

    def test_links_that_leave_the_prefix_together(self, prefix: Path, cache: PackageCache) -> None:
        packages = cached(
            cache,
            Conda(name="a", files={"deep/er/down": Entry(link="../../top")}),
            Conda(name="b", files={"out": Entry(link="deep/er/down/../../..")}),
        )
        with pytest.raises(PrefixError, match="`out` of `b` would lead out"):
            create_conda_env(env_of(*packages), prefix, cache=cache)
        assert not prefix.parent.exists()

    def test_another_interpreter_than_that_of_python(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        other = Conda(name="other", files={"bin/python3.11": Entry(b"#!/bin/false\n", mode=0o755)})
        packages = cached(cache, PYTHON, other)
        with pytest.raises(PrefixError, match=r"`\w+` would overwrite `bin/python3.11` of `\w+`"):
            create_conda_env(env_of(*packages), prefix, cache=cache)
        assert not prefix.parent.exists()

    def test_python_packages_without_python(self, prefix: Path, cache: PackageCache) -> None:
        with pytest.raises(PrefixError, match="`pure` is for Python"):
            create_conda_env(env_of(*cached(cache, NOARCH)), prefix, cache=cache)
        wheel = cached_wheel(cache, "wheely", {"wheely.py": b""})
        with pytest.raises(PrefixError, match="wheels need Python"):
            create_conda_env(env_of(wheel), prefix, cache=cache)

    def test_another_package_than_the_one_described(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        (package,) = cached(cache, RICH)
        described = package._replace(version="2.0")
        with pytest.raises(BadArchive, match=r"it is described as `demo 2\.0 h0_0`"):
            create_conda_env(env_of(described), prefix, cache=cache)

    def test_another_platform(self, prefix: Path, cache: PackageCache) -> None:
        other = "osx-64" if PLATFORM != "osx-64" else "linux-64"
        with pytest.raises(PrefixError, match=f"for {other} cannot be made on {PLATFORM}"):
            create_conda_env(replace(env_of(), platform=other), prefix, cache=cache)

    def test_a_missing_package(self, prefix: Path, cache: PackageCache) -> None:
        with pytest.raises(NotInCache):
            create_conda_env(env_of(package_of(RICH, b"x")), prefix, cache=cache)
        assert not prefix.parent.exists()

    def test_a_place_that_is_taken(self, prefix: Path, cache: PackageCache) -> None:
        env = env_of(*cached(cache, RICH))
        create_conda_env(env, prefix, cache=cache)
        with pytest.raises(PrefixExists):
            create_conda_env(env, prefix, cache=cache)


class TestWheelsOnTop:
    def test_are_installed_as_pip_would(self, prefix: Path, cache: PackageCache) -> None:
        wheel = cached_wheel(cache, "wheely", {"wheely.py": b"", "x-1.0.data/scripts/s": b""})
        wheel = cached_wheel(
            cache,
            "wheely",
            {
                "wheely.py": b"",
                "wheely-1.0.data/headers/w.h": b"",
                "wheely-1.0.data/data/etc/w": b"",
            },
        )
        create_conda_env(env_of(*cached(cache, PYTHON), wheel), prefix, cache=cache)
        assert (prefix / "include/python3.11/wheely/w.h").exists()
        assert (prefix / "etc/w").exists()
        info = prefix / SITE / "wheely-1.0.dist-info"
        assert (info / "INSTALLER").read_text() == "mfenv\n"
        assert "wheely" not in records(prefix)

    def test_leave_what_conda_brought(self, prefix: Path, cache: PackageCache) -> None:
        pure = replace(NOARCH, files={"site-packages/pure.py": b"conda", "site-packages/s": b"s"})
        files = {"pure.py": b"wheel", "s": b"s", "own.py": b""}
        packages = [*cached(cache, PYTHON, pure), cached_wheel(cache, "wheely", files)]
        progress = Recorder()
        linked = create_conda_env(env_of(*packages), prefix, cache=cache, progress=progress)
        assert linked.clobbers == (Clobber(path=f"{SITE}/pure.py", kept="pure", lost="wheely"),)
        assert progress.notes == [f"`pure` overwrites `{SITE}/pure.py` of `wheely`"]
        assert (prefix / SITE / "pure.py").read_bytes() == b"conda"
        check_records(prefix)
        with (prefix / SITE / "wheely-1.0.dist-info/RECORD").open(newline="") as file:
            hashes = {row[0]: row[1] for row in csv.reader(file)}
        assert {"pure.py", "s", "own.py"} <= hashes.keys()

    @pytest.mark.parametrize(
        ("conda", "wheel", "lost"),
        [
            (b"# nothing here\n", b"", False),
            (b"VERSION = 1\n", b"# nothing here\n", False),
            (b"", b"VERSION = 1\n", True),
        ],
    )
    def test_share_a_namespace_with_conda_packages(
        self, prefix: Path, cache: PackageCache, conda: bytes, wheel: bytes, *, lost: bool
    ) -> None:
        pure = replace(NOARCH, files={"site-packages/shared/__init__.py": conda})
        files = {"shared/__init__.py": wheel, "shared/own.py": b""}
        packages = [*cached(cache, PYTHON, pure), cached_wheel(cache, "wheely", files)]
        linked = create_conda_env(env_of(*packages), prefix, cache=cache)
        path = f"{SITE}/shared/__init__.py"
        clobber = Clobber(path=path, kept="pure", lost="wheely")
        assert linked.clobbers == ((clobber,) if lost else ())
        assert (prefix / path).read_bytes() == conda
        assert (prefix / SITE / "shared/own.py").exists()

    def test_of_a_distribution_that_conda_brought_are_refused(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        info = "site-packages/wheely-1.0.dist-info"
        brought: dict[str, Entry | bytes] = {
            f"{info}/{name}": b"" for name in ("METADATA", "INSTALLER")
        }
        packages = [*cached(cache, PYTHON, replace(NOARCH, files=brought))]
        packages.append(cached_wheel(cache, "wheely", {"own.py": b""}))
        with pytest.raises(PrefixError, match=r"`wheely` would overwrite `.*INSTALLER` of `pure`"):
            create_conda_env(env_of(*packages), prefix, cache=cache)
        assert not prefix.exists()


UNTOUCHED = "a package is linked as it is"
WHOLE = "an environment is deleted as a whole"
ACTIVATE = "etc/conda/activate.d/demo.sh"
HOOK = b'export ACTIVE="from $CONDA_PREFIX"\n'


def with_script(text: str, name: str = "demo") -> Conda:
    script = Entry(text.encode(), mode=0o755)
    return Conda(name=name, files={f"bin/.{name}-post-link.sh": script, ACTIVATE: HOOK})


class TestLinkScripts:
    TELL = (
        'test "$PWD" != "$PREFIX"; echo "$PKG_NAME $PKG_VERSION $PKG_BUILDNUM" > "$PREFIX/told"\n'
        f'test -e "$PREFIX/{MARKER}" && exit 9\n'
        'echo hello > "$PREFIX/.messages.txt"\necho "$ACTIVE" > "$PREFIX/active"\nreturn 0\n'
    )

    def test_are_skipped_with_a_warning(self, prefix: Path, cache: PackageCache) -> None:
        progress = Recorder()
        env = env_of(*cached(cache, with_script(self.TELL)))
        create_conda_env(env, prefix, cache=cache, progress=progress)
        assert not (prefix / "told").exists()
        assert progress.notes == [
            "the post-link script of `demo` is not run: link scripts are not allowed"
        ]

    def test_of_python_packages_are_no_others(self, prefix: Path, cache: PackageCache) -> None:
        """They lie in `python-scripts/` of the archive, as whatever goes to `bin/` does."""
        scripts = {
            f"python-scripts/.pure-{action}.sh": Entry(
                f'echo {action} >> "$PREFIX/told"\n'.encode(), mode=0o755
            )
            for action in ("pre-link", "post-link", "pre-unlink", "post-unlink")
        }
        env = env_of(*cached(cache, PYTHON, replace(NOARCH, files={**NOARCH.files, **scripts})))
        progress = Recorder()
        create_conda_env(env, prefix, cache=cache, progress=progress)
        notes = [
            f"the pre-link script of `pure` is not run: {UNTOUCHED}",
            "the post-link script of `pure` is not run: link scripts are not allowed",
            f"the pre-unlink script of `pure` is not run: {WHOLE}",
            f"the post-unlink script of `pure` is not run: {WHOLE}",
        ]
        assert progress.notes == notes
        assert not (prefix / "told").exists()
        progress = Recorder()
        create_conda_env(
            env, prefix, cache=cache, progress=progress, link_scripts=True, replace=True
        )
        assert progress.notes == [note for note in notes if "post-link" not in note]
        assert (prefix / "told").read_text() == "post-link\n"
        remove_prefix(prefix, cache=cache)
        assert not prefix.exists()

    def test_in_the_archive_of_another_package_are_files(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        progress = Recorder()
        (package,) = cached(cache, replace(with_script("exit 1\n"), name="another"))
        create_conda_env(env_of(package), prefix, cache=cache, progress=progress, link_scripts=True)
        assert progress.notes == []

    def test_learn_no_credential(
        self, prefix: Path, cache: PackageCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
        monkeypatch.setenv("MFENV_INDEX_URL", "https://ann:geheim@127.0.0.1/simple")
        env = env_of(*cached(cache, with_script('/usr/bin/env > "$PREFIX/told"\n')))
        create_conda_env(env, prefix, cache=cache, link_scripts=True)
        assert "PKG_NAME=demo\n" in (prefix / "told").read_text()
        assert "geheim" not in (prefix / "told").read_text()

    def test_run_in_place_before_the_marker_is_there(
        self, prefix: Path, cache: PackageCache
    ) -> None:
        progress = Recorder()
        env = env_of(*cached(cache, with_script(self.TELL)))
        create_conda_env(env, prefix, cache=cache, progress=progress, link_scripts=True)
        assert (prefix / "told").read_text() == "demo 1.0 0\n"
        assert progress.notes == ["hello"]
        assert (prefix / "active").read_text() == f"from {prefix}\n"
        assert read_marker(prefix) == env.env_id
        assert not interrupted(prefix)
        assert alone(prefix)

    def test_that_fail_leave_what_was_there(self, prefix: Path, cache: PackageCache) -> None:
        bad = env_of(*cached(cache, with_script("echo no luck >&2; exit 1\n")))
        with pytest.raises(PrefixError, match="post-link script of `demo` failed: no luck"):
            create_conda_env(bad, prefix, cache=cache, link_scripts=True)
        assert not prefix.parent.exists()
        good = env_of(*cached(cache, RICH))
        create_conda_env(good, prefix, cache=cache)
        with pytest.raises(PrefixError):
            create_conda_env(bad, prefix, cache=cache, link_scripts=True, replace=True)
        assert read_marker(prefix) == good.env_id
        assert alone(prefix)

    def test_that_are_killed_are_run_again(
        self, prefix: Path, cache: PackageCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        env = env_of(
            *cached(
                cache,
                with_script(
                    'touch "$PREFIX/$HOLD"; [ "$HOLD" = none ] ||'
                    ' while [ -e "$PREFIX/$HOLD" ]; do sleep 0.05; done\n'
                ),
            )
        )
        monkeypatch.setenv("HOLD", "started")
        child = SPAWN.Process(target=create_conda, args=(prefix, cache.root, env.to_json(), True))
        child.start()
        deadline = time.monotonic() + 300
        while not (prefix / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        child.kill()
        child.join()
        assert interrupted(prefix)
        assert read_marker(prefix) is None
        monkeypatch.setenv("HOLD", "none")
        create_conda_env(env, prefix, cache=cache, link_scripts=True)
        assert read_marker(prefix) == env.env_id
        assert alone(prefix)


def test_a_changed_file_of_the_cache_is_not_linked(prefix: Path, cache: PackageCache) -> None:
    (package,) = cached(cache, RICH)
    create_conda_env(env_of(package), prefix, cache=cache)
    victim = prefix / "lib/plain.txt"
    victim.chmod(0o644)
    victim.write_bytes(b"PLAIN\n")
    other = prefix.with_name("two")
    create_conda_env(env_of(package), other, cache=cache)
    assert (other / "lib/plain.txt").read_bytes() == b"plain\n"
    check_records(other)


def test_from_another_file_system_files_are_copied_and_it_is_said_once(
    tmp_path: Path, prefix: Path
) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        cache = PackageCache(Path(folder) / "cache")
        packages = [*cached(cache, PYTHON, RICH), cached_wheel(cache, "wheely", {"w.py": b""})]
        progress = Recorder()
        create_conda_env(env_of(*packages), prefix, cache=cache, progress=progress)
    (note,) = progress.notes
    assert note.startswith("files are copied, not linked")
    assert (prefix / "lib/plain.txt").stat().st_mtime == MTIME
    assert os.access(prefix / "bin/python3.11", os.X_OK)
    check_records(prefix)


def test_nothing_is_left_of_a_removed_environment(prefix: Path, cache: PackageCache) -> None:
    packages = [*cached(cache, PYTHON, RICH, NOARCH), cached_wheel(cache, "w", {"w.py": b""})]
    create_conda_env(env_of(*packages), prefix, cache=cache)
    remove_prefix(prefix, cache=cache)
    assert list(prefix.parent.iterdir()) == []


@pytest.mark.slow
def test_a_creation_killed_at_any_moment_leaves_the_old_one_or_the_new_one(
    prefix: Path, cache: PackageCache
) -> None:
    many = {f"many/m{number}": PLACEHOLDER.encode() for number in range(1500)}
    entries: dict[str, Entry | bytes] = {
        path: Entry(data, prefix="text") for path, data in many.items()
    }
    envs = [
        env_of(*cached(cache, Conda(name=name, files={**entries, name: b""})))
        for name in ("a", "b")
    ]
    ids = [one.env_id for one in envs]
    for env in envs:
        create_conda_env(env, prefix, cache=cache, replace=True)
    for _ in kill_while_creating(create_conda, prefix, cache, envs):
        assert read_marker(prefix) in ids
        check_records(prefix)
    create_conda_env(envs[0], prefix, cache=cache, replace=True)
    assert alone(prefix)


@pytest.mark.slow
def test_processes_that_create_one_prefix_take_turns(prefix: Path, cache: PackageCache) -> None:
    env = env_of(*cached(cache, RICH))
    create_at_once(create_conda, prefix, cache, env)
    assert read_marker(prefix) == env.env_id
    check_records(prefix)
    assert alone(prefix)


NEEDED = {"post_link-c": "post_link-b", "post_link-d": "post_link-e"}


def from_file(cache: PackageCache, archive: Path) -> Package:
    stem = archive.name.removesuffix(".conda").removesuffix(".tar.bz2")
    name, version, build = stem.rsplit("-", 2)
    found = cache.add(archive, archive.name)
    return Package.make(
        kind="conda",
        name=name,
        version=version,
        build=build,
        filename=archive.name,
        url=f"https://channel.test/noarch/{archive.name}",
        sha256=found.sha256,
        size=found.size,
    )


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no ../shared/data")
@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["clobber-1-0.1.0", "clobber-2-0.1.0", "clobber-3-0.1.0"], {"clobber-1", "clobber-2"}),
        (["clobber-fd-1", "clobber-fd-2-0.1.0", "clobber-fd-3"], None),
        (["clobber-fd-2-conflicting", "clobber-fd-1"], None),
        (["clobber-nested-1", "clobber-nested-2", "clobber-nested-3"], None),
        (["clobber-with-symlink-a", "clobber-with-symlink-b"], None),
        (["clobber-with-dir", "clobber-without-dir"], None),
        (["clobber-directory-upgrade-0.1.0"], set()),
    ],
)
def test_real_packages_that_fight_over_paths(
    prefix: Path, cache: PackageCache, names: list[str], lost: set[str] | None
) -> None:
    archives = [next((SHARED / "clobber").glob(f"{name}*")) for name in names]
    env = env_of(*(from_file(cache, one) for one in archives))
    linked = create_conda_env(env, prefix, cache=cache)
    if lost is not None:
        assert {one.lost for one in linked.clobbers} == lost
    check_records(prefix)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no ../shared/data")
def test_real_packages_of_all_kinds(tmp_path: Path, cache: PackageCache) -> None:
    archives = [
        *(SHARED / "test-recipes" / "noarch").iterdir(),
        *(SHARED / "link-scripts").iterdir(),
    ]
    failed = {}
    for archive in sorted(one for one in archives if one.is_file()):
        prefix = tmp_path / "envs" / archive.name
        packages = [from_file(cache, archive)]
        if packages[0].name != "python":
            packages += cached(cache, PYTHON)
        if needed := NEEDED.get(packages[0].name):
            packages.append(from_file(cache, next(archive.parent.glob(f"{needed}-1*"))))
            packages[0] = packages[0]._replace(depends=(needed,))
        try:
            create_conda_env(env_of(*packages), prefix, cache=cache, link_scripts=True)
        except PkgcacheError as error:
            failed[packages[0].name] = str(error)
            assert not prefix.exists()
        else:
            check_records(prefix)
            remove_prefix(prefix, cache=cache)
    assert failed.keys() == {"failing_post_link"}
    shutil.rmtree(tmp_path / "envs")
