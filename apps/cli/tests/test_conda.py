"""Requests for conda packages, from the command line to the description."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.channel import Channels, cached

from envid.platforms import PLATFORMS, VIRTUAL_PACKAGES, host_platform
from envid.resolved import ResolvedEnv
from mfenv.environments import Environments
from mfenv.errors import Contradiction
from mfenv.request import Request, prepare
from mfenv.settings import Settings
from pkgcache.web.credentials import Credentials
from resolvers.errors import UnsupportedRequest
from resolvers.testing import FakeIndex, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="module")
def channels() -> Channels:
    return cached()


def run(home: Path, *arguments: str) -> Any:
    from mfenv._cli import cli

    return CliRunner().invoke(
        cli,
        ["resolve", *arguments, "--json"],
        env={"MFENV_HOME": str(home), "MFENV_PYTHON": MINOR},
        catch_exceptions=False,
    )


def resolve(home: Path, *arguments: str) -> list[ResolvedEnv]:
    done = run(home, *arguments)
    assert done.exit_code == 0, done.output
    return [ResolvedEnv.from_dict(one) for one in json.loads(done.stdout)["environments"]]


def settings(home: Path, **values: Any) -> Settings:
    return Settings.load({"home": str(home), **values}, environ={}, directory=home)


def nowhere(name: str, platforms: Sequence[str]) -> tuple[ResolvedEnv, ...]:
    raise LookupError(name, platforms)


def test_conda_packages_for_two_platforms(tmp_path: Path, channels: Channels) -> None:
    asked = ("--conda", "greeter>=1", "--channel", str(channels.main))
    platforms = ("--platform", "linux-64", "--platform", "osx-arm64")
    envs = resolve(tmp_path, *asked, *platforms)
    assert [env.platform for env in envs] == ["linux-64", "osx-arm64"]
    assert {env.env_type for env in envs} == {"conda-only"}
    for env in envs:
        names = {package.name for package in env.packages}
        assert names >= {"greeter", "libgreet", "python"}
        assert env.python.startswith(f"{MINOR}.")


def test_the_order_and_the_priority_of_channels_are_part_of_the_request(
    tmp_path: Path, channels: Channels
) -> None:
    main, second = str(channels.main), str(channels.second)
    found = {}
    for key, options in {
        "main first": ("--channel", main, "--channel", second),
        "second first": ("--channel", second, "--channel", main),
        "any": ("--channel", main, "--channel", second, "--channel-priority", "disabled"),
    }.items():
        (env,) = resolve(tmp_path, "--conda", "colours", *options)
        colours = next(one for one in env.packages if one.name == "colours")
        found[key] = (env.req_id, colours.version)
    assert {key: version for key, (_, version) in found.items()} == {
        "main first": "2.0",
        "second first": "9.0",
        "any": "9.0",
    }
    assert len({req_id for req_id, _ in found.values()}) == 3


def test_virtual_packages_are_asked_for_by_hand(tmp_path: Path, channels: Channels) -> None:
    asked = ("--conda", "floored", "--channel", str(channels.main), "--platform", "linux-64")
    versions = {
        next(
            one.version
            for one in resolve(tmp_path, *asked, *more)[0].packages
            if one.name == "floored"
        )
        for more in ((), ("--sys", "__glibc=2.41"))
    }
    assert versions == {"1.0", "2.0"}


def test_conda_packages_that_need_no_python_are_conda_packages(
    tmp_path: Path, channels: Channels
) -> None:
    (env,) = resolve(tmp_path, "--npconda", "greeter", "--channel", str(channels.main))
    assert env.env_type == "conda-only"
    assert {"greeter", "python"} <= {one.name for one in env.packages}


def test_wheels_beside_conda_packages(tmp_path: Path, channels: Channels) -> None:
    wheels = [
        make_wheel("user", "1.0", requires=["shared<2"]),
        make_wheel("user", "2.0", requires=["shared>=2"]),
    ]
    with FakeIndex(*wheels) as index:
        (env,) = resolve(
            tmp_path,
            *("--conda", "shared=1", "--pypi", "user", "--npconda", "greeter"),
            *("--channel", channels.main.as_uri(), "--index-url", index.url),
        )
    assert env.env_type == "mixed"
    pypi = [(one.name, one.version) for one in env.packages if one.kind == "pypi"]
    assert pypi == [("user", "1.0")]
    assert {"greeter", "shared"} <= {one.name for one in env.packages if one.kind == "conda"}


@pytest.mark.slow
def test_the_table_of_pypi_names_is_a_setting(tmp_path: Path, channels: Channels) -> None:
    table = tmp_path / "names.json"
    table.write_text(json.dumps({"names": {"either": ["user"]}}))
    asked = Request(conda=("either",), pypi=("user",), python=MINOR)
    with FakeIndex(make_wheel("user", "3.0")) as index:
        values = {"channels": (channels.main.as_uri(),), "index_url": index.url}
        found: list[list[str]] = []
        ids = set()
        for home, more in (("a", {}), ("b", {"pypi_names": str(table)})):
            with Environments(settings(tmp_path / home, **values, **more)) as environments:
                (env,) = environments.resolve(asked).envs
            found.append([one.name for one in env.packages if one.kind == "pypi"])
            ids.add(env.req_id)
    assert found == [["user"], []]
    assert len(ids) == 2


def test_the_content_of_the_table_of_pypi_names_is_part_of_a_request_for_wheels(
    tmp_path: Path,
) -> None:
    table = tmp_path / "names.json"

    def req_id(asked: Request, **values: Any) -> str:
        return prepare(asked, settings(tmp_path, **values), nowhere).spec.req_id

    mixed, conda = Request(conda=("a",), pypi=("b",)), Request(conda=("a",))
    found = {req_id(mixed)}
    for text in ('{"names": {}}', '{"names": {"a": []}}'):
        table.write_text(text)
        found.add(req_id(mixed, pypi_names=str(table)))
        assert req_id(conda, pypi_names=str(table)) == req_id(conda)
        wheels, system = Request(pypi=("b",)), {"python_provider": "system"}
        assert req_id(wheels, pypi_names=str(table), **system) == req_id(wheels, **system)
    assert len(found) == 3
    with pytest.raises(UnsupportedRequest, match="is not a table of PyPI names"):
        req_id(mixed, pypi_names=str(tmp_path / "absent.json"))


def test_a_derived_environment_holds_what_its_base_has(tmp_path: Path, channels: Channels) -> None:
    with Environments(settings(tmp_path, channels=(channels.main.as_uri(),))) as environments:
        base = environments.resolve(Request(conda=("shared=1.0", "greeter=1.0"), python=MINOR))
        name = str(base.envs[0].full_id)
        more = environments.resolve(
            Request(conda=("either",), using=f"{base.envs[0].req_id}:{name}")
        )
    assert set(base.envs[0].packages) <= set(more.envs[0].packages)
    assert "either" in {one.name for one in more.envs[0].packages}


def test_a_conflict_is_a_tree_and_says_who_asked(tmp_path: Path, channels: Channels) -> None:
    request = tmp_path / "environment.yml"
    request.write_text(f"channels: [{channels.main.as_uri()}]\ndependencies:\n - left\n - right\n")
    from resolvers.errors import NoSolution

    with Environments(settings(tmp_path)) as environments, pytest.raises(NoSolution) as caught:
        environments.resolve(Request(files=(request,), python=MINOR))
    assert f"`left` is asked by {request}:3" in str(caught.value)
    assert "└─ right cannot be installed:" in str(caught.value)
    assert caught.value.hint


def test_channels_come_from_the_hand_then_from_files_then_from_settings(tmp_path: Path) -> None:
    request = tmp_path / "environment.yml"
    request.write_text("channels: [bioconda]\ndependencies: [samtools]\n")

    def channels_of(asked: Request, **values: Any) -> list[str]:
        spec = prepare(asked, settings(tmp_path, **values), nowhere).spec
        return [one.url for one in spec.sources if one.kind == "channel"]

    plain, filed = Request(conda=("zlib",)), Request(files=(request,))
    assert channels_of(plain) == ["conda-forge"]
    assert channels_of(filed) == ["bioconda"]
    assert channels_of(filed, channels=("mine",)) == ["mine", "bioconda"]
    (tmp_path / "mfenv.toml").write_text(
        'channels = ["site"]\nchannel-alias = "https://c.test/x/"\n'
    )
    assert channels_of(plain) == ["https://c.test/x/site"]
    assert channels_of(filed) == ["https://c.test/x/bioconda"]
    assert channels_of(Request(pypi=("a",)), python_provider="system") == []


@pytest.mark.parametrize(
    ("options", "environ", "hint"),
    [
        ({"python_provider": "system"}, {}, "leave out `--python-provider system`"),
        ({}, {"MFENV_PYTHON_PROVIDER": "system"}, "in MFENV_PYTHON_PROVIDER,"),
    ],
)
def test_the_hint_names_what_says_that_python_is_the_systems(
    tmp_path: Path, options: dict[str, Any], environ: dict[str, str], hint: str
) -> None:
    given = Settings.load(options, environ=environ, directory=tmp_path)
    with pytest.raises(Contradiction) as caught:
        prepare(Request(conda=("zlib",)), given, nowhere)
    assert hint in str(caught.value.hint)


def test_conda_packages_contradict_a_python_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(Contradiction, match="--conda: `zlib` is a conda package"):
        prepare(Request(conda=("zlib",)), settings(tmp_path, python_provider="system"), nowhere)


def test_a_login_in_a_channel_stays_out_of_the_spec(tmp_path: Path) -> None:
    credentials = Credentials()
    prepared = prepare(
        Request(conda=("zlib",)),
        settings(tmp_path, channels=("https://ann:s3cret@c.test/x",)),
        nowhere,
        credentials,
    )
    assert b"s3cret" not in prepared.spec.canonical()
    login = credentials.find("https://c.test/x")
    assert login
    assert (login.user, login.password) == ("ann", "s3cret")


@pytest.mark.slow
def test_sources_are_built_with_conda_s_python_in_an_environment_that_is_used_again(
    tmp_path: Path, channels: Channels
) -> None:
    sources = [
        make_sdist(tmp_path / "source", name, "1.0", module="made = '@BUILDER@'\n")
        for name in ("one", "two")
    ]
    found = []
    with FakeIndex(*sources) as index:
        values = {"channels": (channels.main.as_uri(),), "index_url": index.url}
        with Environments(settings(tmp_path / "home", **values)) as environments:
            for name in ("one", "two"):
                request = Request(pypi=(name,), python=MINOR)
                env = environments.resolve(request).envs[0]
                prefix = environments.create(str(env.env_id.ref)).prefix
                (module,) = prefix.glob(f"lib/*/site-packages/{name}.py")
                found.append(module.read_text())
    (builder,) = (tmp_path / "home" / "engines" / "builders").iterdir()
    assert found == [f"made = '{builder}'\n"] * 2
    assert {path.name.split("-")[0] for path in builder.glob("conda-meta/*.json")} == {
        "python",
        "python_abi",
        "tzdata",
    }


def test_a_cuda_driver_counts_where_this_machine_is_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = next(one for one in PLATFORMS if one != host_platform())

    def sys_of(asked: Request, **values: Any) -> dict[str, tuple[str, ...]]:
        spec = prepare(asked, settings(tmp_path, **values), nowhere).spec
        return {
            platform: tuple(one for one in found.get("sys", ()) if one.startswith("__cuda"))
            for platform in (host_platform(), other)
            if (found := spec.for_platform(platform))
        }

    plain = Request(conda=("zlib",), platforms=(host_platform(), other))
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "")
    without = prepare(plain, settings(tmp_path), nowhere).spec
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    assert sys_of(plain) == {host_platform(): ("__cuda=12.4",), other: ()}
    assert prepare(plain, settings(tmp_path), nowhere).spec.req_id != without.req_id
    assert prepare(plain, settings(tmp_path, detect_cuda=False), nowhere).spec == without
    asked = Request(conda=("zlib",), sys=("__cuda=11",), platforms=(host_platform(), other))
    assert sys_of(asked) == {host_platform(): ("__cuda=11",), other: ("__cuda=11",)}
    assert sys_of(plain, virtual_packages=("__cuda=10",))[other] == ("__cuda=10",)
    wheels = Request(pypi=("a",), platforms=(host_platform(), other))
    assert sys_of(wheels) == {host_platform(): (), other: ()}


def test_the_spec_holds_all_virtual_packages_of_every_platform(tmp_path: Path) -> None:
    values = settings(tmp_path, detect_cuda=False)
    specs = [
        prepare(Request(conda=("zlib",), platforms=platforms), values, nowhere).spec
        for platforms in (("linux-64",), ("osx-arm64",), PLATFORMS)
    ]
    assert {one: specs[0].for_platform(one)["sys"] for one in PLATFORMS} == VIRTUAL_PACKAGES
    # What is asked for has one id, wherever and for whatever it is resolved.
    assert len({one.req_id for one in specs}) == 1
    explicit = Request(conda=("zlib",), sys=("__glibc=2.28", "__osx=13.0"))
    assert prepare(explicit, values, nowhere).spec == specs[0]
    higher = Request(conda=("zlib",), sys=("__linux=6.1", "__archspec=1=x86_64_v3"))
    found = prepare(higher, values, nowhere).spec
    assert found.req_id != specs[0].req_id
    assert found.for_platform("linux-64")["sys"] == (
        *("__archspec=1=x86_64_v3", "__glibc=2.28", "__linux=6.1", "__unix=0"),
    )
    with pytest.raises(Contradiction, match=r"`__win=0`.*no Windows"):
        prepare(Request(conda=("zlib",), sys=("__win=0",)), values, nowhere)


def test_a_setting_may_say_what_one_platform_has(tmp_path: Path) -> None:
    said = ("__glibc=2.31", "linux-64:__cuda=12.4", "osx-arm64:__osx=14")
    values = settings(tmp_path, virtual_packages=said, detect_cuda=False)
    asked = Request(conda=("zlib",), platforms=("linux-64", "osx-arm64"))
    machine = "__archspec=1=x86_64"
    spec = prepare(asked, values, nowhere).spec
    assert spec.for_platform("linux-64")["sys"] == (
        *(machine, "__cuda=12.4", "__glibc=2.31", "__linux=4.18", "__unix=0"),
    )
    assert spec.for_platform("osx-arm64")["sys"] == ("__archspec=1=m1", "__osx=14", "__unix=0")
    assert spec.for_platform("osx-64")["sys"] == (machine, "__osx=13.0", "__unix=0")
    by_hand = asked._replace(sys=("__osx=12", "__cuda=11"))
    spec = prepare(by_hand, values, nowhere).spec
    assert spec.for_platform("linux-64")["sys"] == (
        *(machine, "__cuda=11", "__glibc=2.31", "__linux=4.18", "__unix=0"),
    )
    assert spec.for_platform("osx-arm64")["sys"] == ("__archspec=1=m1", "__osx=12", "__unix=0")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Request(conda=("zlib",)), {"conda": ("numpy>=2", "zlib")}),
        (Request(pypi=("flask",)), {"pypi": ("flask", "numpy>=2")}),
        (Request(pypi=("NumPy<2",)), {"pypi": ("numpy<2",)}),
        (Request(pypi=("numpy<2",), conda=("zlib",)), {"conda": ("zlib",), "pypi": ("numpy<2",)}),
    ],
)
def test_what_is_wanted_also_gives_way_to_what_is_named(
    tmp_path: Path, asked: Request, expected: dict[str, tuple[str, ...]]
) -> None:
    prepared = prepare(asked._replace(also=(("numpy>=2", "a host"),)), settings(tmp_path), nowhere)
    found = prepared.spec.requirements
    assert {category: found[category] for category in found if category != "sys"} == expected
    if "numpy>=2" in str(expected):
        assert prepared.origins["numpy>=2"] == "a host"
