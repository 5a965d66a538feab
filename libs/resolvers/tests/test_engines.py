"""One suite of cases for every engine that is here, and how each differs from ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envid.platforms import host_platform
from envid.spec import EnvSpec, Source
from pkgcache.web.credentials import Credentials
from pkgcache.web.patience import Patience
from resolvers import _programs
from resolvers._python_choice import first_that_solves
from resolvers.content import content_digest
from resolvers.errors import (
    BuildFailed,
    EngineFailed,
    IndexUnreachable,
    NoMatchingFile,
    NoSolution,
    PackageUnreadable,
    PythonRefused,
    ResolveError,
    UnknownPackage,
    UnsupportedRequest,
)
from resolvers.mixed import MixedResolver
from resolvers.testing import Distribution, FakeIndex, make_project, make_sdist, make_wheel

from .helpers import THIS_PYTHON, resolve, resolve_all, spec_of, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.channel import Channels

    from pkgcache.worker import Worker

HOST = host_platform()
FOREIGN = "osx-arm64" if HOST != "osx-arm64" else "linux-64"
PYPI = ("uv", "pip")
SYSTEM = {"linux-64": "linux", "osx-arm64": "darwin"}

# That of this Python, which the tests ask for; what else may be on PATH is of any age.
PIP = Path(sys.executable).with_name("pip")
needs_pip = pytest.mark.skipif(not PIP.exists(), reason=f"there is no `{PIP}`")


@pytest.fixture(autouse=True)
def plain_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one pip first, and without the configuration of whoever runs the tests."""
    monkeypatch.setenv("PATH", os.pathsep.join((str(PIP.parent), os.environ["PATH"])))
    for name in os.environ:
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture(
    params=[pytest.param("uv"), pytest.param("pip", marks=[needs_pip, pytest.mark.slow])]
)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass(frozen=True)
class Case:
    """What is asked, and what any engine gives, but for those in `otherwise`."""

    there: tuple[Distribution, ...]
    asked: tuple[str, ...]
    found: Mapping[str, str] | type[ResolveError]
    platform: str = HOST
    python: str = THIS_PYTHON
    constraints: tuple[str, ...] = ()
    pre: bool = False
    otherwise: Mapping[str, Mapping[str, str] | type[ResolveError]] = field(default_factory=dict)


