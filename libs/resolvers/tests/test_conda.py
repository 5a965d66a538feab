"""Conda solving against a real channel, and every way in which a channel can fail."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.channel import ChannelServer, Recipe, pack, write_channel

from envid.packages import Package
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec, Options, Source
from pkgcache.errors import WorkerCrashed
from pkgcache.web.credentials import Credentials
from pkgcache.worker import Worker
from resolvers.conda import CondaResolver, python_path
from resolvers.errors import (
    EngineFailed,
    IndexUnreachable,
    NoSolution,
    PythonRefused,
    ResolveError,
    UnknownChannel,
    UnknownPackage,
    UnsupportedRequest,
)
from resolvers.request import ResolveContext

from .helpers import ONCE_MORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.channel import Channels

LINUX = "linux-64"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def spec_of(
    *conda: str,
    channels: Iterable[str | Path],
    python: str = MINOR,
    sys: Iterable[str] = (),
    **options: Any,
) -> EnvSpec:
    urls = [one if isinstance(one, str) else one.as_uri() for one in channels]
    return EnvSpec.make(
        requirements={"conda": conda, "sys": sys},
        python=python,
        sources=[Source.make("channel", url) for url in urls],
        options=Options.make(**options),
    )


class Solver:
    """Resolves conda requirements for one platform, with a cache of its own."""

    def __init__(self, worker: Worker, folder: Path, default: Path) -> None:
        self.worker, self.folder, self.default = worker, folder, default

    def __call__(
        self,
        *conda: str,
        channels: Iterable[str | Path] | None = None,
        platform: str = LINUX,
        context: dict[str, Any] | None = None,
        resolver: dict[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Package]:
        spec = spec_of(*conda, channels=[self.default] if channels is None else channels, **options)
        found = CondaResolver(self.worker, **(resolver or {})).resolve(
            spec, [platform], ResolveContext(cache_dir=self.folder, **(context or {}))
        )
        return {one.name: one for one in found[platform].packages}


@pytest.fixture
def solve(worker: Worker, tmp_path: Path, channels: Channels) -> Solver:
    return Solver(worker, tmp_path / "engines", channels.main)


def make_channel(folder: Path, *recipes: Recipe) -> Path:
    records: dict[str, Any] = {}
    for recipe in recipes:
        records |= pack(recipe, folder)
    write_channel(folder, records)
    return folder


@pytest.mark.slow
def test_npconda_that_brings_python_is_refused(
    worker: Worker, channels: Channels, tmp_path: Path
) -> None:
    spec = EnvSpec.make(
        requirements={"conda": ["colours"], "npconda": ["wrapper"]},
        python="",
        sources=[Source.make("channel", channels.main.as_uri())],
    )
    with pytest.raises(UnsupportedRequest, match="wrapper needs pytool needs python"):
        CondaResolver(worker).resolve(spec, [LINUX], ResolveContext(cache_dir=tmp_path))


def test_packages_are_described_whole(solve: Solver, channels: Channels) -> None:
    greeter = solve("greeter=1.1")["greeter"]
    path = channels.main / LINUX / "greeter-1.1-h1_0.conda"
    assert greeter == Package.make(
        kind="conda",
        name="greeter",
        version="1.1",
        build="h1_0",
        subdir=LINUX,
        filename=path.name,
        url=path.as_uri(),
        sha256=greeter.hashes.sha256,
        md5=greeter.hashes.md5,
        size=path.stat().st_size,
        depends=("libgreet",),
        source=channels.main.as_uri(),
    )
    assert greeter.hashes.sha256
    assert greeter.hashes.md5


def test_python_comes_along_in_the_version_asked_for(solve: Solver) -> None:
    found = solve("colours")
    assert found["python"].version.startswith(f"{MINOR}.")
    assert {"python", "python_abi", "tzdata", "colours"} == set(found)
    assert "python_abi" in found["python"].depends


def test_platforms_are_solved_together(worker: Worker, tmp_path: Path, channels: Channels) -> None:
    spec = spec_of("greeter", channels=[channels.main])
    platforms = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64")
    found = CondaResolver(worker).resolve(spec, platforms, ResolveContext(cache_dir=tmp_path))
    for platform in platforms:
        greeter = next(one for one in found[platform].packages if one.name == "greeter")
        assert greeter.subdir == platform


def test_the_same_request_on_two_states_has_one_full_id(
    worker: Worker, channels: Channels, tmp_path: Path
) -> None:
    spec = spec_of("rich", "greeter", channels=[channels.main])
    ids = set()
    for folder, engine in ((tmp_path / "one", worker), (tmp_path / "other", Worker())):
        with ChannelServer(channels.root) as server:
            del server
            found = CondaResolver(engine).resolve(
                spec, ["osx-arm64", LINUX], ResolveContext(cache_dir=folder)
            )
        envs = ResolvedEnv.co_resolve(
            spec,
            {platform: (one.python, one.packages) for platform, one in found.items()},
            resolved_by="test",
        )
        ids.add(envs[0].full_id)
        if engine is not worker:
            engine.close()
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("shared", "3.0"),
        ("shared=1", "1.5"),
        ("shared=1.0", "1.0"),
        ("shared==2.0", "2.0"),
        ("shared 1.5", "1.5"),
        ("shared 1.*", "1.5"),
        ("shared>=1,<2", "1.5"),
        ("shared >=1, <1.5", "1.0"),
        ("shared!=3.0", "2.0"),
        ("shared~=1.0", "1.5"),
        ("shared 1.0|2.0", "2.0"),
        ("shared=1.5=pyh0_0", "1.5"),
        ("shared 1.5 pyh0*", "1.5"),
        ("shared[version='>=1,<2']", "1.5"),
        ("shared[version='<3',build='pyh*']", "2.0"),
        ("Shared<2", "1.5"),
    ],
)
def test_every_spelling_of_a_matchspec(solve: Solver, spec: str, version: str) -> None:
    assert solve(spec)["shared"].version == version


def test_a_package_by_its_url(solve: Solver, channels: Channels) -> None:
    url = (channels.main / LINUX / "greeter-1.0-h0_0.conda").as_uri()
    found = solve(url)["greeter"]
    assert found.url == url
    assert solve(f"{url}#{found.hashes.sha256}", f"{url}#{found.hashes.md5}")["greeter"] == found
    with pytest.raises(NoSolution):
        solve(f"{url}#{'0' * 32}")


@pytest.mark.parametrize(
    ("priority", "version", "build"),
    [("strict", "2.0", "pyh0_0"), ("flexible", "2.0", "pyh0_0"), ("disabled", "9.0", "second_0")],
)
def test_channel_priority(
    solve: Solver, channels: Channels, priority: str, version: str, build: str
) -> None:
    found = solve("colours", channels=[channels.main, channels.second], channel_priority=priority)
    assert (found["colours"].version, found["colours"].build) == (version, build)


def test_flexible_priority_takes_from_a_later_channel_what_the_first_lacks(
    solve: Solver, channels: Channels
) -> None:
    both = [channels.main, channels.second]
    with pytest.raises(NoSolution, match="an earlier channel has that name") as caught:
        solve("colours>=9", channels=both)
    assert "CHANNEL::PACKAGE" in str(caught.value.hint)
    found = solve("colours>=9", channels=both, channel_priority="flexible")
    assert found["colours"].source == channels.second.as_uri()


NEEDS_TREE: Sequence[Sequence[Recipe]] = (
    [
        Recipe(name="leaf", version="2", build="one_0", build_number=0, depends=("tree",)),
        Recipe(name="tree", version="1", build="one_0"),
    ],
    [
        Recipe(name="leaf", version="2", build="two_9", build_number=9),
        Recipe(name="tree", version="3", build="two_0"),
    ],
)


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        pytest.param(
            [
                [Recipe(name="leaf", version="2", build="one_0", build_number=0)],
                [Recipe(name="leaf", version="2", build="two_9", build_number=9)],
            ],
            {"leaf": ("2", "one_0")},
            id="the order comes before build numbers",
        ),
        pytest.param(
            [
                [Recipe(name="leaf", version="2", build="one_9", build_number=9)],
                [Recipe(name="leaf", version="2.1", build="two_0")],
            ],
            {"leaf": ("2.1", "two_0")},
            id="versions come before the order",
        ),
        pytest.param(
            [
                [
                    Recipe(name="leaf", version="2", build="one_1", build_number=1),
                    Recipe(name="leaf", version="2", build="one_0"),
                ],
                [Recipe(name="leaf", version="2", build="two_9", build_number=9)],
            ],
            {"leaf": ("2", "one_1")},
            id="build numbers come last",
        ),
        pytest.param(
            [
                [Recipe(name="leaf", version="2", build="one_0", depends=("nowhere",))],
                [Recipe(name="leaf", version="2", build="two_0")],
            ],
            {"leaf": ("2", "two_0")},
            id="a build that cannot be had does not count",
        ),
        pytest.param(
            NEEDS_TREE,
            {"leaf": ("2", "one_0"), "tree": ("3", "two_0")},
            id="what another build needs is the newest, too",
        ),
    ],
)
def test_without_channel_priority_it_is_version_then_channel_then_build(
    solve: Solver,
    channels: Channels,
    tmp_path: Path,
    offered: Sequence[Sequence[Recipe]],
    expected: dict[str, tuple[str, str]],
) -> None:
    """As conda documents it: build numbers of different channels mean nothing to each other."""
    folders = []
    for number, recipes in enumerate(offered):
        folder = tmp_path / f"channel{number}"
        write_channel(folder, {key: one for r in recipes for key, one in pack(r, folder).items()})
        folders.append(folder)
    found = solve("leaf", channels=[*folders, channels.main], channel_priority="disabled")
    assert {
        name: (one.version, one.build) for name, one in found.items() if name in ("leaf", "tree")
    } == expected


def test_the_order_of_channels_decides(solve: Solver, channels: Channels) -> None:
    assert solve("shared", channels=[channels.second, channels.main])["shared"].version == "2.0"
    assert solve("shared", channels=[channels.main, channels.second])["shared"].version == "3.0"


@pytest.mark.parametrize("relation", ["base", "overrides"])
def test_a_channel_brings_in_no_other(
    solve: Solver, channels: Channels, tmp_path: Path, relation: str
) -> None:
    """It may name one beside it (CEP 42), which is none that the spec names."""
    for name, version in (("own", "1.0"), ("beside", "2.0")):
        recipe = Recipe(name="leaf", version=version, build=name)
        write_channel(tmp_path / name, pack(recipe, tmp_path / name))
    path = tmp_path / "own/noarch/repodata.json"
    repodata = json.loads(path.read_text())
    repodata["info"]["channel_relations"] = {relation: "../beside"}
    path.write_text(json.dumps(repodata))
    path.with_name("repodata.json.zst").unlink()
    with ChannelServer(tmp_path) as server:
        url = f"{server.url}/own"
        found = solve("leaf", channels=[url, channels.main], channel_priority="disabled")
        assert found["leaf"].build == "own"
        assert not any("beside" in path for path in server.requests)


def test_a_requirement_can_name_its_channel(solve: Solver, channels: Channels) -> None:
    second = channels.second.as_uri()
    for spec in (f"{second}::colours", f"colours[channel='{second}']"):
        for listed in ([channels.main], [channels.main, channels.second]):
            assert solve(spec, channels=listed)["colours"].source == second


def test_channels_by_name_lie_below_the_alias(solve: Solver, channels: Channels) -> None:
    with ChannelServer(channels.root) as server:
        alias = {"channel_alias": server.url}
        found = solve("second::colours", channels=["main"], resolver=alias)
    assert found["colours"].url.startswith(f"{server.url}/second/")
    assert found["python"].source == "main"


def test_without_a_channel_it_is_conda_forge(
    solve: Solver, channels: Channels, tmp_path: Path
) -> None:
    (tmp_path / "conda-forge").symlink_to(channels.main)
    with ChannelServer(tmp_path) as server:
        found = solve("colours", channels=[], resolver={"channel_alias": server.url})
    assert found["colours"].source == "conda-forge"


@pytest.mark.parametrize(
    ("platform", "sys", "version"),
    [
        (LINUX, (), "1.0"),
        (LINUX, ("__glibc=2.40",), "2.0"),
        (LINUX, ("__glibc=2.39", "__osx=14"), "1.0"),
        ("linux-aarch64", ("__glibc=2.41",), "2.0"),
    ],
)
def test_the_target_decides_not_this_machine(
    solve: Solver, platform: str, sys: tuple[str, ...], version: str
) -> None:
    assert solve("floored", platform=platform, sys=sys)["floored"].version == version


def test_cuda_and_processors_are_there_if_asked_for(solve: Solver) -> None:
    assert "cuda-tool" in solve("cuda-tool", sys=["__cuda=12.4"])
    assert "vectored" in solve("vectored", sys=["__archspec=1=x86_64_v3"])
    for lacking in ("cuda-tool", "vectored"):
        with pytest.raises(NoSolution):
            solve(lacking)


def test_nothing_published_at_or_after_the_cutoff_is_seen(solve: Solver) -> None:
    versions = [
        solve("greeter", exclude_newer=moment)["greeter"].version
        for moment in ("2025-01-01T00:00:00Z", "2025-01-01T00:00:01Z", "2024-12-31")
    ]
    assert versions == ["1.0", "1.1", "1.0"]


def test_held_packages_keep_their_build(solve: Solver) -> None:
    base = solve("shared=1.5", "greeter=1.0")
    held = {"held": {LINUX: tuple(base.values())}}
    found = solve("shared", "greeter", "colours", context=held)
    assert found["shared"] == base["shared"]
    assert found["greeter"] == base["greeter"]
    with pytest.raises(NoSolution, match=r"shared ==1\.5 pyh0_0 is held"):
        solve("shared>=2", context=held)


@pytest.mark.parametrize("served", ["file", "http"])
def test_preferred_packages_stay_where_they_can(
    solve: Solver, channels: Channels, served: str
) -> None:
    with ChannelServer(channels.main) as server:
        urls = [server.url if served == "http" else channels.main]
        base = solve("shared=1.5", "colours=1", channels=urls)
        context = {"preferred": {LINUX: tuple(base.values())}}
        kept = solve("shared", "colours", channels=urls, context=context)
        moved = solve("shared>=2", "colours", channels=urls, context=context)
    assert (kept["shared"].version, kept["colours"].version) == ("1.5", "1.0")
    assert (moved["shared"].version, moved["colours"].version) == ("3.0", "1.0")


@pytest.mark.parametrize("served", ["file", "http"])
def test_of_twins_the_preferred_format_is_taken(
    solve: Solver, channels: Channels, served: str
) -> None:
    with ChannelServer(channels.main) as server:
        urls = [server.url if served == "http" else channels.main]
        for suffix in (".conda", ".tar.bz2"):
            found = solve("greeter=1.0", channels=urls, resolver={"package_format": suffix})
            assert found["greeter"].filename == f"greeter-1.0-h0_0{suffix}"
            assert found["libgreet"].filename.endswith(".tar.bz2")
            assert found["python"].filename.endswith(".conda")
    with pytest.raises(UnsupportedRequest):
        solve("greeter", resolver={"package_format": ".zip"})


def test_a_directory_with_only_compressed_repodata_is_not_empty(
    solve: Solver, tmp_path: Path
) -> None:
    channel = make_channel(
        tmp_path / "channel",
        Recipe(name="python", version="3.12.0", subdir=LINUX),
        Recipe(name="thing", version="1.0", depends=("python",)),
    )
    for path in channel.glob("*/repodata.json"):
        path.unlink()
    assert solve("thing", channels=[channel], python="3.12")["thing"].version == "1.0"
    make_channel(
        channel,
        Recipe(name="python", version="3.12.0", subdir=LINUX),
        Recipe(name="thing", version="2.0", depends=("python",)),
    )
    for path in channel.glob("*/repodata.json"):
        path.unlink()
    assert solve("thing", channels=[channel], python="3.12")["thing"].version == "2.0"


def test_a_channel_may_lack_the_platform_or_noarch(solve: Solver, tmp_path: Path) -> None:
    python = Recipe(name="python", version="3.12.0", noarch="generic")
    only_noarch = make_channel(tmp_path / "a", python)
    assert set(solve(channels=[only_noarch], python="3.12")) == {"python"}
    only_linux = make_channel(tmp_path / "b", Recipe(name="x", version="1", subdir=LINUX))
    (only_linux / "noarch" / "repodata.json").unlink()
    (only_linux / "noarch" / "repodata.json.zst").unlink()
    assert "x" in solve("x", channels=[only_linux, only_noarch], python="3.12")
    with pytest.raises(UnknownPackage) as caught:
        solve("x", channels=[only_linux, only_noarch], platform="osx-64", python="3.12")
    assert "no channel has `x` for osx-64" in str(caught.value.hint)


def test_repodata_is_validated_not_fetched_again_and_serves_offline(
    worker: Worker, channels: Channels, tmp_path: Path
) -> None:
    with ChannelServer(channels.main) as server:
        with Worker() as first:
            online = Solver(first, tmp_path, channels.main)("colours", channels=[server.url])
        server.statuses.clear()
        with Worker() as second:
            again = Solver(second, tmp_path, channels.main)("colours", channels=[server.url])
        assert server.statuses[304] >= 2
        server.requests.clear()
        offline = Solver(worker, tmp_path, channels.main)(
            "colours", channels=[server.url], context={"offline": True}
        )
        assert not server.requests
        with pytest.raises(IndexUnreachable) as caught:
            Solver(worker, tmp_path / "empty", channels.main)(
                "colours", channels=[server.url], context={"offline": True}
            )
    assert caught.value.hint == "try again with the network"
    assert online == again == offline


INDEX = """
import asyncio, os, sys
from rattler.index import index_fs
asyncio.run(index_fs(sys.argv[1], write_shards=True, force=True))
os._exit(0)
"""


@pytest.mark.slow
def test_sharded_repodata_and_servers_that_confuse_its_reader(tmp_path: Path) -> None:
    channel = make_channel(
        tmp_path / "channel",
        Recipe(name="python", version="3.12.0", subdir=LINUX),
        Recipe(name="thing", version="1.0", depends=("python",)),
    )
    subprocess.run([sys.executable, "-c", INDEX, channel], check=True)
    shards = f"/{LINUX}/repodata_shards.msgpack.zst"
    whole = f"/{LINUX}/repodata.json.zst"
    found = []
    with ChannelServer(channel) as server:
        # A plain file server's 304 does not repeat the validators, and the reader wants them.
        for faults in ({}, {}, {shards: 304}):
            server.faults = dict(faults)
            server.requests.clear()
            with Worker() as worker:
                solve = Solver(worker, tmp_path / "engines", channel)
                found.append(solve("thing", channels=[server.url], python="3.12"))
            assert server.requests[shards]
            assert bool(server.requests[whole]) == bool(faults)
    assert found[0] == found[1] == found[2]


def test_specs_and_platforms_share_what_was_read(channels: Channels, tmp_path: Path) -> None:
    with ChannelServer(channels.main) as server, Worker() as worker:
        solve = Solver(worker, tmp_path, channels.main)
        solve("colours", channels=[server.url])
        server.requests.clear()
        solve("shared", channels=[server.url])
        assert not server.requests


def test_a_login_reaches_its_channel_and_no_other(
    worker: Worker, channels: Channels, tmp_path: Path
) -> None:
    login = ("ann", "s3cret/@")
    seen: list[str | None] = []

    class Spy(ChannelServer):
        def answer(self, request: Any) -> None:
            seen.append(request.headers.get("Authorization"))
            super().answer(request)

    with ChannelServer(channels.main, login=login) as private, Spy(channels.root) as public:
        solve = Solver(worker, tmp_path, channels.main)
        with pytest.raises(IndexUnreachable) as refused:
            solve("colours", channels=[private.url])
        credentials = Credentials()
        credentials.add(f"{private.url}/".replace("://", "://ann:s3cret%2F%40@"))
        with_login = {"credentials": credentials}
        found = solve("colours", channels=[private.url], context=with_login)
        solve("colours", channels=[f"{public.url}/second", channels.main], context=with_login)
    assert refused.value.status == 401
    assert refused.value.hint
    assert "s3cret" not in repr(found)
    assert seen
    assert set(seen) == {None}
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()


def test_a_login_may_be_in_netrc(
    solve: Solver, channels: Channels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with ChannelServer(channels.main, login=("ann", "s3cret")) as server:
        assert "colours" in solve("colours", channels=[server.url])


def test_the_token_of_a_channel_is_in_requests_to_it_alone(
    worker: Worker, channels: Channels, tmp_path: Path
) -> None:
    solve, credentials = Solver(worker, tmp_path, channels.main), Credentials()
    with (
        ChannelServer(channels.root, token="s3cret") as private,
        ChannelServer(channels.root) as public,
    ):
        url = credentials.add(f"{private.url}/t/s3cret/second")
        assert url == f"{private.url}/second"
        sources = [url, f"{public.url}/main"]
        found = solve("colours", channels=sources, context={"credentials": credentials})
        with pytest.raises(UnknownChannel) as caught:
            solve("colours", channels=[f"{private.url}/main"], context={"credentials": credentials})
    assert found["colours"].url.startswith(f"{url}/noarch/")
    assert found["colours"].source == url
    assert private.requests["/no-token"]
    assert not any("s3cret" in path for path in public.requests)
    assert "s3cret" not in f"{found} {caught.value!r} {caught.value}"
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (401, IndexUnreachable, "it asks for credentials (401)"),
        (403, IndexUnreachable, "it refuses access (403)"),
        (404, UnknownChannel, "there is no `noarch`"),
        (429, IndexUnreachable, "too many requests (429)"),
        (500, IndexUnreachable, "it answers internal server error (500)"),
        pytest.param(
            *("truncate", IndexUnreachable, "the connection broke off"), marks=pytest.mark.slow
        ),
        pytest.param(
            *("garbage", IndexUnreachable, "repodata.json.zst` is no zstd archive"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_channel_that_fails(
    solve: Solver, channels: Channels, fault: int | str, kind: type[ResolveError], words: str
) -> None:
    with ChannelServer(channels.main) as server:
        server.faults["/"] = fault
        with pytest.raises(kind) as caught:
            solve("colours", channels=[server.url], context={"patience": ONCE_MORE})
        assert words in str(caught.value)
        assert server.url in str(caught.value)
        assert caught.value.hint
        server.faults.clear()
        # What a channel lacked is remembered for as long as the worker lives.
        solve.folder = solve.folder / "later"
        assert "colours" in solve("colours", channels=[server.url])
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_single_failure_is_repeated(solve: Solver, channels: Channels) -> None:
    with ChannelServer(channels.main) as server:
        server.faults[f"/{LINUX}/repodata.json.zst"] = "once:503"
        assert "colours" in solve("colours", channels=[server.url])


def test_channels_that_are_not_there(solve: Solver, tmp_path: Path) -> None:
    with pytest.raises(UnknownChannel, match="neither `linux-64` nor `noarch`"):
        solve("x", channels=[tmp_path / "nowhere"])
    with pytest.raises(IndexUnreachable, match=r"127\.0\.0\.1:9/x`: connection refused"):
        solve("x", channels=["http://127.0.0.1:9/x"])


def test_damaged_local_repodata(solve: Solver, tmp_path: Path, channels: Channels) -> None:
    whole = (channels.main / "noarch" / "repodata.json").read_bytes()
    for name, data in (("repodata.json", whole[:500]), ("repodata.json.zst", b"not zstd")):
        folder = tmp_path / name / "noarch"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(data)
        with pytest.raises(IndexUnreachable, match=f"its `noarch/{name}`") as caught:
            solve("x", channels=[folder.parent])
        assert caught.value.hint


@pytest.mark.parametrize("served", [False, True])
def test_a_record_that_cannot_be_read_spoils_its_own_package_alone(
    solve: Solver, channels: Channels, tmp_path: Path, served: bool
) -> None:
    records = pack(Recipe(name="odd", version="1", extra={"noarch": "perl"}), tmp_path)
    records |= pack(Recipe(name="even", version="1"), tmp_path)
    write_channel(tmp_path, records)
    with ChannelServer(tmp_path) as server:
        url = server.url if served else tmp_path.as_uri()
        assert "even" in solve("even", channels=[url, channels.main])
        with pytest.raises(IndexUnreachable, match=r"`noarch` of `odd-1-0\.conda`") as caught:
            solve("odd", channels=[url, channels.main])
        assert url in str(caught.value)
        assert caught.value.hint


@pytest.mark.parametrize("value", [True, False, "", None, "generic", "python"])
def test_what_repodata_says_of_noarch_is_read(
    solve: Solver, channels: Channels, tmp_path: Path, value: object
) -> None:
    """`true` was written until 2023."""
    recipe = Recipe(name="old", version="1", extra={"noarch": value})
    write_channel(tmp_path, pack(recipe, tmp_path))
    assert solve("old", channels=[tmp_path, channels.main])["old"].version == "1"


def test_a_conflict_is_a_tree_of_who_wants_what(solve: Solver) -> None:
    with pytest.raises(NoSolution) as caught:
        solve("left", "right", context={"origins": {"left": "env.yml:4", "right": "env.yml:7"}})
    text = str(caught.value)
    assert text.startswith("no solution for linux-64: these cannot be installed together:\n├─ ")
    for line in ("left 1.0 would require", "shared <2", "shared >=2,<3"):
        assert line in text
    assert text.endswith("\n`left` is asked by env.yml:4\n`right` is asked by env.yml:7")


def test_a_package_that_no_channel_has(solve: Solver, channels: Channels) -> None:
    for spec, name in (("nonexistent>=2", "nonexistent"), ("lacks", "nowhere")):
        with pytest.raises(UnknownPackage) as caught:
            solve(spec)
        assert f"no channel has `{name}` for linux-64" in str(caught.value.hint)
        assert channels.main.as_uri() in str(caught.value.hint)


def test_a_version_that_is_not_there_names_those_that_are(solve: Solver) -> None:
    with pytest.raises(NoSolution) as caught:
        solve("shared>=4")
    assert not isinstance(caught.value, UnknownPackage)
    assert caught.value.hint == "there is `shared` 3.0, 2.0, 1.5, 1.0"


def test_what_the_target_lacks_is_said(solve: Solver) -> None:
    with pytest.raises(NoSolution) as caught:
        solve("floored=2", sys=["__glibc=2.28"])
    assert "`__glibc=2.28`" in str(caught.value.hint)
    assert "`--sys __glibc=2.40`" in str(caught.value.hint)
    # The same where it is asked for outright.
    with pytest.raises(NoSolution) as caught:
        solve("__glibc>=2.40", sys=["__glibc=2.28"])
    assert "`__glibc=2.28`" in str(caught.value.hint)
    assert "`--sys __glibc=2.40`" in str(caught.value.hint)
    with pytest.raises(NoSolution) as caught:
        solve("cuda-tool")
    assert "no `__cuda`" in str(caught.value.hint)


def test_a_python_that_packages_refuse(solve: Solver) -> None:
    for conda, python in ((("old-python",), MINOR), (("colours",), "3.6")):
        with pytest.raises(PythonRefused) as caught:
            solve(*conda, python=python)
        assert "there is `python`" in str(caught.value.hint)


def test_a_cutoff_before_everything(solve: Solver) -> None:
    with pytest.raises(NoSolution) as caught:
        solve("colours", exclude_newer="2001-01-01")
    assert "cut-off" in str(caught.value.hint)


def test_a_matchspec_that_cannot_be_read(solve: Solver) -> None:
    with pytest.raises(UnsupportedRequest, match=r"^env.yml:3: `colours\[size='1'\]` is not"):
        solve("colours[size='1']", context={"origins": {"colours[size='1']": "env.yml:3"}})
    with pytest.raises(UnsupportedRequest, match="==="):
        solve("colours", python="===3.11")


def test_only_conda_specs_are_taken(worker: Worker, tmp_path: Path) -> None:
    context = ResolveContext(cache_dir=tmp_path)
    mixed = EnvSpec.make(requirements={"conda": ["a"], "pypi": ["b"]}, python="3.11")
    system = EnvSpec.make(
        requirements={}, python="3.11", options=Options.make(python_provider="system")
    )
    for spec in (mixed, system):
        with pytest.raises(UnsupportedRequest):
            CondaResolver(worker).resolve(spec, [LINUX], context)
    with pytest.raises(UnsupportedRequest, match="no platform"):
        CondaResolver(worker).resolve(spec_of(channels=[]), [], context)


def test_a_record_without_a_hash_is_refused(solve: Solver, tmp_path: Path) -> None:
    channel = tmp_path / "channel"
    records = pack(Recipe(name="python", version="3.12.0"), channel)
    for record in records.values():
        del record["md5"], record["sha256"]
    write_channel(channel, records)
    with pytest.raises(IndexUnreachable, match="neither a sha256 nor an md5"):
        solve(channels=[channel], python="3.12")


def test_a_crash_of_the_engine_is_an_error_of_ours(channels: Channels, tmp_path: Path) -> None:
    with (
        Worker() as worker,
        ChannelServer(channels.main) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        server.faults[f"/{LINUX}"] = "stall"
        solve = Solver(worker, tmp_path, channels.main)
        waiting = pool.submit(solve, "colours", channels=[server.url])
        while not server.requests:
            time.sleep(0.01)
        with pytest.raises(WorkerCrashed):
            worker.call("pkgcache.stores.testing:work", do="exit", value=7)
        with pytest.raises(EngineFailed, match=r"^py-rattler failed: .* ended with status 7$"):
            waiting.result()


@pytest.mark.parametrize(
    ("roots", "path"),
    [
        (("wrapper",), ("wrapper", "pytool", "python")),
        (("greeter",), ()),
        (("greeter", "colours"), ("colours", "python")),
        (("python",), ("python",)),
        (("absent",), ()),
    ],
)
def test_the_path_that_leads_to_python(
    solve: Solver, roots: Sequence[str], path: Sequence[str]
) -> None:
    found = solve("wrapper", "greeter")
    assert python_path(found.values(), roots) == path


@pytest.mark.slow
def test_a_hundred_runs_under_load_end_well(channels: Channels, tmp_path: Path) -> None:
    """Eight at once, each a fork of a process that has imported what it needs, with an end of its own."""
    code = f"""
