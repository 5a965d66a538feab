"""Sdists, commits, directories and local files become wheels, once per state of the source."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envid.packages import BuiltFrom
from envid.platforms import host_platform
from pkgcache.web.login import Login
from resolvers import errors
from resolvers._uv import Uv
from resolvers.builds import ANY, checkout, source_key
from resolvers.content import content_digest
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, LocalServer, make_project, make_sdist, make_wheel

from .helpers import THIS_PYTHON, resolve, resolve_all, spec_of, versions

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

HOST = host_platform()
OTHER = "osx-arm64" if HOST != "osx-arm64" else "linux-64"
NATIVE_TAG = f"py3-none-{'linux_x86_64' if HOST == 'linux-64' else 'linux_aarch64'}"
needs_linux = pytest.mark.skipif(not HOST.startswith("linux"), reason="the tag is one of Linux")


def count(started: list[str], name: str) -> int:
    return sum(one == name for one in started)


@pytest.mark.slow
def test_an_sdist_is_built_once_for_all_platforms_and_runs(tmp_path: Path) -> None:
    started: list[str] = []
    sdist = make_sdist(tmp_path / "src", "a", "1", requires=["b"])
    with FakeIndex(sdist, make_wheel("b", "1")) as index:
        spec = spec_of("a", index=index.url)
        platforms = ("linux-64", "osx-arm64")
        found = resolve_all(spec, tmp_path, platforms, on_process=started.append)
        again = resolve_all(spec, tmp_path, platforms, on_process=started.append)
        url = f"{index.origin}/files/{sdist.filename}"
    assert again == found
    assert count(started, "uv build") == 1
    for each in found.values():
        package = next(one for one in each.packages if one.name == "a")
        (artifact,) = each.artifacts
        assert package.built_from == BuiltFrom(kind="sdist", url=url, sha256=sdist.sha256)
        assert (package.url, package.filename) == (url, "a-1-py3-none-any.whl")
        assert package.depends == ("b",)
        data = artifact.path.read_bytes()
        assert package.hashes.sha256 == artifact.sha256 == hashlib.sha256(data).hexdigest()
        assert package.size == artifact.size == len(data)
        assert artifact.source_key == source_key(package.built_from, each.python, ANY)


@pytest.mark.slow
def test_a_build_is_the_same_again_elsewhere(tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path / "src", "a", "1")
    with FakeIndex(sdist) as index:
        one, two = (
            resolve(spec_of("a", index=index.url), tmp_path / name) for name in ("one", "two")
        )
    assert one == two


def test_a_wheel_that_was_built_before_is_asked_for_first(tmp_path: Path) -> None:
    asked: list[str] = []
    known = make_wheel("a", "1", module="built = 'before'").write(tmp_path)

    def built_wheel(key: str) -> Path | None:
        asked.append(key)
        return known if len(asked) == 2 else None

    started: list[str] = []
    with FakeIndex(make_sdist(tmp_path / "src", "a", "1")) as index:
        spec = spec_of("a", index=index.url)
        found = resolve_all(
            spec, tmp_path, (HOST,), built_wheel=built_wheel, on_process=started.append
        )[HOST]
    (package,), (artifact,) = found.packages, found.artifacts
    assert artifact.path == known
    assert package.built_from
    assert asked == [source_key(package.built_from, found.python, one) for one in (ANY, HOST)]
    assert "uv build" not in started


@pytest.mark.slow
@needs_linux
def test_compiled_code_is_built_for_this_platform_and_refused_for_others(tmp_path: Path) -> None:
    with FakeIndex(
        make_sdist(tmp_path / "src", "a", "1", tag=NATIVE_TAG),
        make_sdist(tmp_path / "src", "b", "1", tag=NATIVE_TAG),
        make_sdist(tmp_path / "src", "c", "1"),
        make_sdist(tmp_path / "src", "d", "1", tag="broken"),
    ) as index:
        found = resolve(spec_of("a", index=index.url), tmp_path, HOST)
        assert found["a"].filename == f"a-1-{NATIVE_TAG}.whl"
        with pytest.raises(errors.NeedsPlatform) as caught:
            resolve(spec_of("a", "b", "c", "d", index=index.url), tmp_path, OTHER)
    assert caught.value.packages == ("a", "b", "d")
    assert OTHER in str(caught.value)


@pytest.mark.slow
def test_another_platform_takes_an_older_wheel_before_a_newer_source(tmp_path: Path) -> None:
    with FakeIndex(
        make_wheel("a", "1"),
        make_sdist(tmp_path / "src", "a", "2"),
        make_wheel("b", "1", requires=["c"]),
        make_wheel("b", "0.1"),
        make_sdist(tmp_path / "src", "c", "1"),
    ) as index:
        spec = spec_of("a", "b", index=index.url)
        assert versions(resolve(spec, tmp_path, HOST)) == {"a": "2", "b": "1", "c": "1"}
        # `c` has no wheel at all, and giving `b` up for that would be too much.
        assert versions(resolve(spec, tmp_path, OTHER)) == {"a": "1", "b": "1", "c": "1"}


@pytest.mark.slow
def test_another_platform_takes_no_pre_release_where_others_can_move(tmp_path: Path) -> None:
    with FakeIndex(
        make_sdist(tmp_path / "src", "a", "3", requires=["n"]),
        make_wheel("a", "2.5b1", requires=["n>=2"]),
        make_wheel("a", "2", requires=["n<2"]),
        make_wheel("n", "1"),
        make_wheel("n", "2"),
        make_wheel("b", "1"),
        make_wheel("b", "2rc1"),
    ) as index:
        spec = spec_of("a", "n", "b", index=index.url)
        assert versions(resolve(spec, tmp_path, HOST)) == {"a": "3", "n": "2", "b": "1"}
        assert versions(resolve(spec, tmp_path, OTHER)) == {"a": "2", "n": "1", "b": "1"}
        # Where the rest cannot move it is the only way.
        held = spec_of("a", "n>1", index=index.url)
        assert versions(resolve(held, tmp_path, OTHER)) == {"a": "2.5b1", "n": "2"}
        # A pre-release that somebody asks for stays.
        asked = spec_of("a", "n", "b>=2rc1", index=index.url)
        assert versions(resolve(asked, tmp_path, OTHER))["b"] == "2rc1"


def test_no_pre_release_for_a_floor_where_others_can_move(tmp_path: Path) -> None:
    with FakeIndex(
        make_wheel("a", "3", requires=["n"], tag="py3-none-manylinux_2_39_x86_64"),
        make_wheel("a", "2.5b1", requires=["n>=2"]),
        make_wheel("a", "2", requires=["n<2"]),
        make_wheel("n", "1"),
        make_wheel("n", "2"),
    ) as index:
        spec = spec_of("a", "n", index=index.url, sys=["__glibc=2.28"])
        assert versions(resolve(spec, tmp_path, "linux-64")) == {"a": "2", "n": "1"}


def test_building_can_be_forbidden_and_demanded(tmp_path: Path) -> None:
    with FakeIndex(
        make_wheel("a", "1"), make_wheel("a", "2"), make_sdist(tmp_path / "src", "a", "3")
    ) as index:
        only = spec_of("a", index=index.url, only_binary=[":all:"])
        assert versions(resolve(only, tmp_path, HOST)) == {"a": "2"}
        index.add(make_sdist(tmp_path / "src", "a", "2"))
        built = resolve(spec_of("a<3", index=index.url, no_binary=["a"]), tmp_path, HOST)["a"]
        assert (built.version, built.built_from is not None) == ("2", True)
        spec = spec_of("a>=3", index=index.url, only_binary=["a"], python=THIS_PYTHON)
        with pytest.raises(errors.NoSolution, match="a==3 has no usable wheels") as caught:
            resolve(spec, tmp_path, HOST)
    assert caught.value.hint == (
        "allow `a` to be built from source, or ask for a version that has a wheel"
    )


def test_a_failed_build_says_what_the_backend_said_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        FakeIndex(make_sdist(tmp_path / "src", "a", "1", tag="broken")) as index,
        pytest.raises(errors.BuildFailed) as caught,
    ):
        resolve(spec_of("a", index=index.url), tmp_path, HOST)
    assert caught.value.package == "a"
    assert "the compiler is on holiday" in caught.value.log
    assert not list((tmp_path / "engines" / "built").glob("[!.]*.whl"))
    assert not list((tmp_path / "engines" / "built").glob(".build-*"))


BACKENDS = {
    "an exception": (
        "print('running build'); raise RuntimeError('the real reason')",
        "failed: RuntimeError: the real reason",
        "running build",
        "",
    ),
    "a compiler": (
        (
            "import subprocess, sys; print('error: a.c: expected `;`', file=sys.stderr, flush=True);"
            " subprocess.check_call(['false'])"
        ),
        "failed: subprocess.CalledProcessError: Command '['false']' returned",
        "error: a.c: expected `;`",
        "",
    ),
    "no compiler": (
        "import subprocess; subprocess.check_call(['no-such-cc'])",
        "No such file or directory: 'no-such-cc'",
        "raise child_exception_type",
        "install what its build needs",
    ),
    "a module": (
        "import no_such_module",
        "No module named 'no_such_module'",
        "",
        "its build needs `no_such_module`, which `build-system.requires` must name",
    ),
    "megabytes": (
        "print('x' * 99_000); print('y\\n' * 500_000); raise SystemExit('it failed in the end')",
        "failed: it failed in the end",
        "y",
        "",
    ),
    "a secret": (
        "raise RuntimeError('at https://me:s3cret@host/x?token=s3cret#s3cret')",
        "at https://",
        "",
        "",
    ),
    "escapes": (
        "import sys; sys.stderr.buffer.write(b'\\x1b[31mred \\xff\\x1b]0;title\\x07\\r\\nblue\\x08'); sys.exit(3)",
        "failed: blue",
        "red \N{REPLACEMENT CHARACTER}",
        "",
    ),
    "a kill": (
        "import os; print('about to die', flush=True); os.kill(os.getpid(), 9)",
        "(SIGKILL)): about to die",
        "",
        "something ended its build",
    ),
}


@pytest.mark.parametrize(
    ("code", "reason", "tail", "hint"),
    [
        pytest.param(*backend, id=name, marks=[pytest.mark.slow] if name == "megabytes" else [])
        for name, backend in BACKENDS.items()
    ],
)
def test_a_failed_build_says_why_and_keeps_all_of_it_in_a_file(
    tmp_path: Path, code: str, reason: str, tail: str, hint: str
) -> None:
    tree = make_project(tmp_path / "project", "a", "1")
    (tree / "backend.py").write_text(f"def build_wheel(*_):\n    {code}\n")
    (tree / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'a'\nversion = '1'\n"
    )
    digest = content_digest(tree)
    with pytest.raises(errors.BuildFailed) as caught:
        resolve(
            spec_of(f"a @ file:project#sha256={digest}"),
            tmp_path,
            HOST,
            local_paths={digest: tree},
        )
    error = caught.value
    assert error.package == "project"
    assert reason in str(error).splitlines()[0]
    assert any(tail in line for line in (*error.tail, error.reason))
    assert hint in str(error.hint)
    assert len(str(error)) < 4000
    assert error.path
    assert error.path.is_relative_to(tmp_path / "engines" / "logs")
    assert str(error.path) in str(error)
    kept = error.path.read_text()
    assert all(line.removesuffix("...") in kept for line in error.tail)
    assert "\x1b" not in kept + str(error)
    assert "s3cret" not in kept + str(error) + error.log


def test_a_build_that_succeeds_may_have_lacked_something(tmp_path: Path) -> None:
    tree = make_project(tmp_path / "project", "a", "1")
    (backend,) = tree.glob("*backend*.py")
    said = "import sys; print('OSError: [Errno 28] No space left on device', file=sys.stderr)\n"
    backend.write_text(said + backend.read_text())
    digest = content_digest(tree)
    spec = spec_of(f"a @ file:project#sha256={digest}")
    assert list(resolve(spec, tmp_path, HOST, local_paths={digest: tree})) == ["a"]


def test_of_the_logs_of_builds_the_newest_are_kept(tmp_path: Path) -> None:
    tree = make_project(tmp_path / "project", "a", "1", tag="broken")
    digest = content_digest(tree)
    spec = spec_of(f"a @ file:project#sha256={digest}", python=f"=={sys.version.split()[0]}")
    logs = tmp_path / "engines" / "logs"
    logs.mkdir(parents=True)
    for number in range(50):
        (logs / f"20200101-0000{number:02}-b-x.log").touch()
    with pytest.raises(errors.BuildFailed) as caught:
        resolve(spec, tmp_path, HOST, local_paths={digest: tree})
    assert len(list(logs.iterdir())) == 20
    assert caught.value.path
    assert caught.value.path.parent == logs
    assert caught.value.path.exists()


def test_extras_of_a_project_without_a_name(tmp_path: Path) -> None:
    """As `./project[x]` in a requirements.txt is meant."""
    tree = make_project(tmp_path / "project", "a", "1", requires=['b; extra == "x"'])
    digest = content_digest(tree)
    with FakeIndex(make_wheel("b", "1")) as index:
        for text in ("[x]", '[x] ; python_version > "3"', ""):
            spec = spec_of(f"file:project#sha256={digest}{text}", index=index.url)
            found = resolve(spec, tmp_path, HOST, local_paths={digest: tree})
            assert sorted(found) == (["a", "b"] if text else ["a"])


def test_a_local_directory_is_built_without_touching_it(tmp_path: Path) -> None:
    tree = make_project(tmp_path / "my project", "a", "1", requires=["b"])
    digest = content_digest(tree)
    before = sorted(tree.iterdir())
    text = f"a[x] @ file:my%20project#sha256={digest}"
    with FakeIndex(make_wheel("b", "1")) as index:
        spec = spec_of(text, index=index.url)
        found = resolve(spec, tmp_path, HOST, local_paths={digest: tree})
    assert versions(found) == {"a": "1", "b": "1"}
    assert found["a"].url == f"file:my%20project#sha256={digest}"
    assert found["a"].built_from == BuiltFrom(kind="directory", url=found["a"].url, sha256=digest)
    assert sorted(tree.iterdir()) == before


def test_what_was_built_elsewhere_serves_where_the_directory_is_not(tmp_path: Path) -> None:
    known = make_wheel("a", "1").write(tmp_path)
    text = f"file:project#sha256={'0' * 64}"
    found = resolve(spec_of(text), tmp_path, HOST, built_wheel=lambda _: known)
    assert versions(found) == {"a": "1"}
    with pytest.raises(errors.UnsupportedRequest, match="is not on this machine"):
        resolve(spec_of(text), tmp_path / "fresh", HOST)


def test_a_directory_that_changed_meanwhile_is_noticed(tmp_path: Path) -> None:
    tree = make_project(tmp_path / "project", "a", "1")
    digest = content_digest(tree)
    (tree / "module.py").write_text("changed = True")
    with pytest.raises(errors.BuildFailed, match="the directory has changed"):
        resolve(spec_of(f"file:project#sha256={digest}"), tmp_path, local_paths={digest: tree})


def test_a_local_wheel_and_a_local_sdist_need_no_name(tmp_path: Path) -> None:
    wheel = make_wheel("a", "1").write(tmp_path)
    sdist = make_sdist(tmp_path / "src", "b", "1").write(tmp_path)
    paths = {content_digest(one): one for one in (wheel, sdist)}
    texts = [f"file:{path.name}#sha256={digest}" for digest, path in paths.items()]
    found = resolve_all(spec_of(*texts), tmp_path, (HOST,), local_paths=paths)[HOST]
    assert [(one.name, one.url) for one in found.packages] == [
        ("a", texts[0]),
        ("b", texts[1]),
    ]
    assert [one.built_from is None for one in found.packages] == [True, False]
    assert [one.path == wheel for one in found.artifacts] == [True, False]


def test_a_local_file_must_be_here_and_what_the_request_says(tmp_path: Path) -> None:
    wheel = make_wheel("a", "1").write(tmp_path)
    text = f"a @ file:a.whl#sha256={'0' * 64}"
    with pytest.raises(errors.UnsupportedRequest, match="is not on this machine"):
        resolve(spec_of(text), tmp_path)
    with pytest.raises(errors.NoMatchingFile, match=r"asked by r\.txt:1"):
        resolve(spec_of(text), tmp_path, local_paths={"0" * 64: wheel}, origins={text: "r.txt:1"})
    with pytest.raises(errors.UnsupportedRequest, match="does not say what the path holds"):
        resolve(spec_of("a @ file:a.whl"), tmp_path)


def test_a_local_wheel_of_another_platform_needs_that(tmp_path: Path) -> None:
    wheel = make_wheel("a", "1", tag="py3-none-win_amd64").write(tmp_path)
    digest = content_digest(wheel)
    with pytest.raises(errors.NeedsPlatform):
        resolve(
            spec_of(f"file:{wheel.name}#sha256={digest}"), tmp_path, local_paths={digest: wheel}
        )


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@localhost")
    done = subprocess.run(
        ["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def repository(folder: Path) -> str:
    make_project(folder / "inner", "a", "1", requires=["b"])
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_git_reference_is_built_at_its_commit_and_held_there(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    commit = repository(folder)
    url = folder.as_uri()
    text = f"git+{url}@main#subdirectory=inner"
    with FakeIndex(make_wheel("b", "1")) as index:
        spec = spec_of(f"a @ {text}", index=index.url)
        base = resolve(spec, tmp_path, HOST)
        make_project(folder / "inner", "a", "2")
        git(folder, "commit", "--quiet", "--all", "-m", "two")
        moved = resolve(spec, tmp_path / "fresh", HOST)
        held = resolve(spec, tmp_path, HOST, held={HOST: list(base.values())})
    assert base["a"].built_from == BuiltFrom(
        kind="vcs", url=url, commit=commit, subdirectory="inner"
    )
    assert base["a"].url == f"git+{url}@{commit}"
    assert versions(base) == {"a": "1", "b": "1"}
    assert versions(moved) == {"a": "2"}
    assert held == base
    url += f"@{git(folder, 'rev-parse', 'HEAD')}#subdirectory=inner"
    asked = spec_of(f"a @ git+{url}", python=THIS_PYTHON)
    with pytest.raises(errors.NoSolution) as caught:
        resolve(asked, tmp_path, HOST, held={HOST: list(base.values())})
    assert caught.value.hint == "`a` must stay, as what this derives from has it"


class Private(LocalServer):
    """A repository as files, for who has the login."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = self._folder / request.path.partition("?")[0].lstrip("/")
        allowed = request.headers["Authorization"] == "Basic YW5uOmdlaGVpbQ=="
        data = path.read_bytes() if allowed and path.is_file() else b""
        request.send_response(401 if not allowed else 200 if path.is_file() else 404)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_login_for_a_repository_is_not_beside_what_is_built(tmp_path: Path) -> None:
    commit = repository(tmp_path / "repository")
    git(tmp_path, "clone", "--quiet", "--bare", "repository", "bare")
    git(tmp_path / "bare", "update-server-info")
    with Private(tmp_path / "bare") as server:
        source = BuiltFrom(kind="vcs", url=server.origin, commit=commit)
        with Uv(ResolveContext(cache_dir=tmp_path / "engines")) as uv:
            tree = checkout(uv, source, Login(user="ann", password="geheim"), tmp_path / "into")
    assert (tree / "inner" / "pyproject.toml").is_file()
    files = [one for one in tree.rglob("*") if one.is_file()]
    assert not any(word in one.read_bytes() for one in files for word in (b"geheim", b"YW5uOm"))


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_reference_that_a_repository_does_not_have_is_said(tmp_path: Path) -> None:
    repository(tmp_path / "repository")
    url = (tmp_path / "repository").as_uri()
    with pytest.raises(errors.ResolveError, match="nosuch"):
        resolve(spec_of(f"a @ git+{url}@nosuch#subdirectory=inner"), tmp_path, HOST)
    with pytest.raises(errors.ResolveError):
        resolve(spec_of(f"a @ git+{url}-not-there"), tmp_path, HOST)