_A1, _A2 = make_wheel("a", "1"), make_wheel("a", "2")
_NEEDY = make_wheel("b", "2", requires=["a<2"])
CASES = {
    "the newest version": Case((_A1, _A2), ("a",), {"a": "2"}),
    "an older one that goes": Case((_A1, _A2, _NEEDY), ("a", "b"), {"a": "1", "b": "2"}),
    "a conflict": Case((_A1, _A2, _NEEDY), ("a>=2", "b"), NoSolution),
    "a constraint": Case((_A1, _A2), ("a",), {"a": "1"}, constraints=("a<2",)),
    "no such package": Case((_A1,), ("nowhere",), UnknownPackage),
    "no such version": Case((_A1,), ("a>=3",), NoSolution),
    "an extra": Case(
        (make_wheel("e", "1", extras=["x"], requires=["a; extra == 'x'"]), _A1),
        ("e[x]",),
        {"a": "1", "e": "1"},
    ),
    "no pre-release": Case((_A1, make_wheel("a", "2rc1")), ("a",), {"a": "1"}),
    "pre-releases": Case((_A1, make_wheel("a", "2rc1")), ("a",), {"a": "2rc1"}, pre=True),
    "for another Python": Case(
        (make_wheel("old", "1", requires_python="<3.8"),), ("old",), PythonRefused
    ),
    "a marker that holds there": Case(
        (make_wheel("m", "1", requires=[f"a; sys_platform == '{SYSTEM[FOREIGN]}'"]), _A1),
        ("m",),
        {"a": "1", "m": "1"},
        FOREIGN,
    ),
    "a marker that holds here alone": Case(
        (make_wheel("m", "1", requires=[f"a; sys_platform == '{SYSTEM[HOST]}'"]), _A1),
        ("m",),
        {"m": "1"},
        FOREIGN,
    ),
    "what this machine alone needs, and has": Case(
        (
            make_wheel("m", "1", requires=[f"n; sys_platform == '{SYSTEM[HOST]}'"]),
            make_wheel("n", "1", tag="py3-none-manylinux_2_17_x86_64"),
        ),
        ("m",),
        {"m": "1"},
        FOREIGN,
        otherwise={"pip": NoSolution},
    ),
    "a version that a marker bounds": Case(
        (make_wheel("m", "1", requires=["a", f"a<2; sys_platform == '{SYSTEM[FOREIGN]}'"]), _A1, _A2),
        ("m",),
        {"a": "1", "m": "1"},
        FOREIGN,
    ),
    "a marker of the request": Case(
        (_A1, make_wheel("b", "1")),
        (f"a; sys_platform == '{SYSTEM[FOREIGN]}'", "b; sys_platform == 'win32'"),
        {"a": "1"},
        FOREIGN,
    ),
    "the wheel of the target": Case(
        (
            make_wheel("t", "1", tag="py3-none-macosx_11_0_arm64"),
            make_wheel("t", "1", tag="py3-none-manylinux_2_17_x86_64"),
            make_wheel("t", "2", tag="py3-none-win_amd64"),
        ),
        ("t",),
        {"t": "1"},
        FOREIGN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_engine_answers_alike(tmp_path: Path, engine: str, name: str) -> None:
    case = CASES[name]
    expected = case.otherwise.get(engine, case.found)
    with FakeIndex(*case.there) as index:
        spec = spec_of(
            *case.asked,
            index=index.url,
            python=case.python,
            constraints=case.constraints,
            prereleases=case.pre,
        )
        if isinstance(expected, type):
            with pytest.raises(expected) as caught:
                resolve(spec, tmp_path, case.platform, pypi_engine=engine)
            assert caught.type is expected
            return
        found = resolve(spec, tmp_path, case.platform, pypi_engine=engine)
    assert versions(found) == expected


def _table() -> str:
    """The cases by engine, as the README has them."""
    rows = ["| case | " + " | ".join(PYPI) + " |", "|---" * (1 + len(PYPI)) + "|"]
    for name, case in CASES.items():
        cells = [_cell(case.found)]
        cells += [_cell(case.otherwise[one]) if one in case.otherwise else "=" for one in PYPI[1:]]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(expected: Mapping[str, str] | type[ResolveError]) -> str:
    if isinstance(expected, type):
        return f"`{expected.__name__}`"
    return ", ".join(f"{name} {version}" for name, version in expected.items())


def test_the_readme_has_the_cases() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text()
    assert text.partition("<!-- cases -->")[2].partition("<!-- /cases -->")[0].strip() == _table()


@pytest.mark.slow
def test_every_engine_describes_a_package_alike(tmp_path: Path) -> None:
    found = {}
    wheel = make_wheel("app", "1.0", requires=["c>=1"])
    with FakeIndex(wheel, make_wheel("c", "2.0")) as index:
        spec = spec_of("App", index=index.url)
        for engine in PYPI:
            if engine == "uv" or PIP.exists():
                one = resolve(spec, tmp_path, pypi_engine=engine)["app"]
                # pip's report has no sizes.
                found[engine] = one.to_dict() | {"size": None}
    assert len({json.dumps(each) for each in found.values()}) == 1


def test_a_wheel_below_the_floor_is_taken_and_others_are_not(tmp_path: Path, engine: str) -> None:
    machine = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}.get(HOST)
    if not machine:
        pytest.skip("glibc is Linux's")
    tags = [f"py3-none-manylinux_2_{minor}_{machine}" for minor in (17, 28, 30)]
    wheels = [make_wheel("a", "1", tag=tag) for tag in tags]
    newer = make_wheel("b", "2", tag=tags[-1])
    with FakeIndex(*wheels, make_wheel("b", "1"), newer) as index:
        found = resolve(spec_of("a", "b", index=index.url), tmp_path, HOST, pypi_engine=engine)
    assert (found["a"].filename, found["b"].version) == (f"a-1-{tags[1]}.whl", "1")


def repository(folder: Path, name: str = "d") -> Path:
    tree = make_project(folder, name, "3")
    subprocess.run(["git", "init", "-q", "-b", "main", tree], check=True)
    subprocess.run(["git", "-C", tree, "add", "."], check=True)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", *who, "-C", tree, "commit", "-qm", "x"], check=True)
    return tree


@pytest.mark.slow
def test_sources_are_built_by_us(tmp_path: Path, engine: str) -> None:
    sdist = make_sdist(tmp_path / "src", "a", "1", requires=["b"])
    tree = repository(tmp_path / "tree")
    with FakeIndex(sdist, make_wheel("b", "1")) as index:
        spec = spec_of("a", f"d @ git+{tree.as_uri()}", index=index.url, python=THIS_PYTHON)
        resolution = resolve_all(spec, tmp_path, (HOST,), pypi_engine=engine)[HOST]
    built = {one.name: one.built_from for one in resolution.packages if one.built_from}
    assert {name: made.kind for name, made in built.items()} == {"a": "sdist", "d": "vcs"}
    assert built["a"].sha256 == sdist.sha256
    assert {one.filename for one in resolution.artifacts} == {
        "a-1-py3-none-any.whl",
        "d-3-py3-none-any.whl",
    }


@pytest.mark.parametrize("revision", ["nosuch", "abcdef1234", "a" * 40, "refs/pull/1/head"])
def test_a_revision_that_a_repository_has_not_is_named(
    tmp_path: Path, engine: str, revision: str
) -> None:
    tree = repository(tmp_path / "tree")
    other = repository(tmp_path / "other", "e")
    text, good = f"d @ git+{tree.as_uri()}@{revision}", f"e @ git+{other.as_uri()}@main"
    with pytest.raises(PackageUnreadable) as caught:
        resolve(
            spec_of(good, text, python=THIS_PYTHON),
            tmp_path,
            HOST,
            pypi_engine=engine,
            origins={good: "r.txt:1", text: "r.txt:2"},
        )
    assert (caught.value.filename, caught.value.origin) == (text, "r.txt:2")
    assert f"no branch, tag or commit `{revision}`" in caught.value.reason
    assert f"`git ls-remote {tree.as_uri()}`" in str(caught.value.hint)


def test_what_a_url_leads_to_under_another_name_is_named(tmp_path: Path, engine: str) -> None:
    tree = repository(tmp_path / "tree")
    digest = content_digest(tree)
    paths = {digest: tree}
    for text, shown in (
        (f"other @ git+{tree.as_uri()}", f"other @ git+{tree.as_uri()}"),
        (f"other @ file:tree#sha256={digest}", "other @ file:tree"),
    ):
        with pytest.raises(PackageUnreadable, match="it says itself that it is `d`") as caught:
            resolve(
                spec_of(text, python=THIS_PYTHON),
                tmp_path,
                HOST,
                pypi_engine=engine,
                origins={text: "r.txt:1"},
                local_paths=paths,
            )
        assert (caught.value.filename, caught.value.origin) == (shown, "r.txt:1")
        assert "`d`" in str(caught.value.hint)


def test_a_repository_that_is_none_is_no_failed_build(tmp_path: Path, engine: str) -> None:
    url = (tmp_path / "nothing").as_uri()
    spec = spec_of(f"d @ git+{url}", python=THIS_PYTHON)
    with pytest.raises(IndexUnreachable) as caught:
        resolve(spec, tmp_path, HOST, pypi_engine=engine)
    assert caught.value.where == url


def test_a_source_that_cannot_say_what_it_needs_is_named(tmp_path: Path, engine: str) -> None:
    tree = make_project(tmp_path / "src" / "x-1", "x", "1")
    (tree / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (tree / "backend.py").write_text("raise SystemExit('no compiler at all')\n")
    (tree / "PKG-INFO").unlink()
    archive = shutil.make_archive(str(tmp_path / "x-1"), "gztar", tree.parent, tree.name)
    sdist = Distribution(
        name="x", filename="x-1.tar.gz", data=Path(archive).read_bytes(), metadata=""
    )
    with FakeIndex(sdist) as index, pytest.raises(BuildFailed) as caught:
        resolve(
            spec_of("x", index=index.url, python=THIS_PYTHON), tmp_path, HOST, pypi_engine=engine
        )
    assert "no compiler at all" in caught.value.log


def test_hashes_choose_the_file(tmp_path: Path, engine: str) -> None:
    tagged = f"py3-none-{'manylinux_2_17_x86_64' if HOST == 'linux-64' else 'any'}"
    plain, special = make_wheel("a", "1"), make_wheel("a", "1", tag=tagged)
    with FakeIndex(plain, special) as index:
        given = spec_of(f"a --hash=sha256:{plain.sha256}", index=index.url)
        found = resolve(given, tmp_path, HOST, pypi_engine=engine)
        assert found["a"].hashes.sha256 == plain.sha256
        with pytest.raises(NoMatchingFile):
            resolve(
                spec_of(f"a --hash=sha256:{'0' * 64}", index=index.url), tmp_path, HOST,
                pypi_engine=engine,
            )  # fmt: skip


def test_a_folder_is_a_source(tmp_path: Path, engine: str) -> None:
    links = tmp_path / "links"
    links.mkdir()
    make_wheel("a", "1").write(links)
    found = resolve(spec_of("a", find_links=[str(links)]), tmp_path, HOST, pypi_engine=engine)
    assert (found["a"].version, found["a"].url) == (
        "1",
        (links / "a-1-py3-none-any.whl").as_uri(),
    )


def test_a_login_is_sent_and_shown_nowhere(
    tmp_path: Path, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    with FakeIndex(_A1, login=("ada", "s3cret")) as index:
        with pytest.raises(IndexUnreachable) as caught:
            resolve(spec_of("a", index=index.url), tmp_path / "1", HOST, pypi_engine=engine)
        assert caught.value.status == 401
        credentials = Credentials()
        credentials.add(index.url.replace("://", "://ada:s3cret@"))
        seen: list[str] = []
        found = resolve(
            spec_of("a", index=index.url),
            tmp_path / "2",
            HOST,
            pypi_engine=engine,
            credentials=credentials,
            on_process=seen.append,
        )
    assert "s3cret" not in json.dumps([found["a"].to_dict(), seen]) + caplog.text


@pytest.mark.slow
def test_an_index_that_is_not_there_is_named(tmp_path: Path, engine: str) -> None:
    with FakeIndex() as index:
        gone = index.url
    with pytest.raises(IndexUnreachable):
        resolve(spec_of("a", index=gone), tmp_path, HOST, pypi_engine=engine)


def test_a_folder_is_an_index(tmp_path: Path, engine: str) -> None:
    """Beside another index, and for what that alone has."""
    page = tmp_path / "simple" / "a"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f'<a href="{_A1.filename}">{_A1.filename}</a>')
    _A1.write(page)
    folder = page.parent.as_uri()
    with FakeIndex(_A2, make_wheel("b", "1")) as index:
        older = spec_of("a<2", "b", index=(folder, index.url))
        found = resolve(older, tmp_path / "1", HOST, pypi_engine=engine)
        assert {name: one.source for name, one in found.items()} == {"a": folder, "b": index.url}
        if engine == "pip":
            newest = spec_of("a", "b", index=(folder, index.url))
            with pytest.raises(NoSolution, match="decides, is file:"):
                resolve(newest, tmp_path / "2", HOST, pypi_engine=engine)


@pytest.mark.slow
def test_a_source_that_does_not_answer_is_not_passed_over(tmp_path: Path, engine: str) -> None:
    """Else what a lower one has would be taken in the place of what it has."""
    with FakeIndex() as gone:
        pass
    folder = tmp_path / "nowhere"
    with FakeIndex(_A1, login=("ada", "s3cret")) as closed, FakeIndex(_A1) as index:
        for number, (indexes, links) in enumerate(
            (
                ((gone.url, index.url), ()),
                ((closed.url, index.url), ()),
                ((index.url,), (f"{gone.origin}/links.html",)),
                ((index.url,), (folder.as_uri(),)),
            )
        ):
            spec = spec_of("a", index=indexes, find_links=links)
            with pytest.raises(IndexUnreachable) as caught:
                resolve(spec, tmp_path / str(number), HOST, pypi_engine=engine)
            told = f"{caught.value.where} {caught.value}"
            assert any(place in told for place in (gone.origin, closed.origin, str(folder)))


def test_a_withdrawn_version_is_noted(tmp_path: Path, engine: str) -> None:
    with FakeIndex(_A1) as index:
        index.yank(_A1, "broken")
        resolution = resolve_all(
            spec_of("a==1", index=index.url), tmp_path, (HOST,), pypi_engine=engine
        )[HOST]
    assert any("yanked" in note and "a==1" in note for note in resolution.notes)


def test_versions_stay_where_they_can(tmp_path: Path, engine: str) -> None:
    with FakeIndex(_A1, _A2, make_wheel("b", "1")) as index:
        stay = resolve(spec_of("a==1", index=index.url), tmp_path, HOST)["a"]
        for key in ("held", "preferred"):
            asked = spec_of("a", "b", index=index.url)
            found = resolve(asked, tmp_path, HOST, pypi_engine=engine, **{key: {HOST: [stay]}})
            assert versions(found) == {"a": "1", "b": "1"}
        # What is preferred gives way.
        found = resolve(
            spec_of("a>1", index=index.url), tmp_path, HOST, pypi_engine=engine,
            preferred={HOST: [stay]},
        )  # fmt: skip
        assert versions(found) == {"a": "2"}


def test_conda_packages_are_held_for_every_engine(
    tmp_path: Path, engine: str, channels: Channels, worker: Worker
) -> None:
    from resolvers.request import ResolveContext

    with FakeIndex(
        make_wheel("top", "1", requires=["requests>=2"]), make_wheel("requests", "99")
    ) as index:
        spec = EnvSpec.make(
            requirements={"conda": ["requests"], "pypi": ["top"]},
            python=f"{sys.version_info[0]}.{sys.version_info[1]}",
            sources=[
                Source.make("channel", channels.main.as_uri()), Source.make("index", index.url),
            ],
        )  # fmt: skip
        context = ResolveContext(cache_dir=tmp_path, pypi_engine=engine)
        found = MixedResolver(worker).resolve(spec, [HOST, FOREIGN], context)
    for each in found.values():
        kinds = {one.name: one.kind for one in each.packages}
        assert (kinds["requests"], kinds["top"]) == ("conda", "pypi")


@needs_pip
@pytest.mark.slow
class TestPip:
    def test_its_configuration_holds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its own index stands for the public one."""
        with FakeIndex(make_wheel("only-at-this-site", "1")) as index:
            config = tmp_path / "pip.conf"
            config.write_text(f"[global]\nindex-url = {index.url}\n")
            monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
            found = resolve(spec_of("only-at-this-site", index="pypi"), tmp_path, pypi_engine="pip")
            assert found["only-at-this-site"].url.startswith(index.origin)
            monkeypatch.delenv("PIP_CONFIG_FILE")
            monkeypatch.setenv("PIP_INDEX_URL", index.url)
            found = resolve(spec_of("only-at-this-site", index="pypi"), tmp_path, pypi_engine="pip")
        assert versions(found) == {"only-at-this-site": "1"}

    def test_what_asks_or_guards_what_is_installed_into_does_not_count(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config, asked = tmp_path / "pip.conf", tmp_path / "asked.txt"
        config.write_text("[global]\nrequire-virtualenv = true\nonly-deps = true\n")
        asked.write_text("nowhere\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
        monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
        monkeypatch.setenv("PIP_REQUIREMENT", str(asked))
        monkeypatch.setenv("PIP_ALL_RELEASES", ":all:")
        monkeypatch.setenv("PIP_REQUIREMENTS_FROM_SCRIPT", str(asked))
        monkeypatch.setenv("PIP_USER", "1")
        with FakeIndex(_A1, make_wheel("a", "2rc1")) as index:
            spec = spec_of("a", index=index.url)
            for platform in (HOST, FOREIGN):
                assert versions(resolve(spec, tmp_path, platform, pypi_engine="pip")) == {"a": "1"}
            monkeypatch.delenv("PIP_REQUIREMENT")
            monkeypatch.delenv("PIP_ALL_RELEASES")
            monkeypatch.delenv("PIP_REQUIREMENTS_FROM_SCRIPT")
            config.write_text(
                f"[install]\nrequirement = {asked}\neditable = /nowhere\npre = true\nquiet = 3\n"
                "all-releases = :all:\n"
            )
            assert versions(resolve(spec, tmp_path, HOST, pypi_engine="pip")) == {"a": "1"}

    def test_a_repository_in_a_folder_with_a_blank(self, tmp_path: Path) -> None:
        """Which pip does not quote; and it is told as uv tells it."""
        folder = make_project(tmp_path / "a b" / "v", "v", "1")
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x")):
            own = ("git", "-c", "user.email=a@b", "-c", "user.name=a")
            subprocess.run([*own, *command], cwd=folder, check=True)
        spec = spec_of(f"v @ git+{folder.as_uri()}", index="http://host.test/simple")
        found = [resolve(spec, tmp_path, HOST, pypi_engine=one)["v"].built_from for one in PYPI]
        assert found[0] == found[1]
        assert found[0]
        assert found[0].url == folder.as_uri()

    def test_what_its_configuration_does_to_its_words_does_no_harm(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = make_wheel("old", "1", requires_python="<3.8")
        for name, value in (("PIP_ONLY_FINAL", ":all:"), ("FORCE_COLOR", "1")):
            with monkeypatch.context() as own, FakeIndex(_A1, old) as index:
                own.setenv(name, value)
                with pytest.raises(PythonRefused) as caught:
                    resolve(spec_of("old", index=index.url), tmp_path, HOST, pypi_engine="pip")
                assert "\x1b" not in str(caught.value)

    def test_a_wrong_value_in_its_configuration_is_shown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_USE_FEATURE", "no-such-feature")
        with FakeIndex(_A1) as index, pytest.raises(EngineFailed) as caught:
            resolve(spec_of("a", index=index.url), tmp_path, HOST, pypi_engine="pip")
        assert "no-such-feature" in str(caught.value)
        monkeypatch.delenv("PIP_USE_FEATURE")
        config = tmp_path / "pip.conf"
        config.write_text("garbage\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
        _programs._found.clear()  # which said its version before
        with pytest.raises(EngineFailed) as caught:
            resolve(spec_of("a"), tmp_path, HOST, pypi_engine="pip")
        assert str(config) in str(caught.value)

    def test_a_dead_proxy_of_its_configuration_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with FakeIndex() as gone:
            dead = gone.origin
        monkeypatch.setenv("PIP_PROXY", dead)
        monkeypatch.setenv("PIP_RETRIES", "1")
        with FakeIndex(_A1) as index, pytest.raises(IndexUnreachable) as caught:
            resolve(spec_of("a", index=index.url), tmp_path, HOST, pypi_engine="pip")
        assert caught.value.where == f"{index.url}/a/"
        assert caught.value.status is None
        assert "proxy" in str(caught.value.hint)

    def test_what_is_only_withdrawn_is_said(self, tmp_path: Path) -> None:
        with FakeIndex(_A1) as index:
            index.yank(_A1, "broken")
            with pytest.raises(NoSolution, match=r"was withdrawn \(yanked\): broken"):
                resolve(spec_of("a", index=index.url), tmp_path, HOST, pypi_engine="pip")

    def test_an_old_pip_tells_of_what_is_withdrawn(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As of what there is: pip 23.0 lists it with the rest, and takes none of it."""
        said = (
            "ERROR: Could not find a version that satisfies the requirement a (from versions: 1)\n"
            "ERROR: No matching distribution found for a"
        )
        version = "print('pip 23.0') if '--version' in sys.argv else "
        _program(tmp_path / "bin", "pip", f"{version}sys.exit({said!r})")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        with FakeIndex(_A1) as index:
            index.yank(_A1, "broken")
            with pytest.raises(NoSolution, match=r"was withdrawn \(yanked\): broken"):
                resolve(spec_of("a", index=index.url), tmp_path, HOST, pypi_engine="pip")

    def test_a_constraint_of_its_configuration_leads_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = tmp_path / "site.txt"
        site.write_text("a<1\n")
        monkeypatch.setenv("PIP_CONSTRAINT", str(site))
        with FakeIndex(_A1) as index, pytest.raises(NoSolution) as caught:
            resolve(spec_of("a", index=index.url), tmp_path, HOST, pypi_engine="pip")
        assert "`pip` and its configuration" in str(caught.value.hint)

    def test_what_only_its_configuration_finds_is_noted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And is from no source of the request."""
        links = tmp_path / "links"
        links.mkdir()
        make_wheel("b", "1").write(links)
        monkeypatch.setenv("PIP_FIND_LINKS", str(links))
        with FakeIndex(_A1) as index:
            spec = spec_of("a", "b", index=index.url)
            found = resolve_all(spec, tmp_path, (HOST,), pypi_engine="pip")[HOST]
        assert {one.name: one.source for one in found.packages} == {"a": index.url, "b": None}
        assert [note for note in found.notes if f"`b==1` is from {links.as_uri()}/" in note]

    def test_what_its_configuration_refuses_leads_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor is it blamed on the platform."""
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        with FakeIndex(_A1) as index, pytest.raises(NoSolution, match="asks no index") as caught:
            resolve(spec_of("a", index=index.url), tmp_path, HOST, pypi_engine="pip")
        assert "`pip` and its configuration" in str(caught.value.hint)
        assert "no wheel" not in str(caught.value)

    def test_hashes_that_its_configuration_demands_are_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_REQUIRE_HASHES", "1")
        for text in ("a", "a==1", f"a==1 --hash=sha256:{_A1.sha256}"):
            with (
                FakeIndex(_A1) as index,
                pytest.raises(UnsupportedRequest, match="`require-hashes`") as caught,
            ):
                resolve(spec_of(text, index=index.url), tmp_path, HOST, pypi_engine="pip")
            assert "PIP_REQUIRE_HASHES=0" in str(caught.value.hint)

    def test_paths_in_its_configuration_are_meant_from_where_we_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        Path("c.txt").write_text("a<2\n")
        Path("pip.conf").write_text("[install]\nconstraint = c.txt\n")
        with FakeIndex(_A1, _A2) as index:
            spec = spec_of("a", index=index.url)
            for name, path in (("PIP_CONSTRAINT", "c.txt"), ("PIP_CONFIG_FILE", "pip.conf")):
                with monkeypatch.context() as own:
                    own.setenv(name, path)
                    found = resolve(spec, tmp_path / name, HOST, pypi_engine="pip")
                assert versions(found) == {"a": "1"}
        assert sorted(path.name for path in Path().iterdir()) == ["c.txt", "pip.conf"]

    def test_wheels_that_its_configuration_forbids_are_not_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = tmp_path / "pip.conf"
        config.write_text("[global]\nno-binary = A\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
        sdist = make_sdist(tmp_path / "src", "a", "1")
        with FakeIndex(sdist, _A1, make_wheel("b", "1")) as index:
            spec = spec_of("a", "b", index=index.url, python=THIS_PYTHON)
            resolution = resolve_all(spec, tmp_path / "1", (HOST,), pypi_engine="pip")[HOST]
            assert [one.name for one in resolution.packages if one.built_from] == ["a"]
            with pytest.raises(UnsupportedRequest, match="`no-binary` for `a`, and for"):
                resolve(spec, tmp_path / "2", FOREIGN, pypi_engine="pip")
            alone = spec_of("b", index=index.url, python=THIS_PYTHON)
            assert versions(resolve(alone, tmp_path / "3", FOREIGN, pypi_engine="pip")) == {
                "b": "1"
            }
            # The stronger one counts, and may take it back.
            monkeypatch.setenv("PIP_NO_BINARY", ":none:")
            assert resolve(spec, tmp_path / "4", FOREIGN, pypi_engine="pip")["a"].built_from is None

    def test_an_older_python_that_it_does_not_run_under_hides_no_reason(
        self, tmp_path: Path
    ) -> None:
        def newer(*, final: bool) -> None:
            raise NoSolution(HOST, "because", ())

        def older(*, final: bool) -> None:
            raise EngineFailed("pip", "it does not run under this Python")

        with pytest.raises(NoSolution, match="because") as caught:
            first_that_solves([("3.13", newer), ("3.9", older), ("3.8", newer)], only=False)
        assert "with Python 3.9, pip failed: it does not run" in str(caught.value.hint)
        with pytest.raises(EngineFailed):
            first_that_solves([("3.9", older), ("3.8", newer)], only=False)

    def test_what_the_first_index_does_not_decide_is_refused(self, tmp_path: Path) -> None:
        with FakeIndex(_A1) as first, FakeIndex(_A2, make_wheel("b", "1")) as second:
            indexes = (first.url, second.url)
            with pytest.raises(NoSolution, match=r"takes `a-2-.*decides, is http") as caught:
                resolve(spec_of("a", index=indexes), tmp_path, HOST, pypi_engine="pip")
            assert "unsafe-best-match" in str(caught.value.hint)
            found = resolve(spec_of("a<2", "b", index=indexes), tmp_path, HOST, pypi_engine="pip")
            assert found["b"].source == second.url
            spec = spec_of("a", index=indexes, index_strategy="unsafe-best-match")
            assert resolve(spec, tmp_path, HOST, pypi_engine="pip")["a"].version == "2"

    def test_what_it_cannot_do_is_refused_by_name(self, tmp_path: Path) -> None:
        for spec, platform, more in (
            (spec_of("a", index="http://host.test/simple"), HOST, {"offline": True}),
            (spec_of("a", index="http://host.test/simple", no_binary=["a"]), FOREIGN, {}),
        ):
            with pytest.raises(UnsupportedRequest) as caught:
                resolve(spec, tmp_path, platform, pypi_engine="pip", **more)
            assert "`pypi_resolver`" in str(caught.value.hint)

    def test_a_source_that_pip_does_not_look_at_is_named(self, tmp_path: Path) -> None:
        said = rf"`a` cannot be had: only its source .* for {FOREIGN} and Python 3\S+ pip looks"
        with (
            FakeIndex(make_sdist(tmp_path, "a", "1")) as index,
            pytest.raises(NoSolution, match=said) as caught,
        ):
            resolve(spec_of("a", index=index.url), tmp_path, FOREIGN, pypi_engine="pip")
        assert caught.value.hint == "set `pypi_resolver` to `uv`"

    def test_what_this_machine_alone_needs_is_explained(self, tmp_path: Path) -> None:
        case = CASES["what this machine alone needs, and has"]
        with FakeIndex(*case.there) as index, pytest.raises(NoSolution, match=r"`n[`;]") as caught:
            resolve(spec_of("m", index=index.url), tmp_path, FOREIGN, pypi_engine="pip")
        assert "pip reads markers as this machine does" in str(caught.value.hint)

    def test_a_conflict_has_its_sides(self, tmp_path: Path) -> None:
        with FakeIndex(_A1, _A2, _NEEDY) as index, pytest.raises(NoSolution) as caught:
            resolve(
                spec_of("a>=2", "b", index=index.url), tmp_path, HOST, pypi_engine="pip",
                origins={"a>=2": "file:3"},
            )  # fmt: skip
        said = str(caught.value)
        assert "\n" not in said
        for part in ("a>=2", "b 2 depends on a<2", "file:3"):
            assert part in said

    def test_conda_is_not_asked_again(
        self, tmp_path: Path, channels: Channels, worker: Worker
    ) -> None:
        from resolvers.request import ResolveContext

        with FakeIndex(make_wheel("top", "1", requires=["requests<1"])) as index:
            spec = EnvSpec.make(
                requirements={"conda": ["requests"], "pypi": ["top"]},
                python=f"{sys.version_info[0]}.{sys.version_info[1]}",
                sources=[
                    Source.make("channel", channels.main.as_uri()),
                    Source.make("index", index.url),
                ],
            )
            context = ResolveContext(cache_dir=tmp_path, pypi_engine="pip")
            with pytest.raises(NoSolution) as caught:
                MixedResolver(worker).resolve(spec, [HOST], context)
        assert "other choices of conda packages" in str(caught.value.hint)


def _program(folder: Path, name: str, text: str) -> Path:
    """A program that answers with a text, whatever it is asked."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport sys\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "pip failed: it is not on PATH"),
        ("print('pip 22.1 from x')", "is 22.1, and 23.0 is the oldest that will do"),
        ("print('WARNING: wrapper 99.1\\npip 22.1 from x')", "is 22.1, and 23.0 is the oldest"),
        ("print('hello')", "it does not say its version"),
        ("print('conda 24.14.0')", "it says that it is conda 24.14.0"),
        ("print('pip 26.3')", "its report cannot be read"),
        (
            "print('pip 26.3'); sys.exit('ERROR: odd' if len(sys.argv) > 2 else 0)",
            "failed: odd (exit code 1)",
        ),
        (
            "sys.exit('Traceback\\nConfiguration file contains invalid line 3.11')",
            "failed: Configuration file contains invalid line 3.11 (exit code 1)",
        ),
        ("sys.exit(127)", "failed: it says nothing (exit code 127)"),
        # Before 23.2 it prints what is wrong with its configuration.
        (
            (
                "print('pip 23.0' if len(sys.argv) == 2 else 'An error occurred during configuration:"
                " option x: wrong'); sys.exit(3 if len(sys.argv) > 2 else 0)"
            ),
            "failed: An error occurred during configuration: option x: wrong (exit code 3)",
        ),
    ],
)
def test_a_program_that_will_not_do_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, said: str
) -> None:
    if text:
        _program(tmp_path / "bin", "pip", text)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with FakeIndex(_A1) as index, pytest.raises(EngineFailed) as caught:
        resolve(spec_of("a", index=index.url), tmp_path, HOST, pypi_engine="pip")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_program_that_cannot_start_or_hangs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(_programs, "PATIENCE", 0.5)
    spec = spec_of("a", index="http://host.test/simple")
    program = _program(tmp_path / "bin", "pip", "import time; time.sleep(60)")
    with pytest.raises(EngineFailed, match="has not said its version within"):
        resolve(spec, tmp_path, HOST, pypi_engine="pip")
    program.write_text("#!/nowhere/python\n")
    with pytest.raises(EngineFailed, match="pip cannot be started: No such file"):
        resolve(spec, tmp_path, HOST, pypi_engine="pip")


def test_a_pip_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import time\nprint('pip 26.3')\ntime.sleep(0 if '--version' in sys.argv else 60)"
    _program(tmp_path / "bin", "pip", text)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    spec, patience = spec_of("a", index="http://host.test/simple"), Patience(silence=0.01)
    with pytest.raises(EngineFailed, match="pip failed: it has not answered within 1 s"):
        resolve(spec, tmp_path, HOST, pypi_engine="pip", patience=patience)


@pytest.mark.parametrize(
    "change",
    [
        "item['metadata']['version'] = 1",
        "item['metadata']['version'] = 'x y'",
        "item['metadata'] = 'x'",
        "item['download_info']['archive_info'] = {'hashes': {'sha256': 5}}",
        "item['download_info']['archive_info'] = 'x'",
        "item['download_info']['archive_info'] = {'hashes': {'sha256': '0'}}",
        "item['download_info']['archive_info'] = {'hashes': {'md5': 'x' * 32}}",
        "item['download_info']['url'] = 5",
        "item['metadata']['name'] = 'a\\x1b[31m'",
        "item['download_info'] |= {'vcs_info': {'vcs': 'git', 'commit_id': '--upload-pack=x'}}",
        "item['download_info'] |= {'vcs_info': {'vcs': 'hg', 'commit_id': '0' * 40}}",
        "report['install'] = 5",
        "report = [1]",
        "report['version'] = '7'",
    ],
)
def test_a_report_of_another_form_is_pips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    _reporting(tmp_path / "bin", change)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with FakeIndex(_A1) as index, pytest.raises(EngineFailed, match="report cannot be") as caught:
        resolve(spec_of("a", index=index.url), tmp_path, HOST, pypi_engine="pip")
    assert "`pip`" in str(caught.value.hint)


def test_a_file_of_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for filename in ("b-1-py3-none-any.whl", "a-2-py3-none-any.whl", "b-1.tar.gz", "a-2.zip"):
        url = f"http://host.test/{filename}"
        _reporting(tmp_path / "bin", f"item['download_info']['url'] = {url!r}")
        with FakeIndex(_A1) as index, pytest.raises(EngineFailed) as caught:
            resolve(spec_of("a", index=index.url), tmp_path, HOST, pypi_engine="pip")
        assert f"it says that `{filename}` is a 1" in str(caught.value)


def _reporting(folder: Path, change: str) -> None:
    """A pip that reports one wheel, with a change."""
    _program(
        folder,
        "pip",
        "import json\nprint('pip 26.3')\n"
        "if '--version' in sys.argv: sys.exit()\n"
        "url = 'http://host.test/a-1-py3-none-any.whl'\n"
        "item = {'metadata': {'name': 'a', 'version': '1'}, 'is_direct': False,\n"
        "        'requested': True, 'download_info': {'url': url, 'archive_info': {}}}\n"
        f"report = {{'install': [item]}}\n{change}\n"
        "with open(sys.argv[sys.argv.index('--report') + 1], 'w') as file:\n"
        "    json.dump(report, file)\n",
    )


@pytest.mark.slow
def test_nothing_of_it_is_loaded_or_started_unless_it_is_chosen(
    tmp_path: Path, channels: Channels
) -> None:
    code = """
import sys
from pathlib import Path
from envid.spec import EnvSpec, Options, Source
from pkgcache.worker import Worker
from resolvers.conda import CondaResolver
from resolvers.engines import there
from resolvers.mixed import MixedResolver
from resolvers.pypi import PypiResolver
from resolvers.request import ResolveContext
folder, index, channel, python, platform = sys.argv[1:]
started = []
context = ResolveContext(cache_dir=Path(folder), on_process=started.append)
sources = [Source.make("index", index), Source.make("channel", channel)]
def spec(requirements, provider="conda"):
    options = Options.make(python_provider=provider)
    return EnvSpec.make(
        requirements=requirements, python=python, sources=sources, options=options
    )
PypiResolver().resolve(spec({"pypi": ["a"]}, "system"), [platform], context)
with Worker(on_process=started.append) as worker:
    CondaResolver(worker).resolve(spec({"conda": ["idna"]}), [platform], context)
    MixedResolver(worker).resolve(spec({"conda": ["idna"], "pypi": ["a"]}), [platform], context)
there()
others = ("_pip", "_programs", "_conda_tools", "_conda_verifying", "conda_lock")
print([name for name in sys.modules if name.removeprefix("resolvers.").startswith(others)])
print(sorted({name.partition(" ")[0] for name in started}))
"""
    with FakeIndex(_A1) as index:
        done = subprocess.run(
            [
                *(sys.executable, "-c", code, tmp_path, index.url),
                *(channels.main.as_uri(), THIS_PYTHON, HOST),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
    modules, started = done.stdout.splitlines()
    assert modules == "[]"
    # A Python may be asked for its version.
    assert started.replace("'python', ", "") == "['py-rattler', 'uv', 'worker']"


def test_a_cut_off_date_is_told(tmp_path: Path, engine: str) -> None:
    with FakeIndex() as index:
        index.add(_A1, uploaded="2020-01-01T00:00:00Z")
        index.add(_A2, uploaded="2024-01-01T00:00:00Z")
        spec = spec_of("a", index=index.url, exclude_newer="2022-01-01T00:00:00Z")
        assert versions(resolve(spec, tmp_path, HOST, pypi_engine=engine)) == {"a": "1"}


def test_an_older_pip_knows_no_cut_off_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "bin", "pip", "print('pip 25.3 from x')")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    spec = spec_of("a", index="http://host.test/simple", exclude_newer="2022-01-01")
    with pytest.raises(UnsupportedRequest, match=r"pip 25\.3 knows of none") as caught:
        resolve(spec, tmp_path, HOST, pypi_engine="pip")
    assert "install pip 26.0" in str(caught.value.hint)