import os
import sys
from pathlib import Path
from envid.spec import EnvSpec, Source
from pkgcache.worker import Worker
from resolvers.conda import CondaResolver
from resolvers.request import ResolveContext
spec = EnvSpec.make(requirements={{"conda": ["rich"]}}, python="{MINOR}",
                    sources=[Source.make("channel", {channels.main.as_uri()!r})])
for number in range(100):
    if number >= 8:
        print(os.wait()[1])
    if not os.fork():
        break
else:
    for _ in range(8):
        print(os.wait()[1])
    sys.exit()
for handle, name in ((1, "out"), (2, "err")):
    os.dup2(os.open(f"{{number}}.{{name}}", os.O_WRONLY | os.O_CREAT), handle)
with Worker() as worker:
    found = CondaResolver(worker).resolve(spec, ["{LINUX}"], ResolveContext(cache_dir=Path({str(tmp_path)!r})))
print(len(found["{LINUX}"].packages))
"""
    runs = tmp_path / "runs"
    runs.mkdir()
    done = subprocess.run(
        [sys.executable, "-u", "-c", code], capture_output=True, text=True, check=False, cwd=runs
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["0"] * 100
    assert {path.read_text() for path in runs.glob("*.err")} == {""}
    (said,) = {path.read_text() for path in runs.glob("*.out")}
    assert int(said) > 1