def test_without_git_a_reference_to_a_repository_cannot_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(errors.BuildFailed, match="git is not on PATH") as caught:
        resolve(spec_of(f"a @ git+{tmp_path.as_uri()}"), tmp_path, HOST)
    assert caught.value.hint == "install git"


@pytest.mark.slow
def test_resolves_at_once_build_a_source_once(tmp_path: Path) -> None:
    started: list[str] = []
    with FakeIndex(make_sdist(tmp_path / "src", "a", "1")) as index:
        spec = spec_of("a", index=index.url)
        with ThreadPoolExecutor(3) as pool:
            found = [
                pool.submit(resolve, spec, tmp_path, HOST, on_process=started.append)
                for _ in range(3)
            ]
            assert len({one.result()["a"].hashes.sha256 for one in found}) == 1
    assert count(started, "uv build") == 1


def test_source_keys_are_those_that_the_readme_shows() -> None:
    sdist = BuiltFrom(kind="sdist", url="https://localhost/a.tar.gz", sha256="0" * 64)
    elsewhere = BuiltFrom(kind="sdist", url="https://localhost/mirror/a.tar.gz", sha256="0" * 64)
    commit = BuiltFrom(kind="vcs", url="https://localhost/a", commit="1" * 40, subdirectory="x")
    keys = [
        source_key(sdist, "3.11.7", ANY),
        source_key(sdist, "3.12.1", ANY),
        source_key(sdist, "3.11.7", "linux-64"),
        source_key(commit, "3.11.7", ANY),
    ]
    assert len(set(keys)) == 4
    assert source_key(elsewhere, "3.11.2", ANY) == keys[0]
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert keys[0] in readme


def test_this_python_is_the_one_that_builds(tmp_path: Path) -> None:
    python = ".".join(str(part) for part in sys.version_info[:2])
    with FakeIndex(make_sdist(tmp_path / "src", "a", "1")) as index:
        spec = spec_of("a", index=index.url, python=python)
        assert resolve_all(spec, tmp_path, (HOST,))[HOST].python.startswith(f"{python}.")
