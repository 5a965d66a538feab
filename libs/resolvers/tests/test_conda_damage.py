"""Repodata that is damaged: what is wrong is named, and what nobody asks for does no harm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from tests.channel import ChannelServer, Recipe, pack, write_channel, write_shards

from envid.spec import EnvSpec, Source
from pkgcache.worker import Worker
from resolvers.conda import CondaResolver
from resolvers.errors import IndexUnreachable, UnknownPackage
from resolvers.request import ResolveContext

from .helpers import ONCE_MORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.channel import Channels

    Change = Callable[[str], bytes]

LINUX = "linux-64"
THING = "thing-1-0.conda"
DELETED = object()


@pytest.fixture
def channel(channels: Channels, tmp_path: Path) -> Path:
    """A channel with Python, `thing` that needs `dep`, and `other`."""
    root = tmp_path / "channel"
    records: dict[str, Any] = {}
    for subdir in (LINUX, "noarch"):
        (root / subdir).mkdir(parents=True)
        index = json.loads((channels.main / subdir / "repodata.json").read_text())
        for filename, record in {**index["packages"], **index["packages.conda"]}.items():
            if record["name"] in ("python", "python_abi", "tzdata"):
                records[f"{subdir}/{filename}"] = record
    for name, depends in (("thing", ("dep",)), ("dep", ()), ("other", ())):
        records |= pack(Recipe(name=name, version="1", subdir=LINUX, depends=depends), root)
    write_channel(root, records)
    return root


@pytest.fixture
def solve(worker: Worker, tmp_path: Path) -> Callable[[str], set[str]]:
    """The names of what is found for `thing` in a channel."""
    return lambda url: solved(worker, tmp_path, url)


def solved(worker: Worker, folder: Path, url: str, *names: str) -> set[str]:
    spec = EnvSpec.make(
        requirements={"conda": names or ["thing"]},
        python="3",
        sources=[Source.make("channel", url)],
    )
    context = ResolveContext(cache_dir=folder / "engines", patience=ONCE_MORE)
    found = CondaResolver(worker).resolve(spec, [LINUX], context)
    return {one.name for one in found[LINUX].packages}


@pytest.fixture(params=["file", "http"])
def url(request: pytest.FixtureRequest, channel: Path) -> Iterator[str]:
    if request.param == "file":
        yield channel.as_uri()
        return
    with ChannelServer(channel) as server:
        yield server.url


def rewrite(channel: Path, change: Change) -> None:
    """Change the channel's repodata for Linux."""
    plain, zst = (channel / LINUX / f"repodata.json{end}" for end in ("", ".zst"))
    data = change(plain.read_text(errors="replace"))
    plain.write_bytes(data)
    zst.write_bytes(zstandard.compress(data))


def with_field(filename: str, field: str, value: object) -> Change:
    def change(text: str) -> bytes:
        index = json.loads(text)
        record = index["packages.conda"][filename]
        record[field] = value
        if value is DELETED:
            del record[field]
        return json.dumps(index).encode()

    return change


def nested(depth: int) -> Any:
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


FIELDS = [
    ("size", -1),
    ("size", "9"),
    ("size", 1.5),
    ("size", 2**70),
    ("sha256", ""),
    ("sha256", "abcd"),
    ("sha256", "z" * 64),
    ("sha256", 3),
    ("md5", "xx"),
    ("name", DELETED),
    ("name", 3),
    ("version", DELETED),
    ("version", 1),
    ("version", "1 !!"),
    ("build", DELETED),
    ("build", "../x"),
    ("build_number", DELETED),
    ("build_number", -1),
    ("depends", "dep"),
    ("depends", None),
    ("depends", {"dep": 1}),
    ("depends", [3]),
    ("depends", nested(100)),
    ("constrains", "dep"),
    ("subdir", 4),
    ("timestamp", "x"),
    ("license", "\ud800"),
    ("purls", ["::"]),
    ("noarch", "x"),
]


@pytest.mark.parametrize(("field", "value"), FIELDS, ids=[f"{a}-{b!s:.12}" for a, b in FIELDS])
def test_a_record_that_is_wrong_is_named_with_its_field(
    solve: Callable[[str], set[str]], channel: Path, url: str, field: str, value: object
) -> None:
    rewrite(channel, with_field(THING, field, value))
    with pytest.raises(IndexUnreachable) as failure:
        solve(url)
    assert failure.value.where == url
    assert f"`{THING}`" in failure.value.reason
    assert field in failure.value.reason
    assert " column " not in failure.value.reason
    assert failure.value.hint


@pytest.mark.parametrize(("field", "value"), [("size", -1), ("sha256", ""), ("depends", "x")])
def test_a_record_that_is_wrong_and_not_needed_does_no_harm(
    solve: Callable[[str], set[str]], channel: Path, url: str, field: str, value: object
) -> None:
    rewrite(channel, with_field("other-1-0.conda", field, value))
    assert {"thing", "dep"} <= solve(url)


def test_a_record_that_is_wrong_of_what_is_needed_in_turn(
    solve: Callable[[str], set[str]], channel: Path, url: str
) -> None:
    rewrite(channel, with_field("dep-1-0.conda", "size", -1))
    with pytest.raises(IndexUnreachable, match=r"`size` of `dep-1-0\.conda`"):
        solve(url)


@pytest.mark.parametrize("filename", ["thing-1-0.exe"])
def test_a_file_name_that_is_none(
    solve: Callable[[str], set[str]], channel: Path, url: str, filename: str
) -> None:
    rewrite(channel, lambda text: text.replace(THING, filename).encode())
    with pytest.raises(IndexUnreachable, match=f"`{filename}` is not the name"):
        solve(url)


@pytest.mark.parametrize(
    "filename", ["other-name-1-0.conda", "../../evil-1-0.conda", "/etc/x-1-0.conda"]
)
def test_a_record_under_the_file_name_of_another_package(
    solve: Callable[[str], set[str]], channel: Path, url: str, filename: str
) -> None:
    rewrite(channel, lambda text: text.replace(THING, filename).encode())
    with pytest.raises(UnknownPackage) as failure:
        solve(url)
    assert failure.value.hint
    assert failure.value.hint.startswith(
        f"`{filename}` is described as `thing` in {LINUX} of {url}"
    )


@pytest.mark.parametrize("name", ["other", "../../evil", ""])
def test_a_record_with_the_name_of_another_package(
    solve: Callable[[str], set[str]], channel: Path, url: str, name: str
) -> None:
    rewrite(channel, with_field(THING, "name", name))
    with pytest.raises(UnknownPackage) as failure:
        solve(url)
    assert failure.value.hint
    assert failure.value.hint.startswith(f"`{THING}` is described as `{name}` in {LINUX} of {url}")


FILES: dict[str, tuple[Change, str]] = {
    "empty": (lambda _: b"", "is empty"),
    "a page": (lambda _: b"<html>please log in</html>", "is a web page"),
    "half": (lambda text: text[: len(text) // 2].encode(), "ends too early"),
    "a list": (lambda _: b"[]", "ends too early"),
    "nesting": (lambda _: b'{"info":' + b"[" * 100_000, "is not repodata from byte"),
    "a number": (lambda _: b'{"packages": 3, "packages.conda": {}}', "is not repodata from byte"),
    "a flipped quote": (
        lambda text: text.replace('"size"', "#size", 1).encode(),
        "is not repodata from byte",
    ),
    "not UTF-8": (
        lambda text: text.encode().replace(b"thing-1", b"thi\xeeg-1"),
        "is not repodata from byte",
    ),
    "NaN": (
        lambda text: text.replace(f'"{THING}": {{', f'"{THING}": {{"size": NaN, ').encode(),
        f"at or behind `{THING}`",
    ),
    "a short name": (
        lambda text: text.replace(THING, "thing.conda").encode(),
        "is not repodata from byte",
    ),
}


@pytest.mark.parametrize(("change", "words"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_repodata_is_named(
    solve: Callable[[str], set[str]], channel: Path, url: str, change: Change, words: str
) -> None:
    whole = (channel / LINUX / "repodata.json").read_text()
    rewrite(channel, change)
    with pytest.raises(IndexUnreachable) as failure:
        solve(url)
    assert failure.value.where == url
    assert f"its `{LINUX}/repodata.json` " in failure.value.reason
    assert words in failure.value.reason
    assert " column " not in failure.value.reason
    rewrite(channel, lambda _: whole.encode())
    assert "thing" in solve(url)


@pytest.mark.parametrize(
    "data", [b"not zstd", zstandard.compress(bytes(9999))[:-5]], ids=["another", "half"]
)
@pytest.mark.parametrize("local", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_an_archive_that_is_none_is_named(
    solve: Callable[[str], set[str]], channel: Path, data: bytes, local: bool
) -> None:
    (channel / LINUX / "repodata.json").unlink()
    (channel / LINUX / "repodata.json.zst").write_bytes(data)
    with ChannelServer(channel) as server:
        url = channel.as_uri() if local else server.url
        with pytest.raises(IndexUnreachable) as failure:
            solve(url)
    assert failure.value.where == url
    assert failure.value.reason.startswith(f"its `{LINUX}/repodata.json.zst` is ")


def test_what_is_kept_here_and_rotten_is_fetched_anew(channel: Path, tmp_path: Path) -> None:
    with ChannelServer(channel) as server:
        with Worker() as worker:
            solved(worker, tmp_path, server.url)
        kept = [
            path
            for path in (tmp_path / "engines/conda/repodata").glob("*.json")
            if "thing-1" in path.read_text()
        ]
        assert kept
        for path in kept:
            path.write_text(path.read_text().replace('"name"', "#name"))
        with Worker() as worker:
            assert "thing" in solved(worker, tmp_path, server.url)


class TestShards:
    @pytest.fixture
    def server(self, channel: Path) -> Iterator[ChannelServer]:
        with ChannelServer(channel) as found:
            yield found

    def test_they_are_read(
        self, solve: Callable[[str], set[str]], channel: Path, server: ChannelServer
    ) -> None:
        write_shards(channel)
        assert {"thing", "dep"} <= solve(server.url)
        assert not [path for path in server.requests if "repodata.json" in path]

    @pytest.mark.parametrize("change", [[], {}, {"size": -1}, {"sha256": b""}, {"version": 3}])
    def test_where_one_is_wrong_the_whole_serves(
        self, solve: Callable[[str], set[str]], channel: Path, server: ChannelServer, change: Any
    ) -> None:
        write_shards(channel, wrong(change))
        assert {"thing", "dep"} <= solve(server.url)

    @pytest.mark.parametrize("data", [b"", b"<html>", None])
    @pytest.mark.parametrize("name", ["repodata_shards", "*"])
    def test_where_a_file_is_none_the_whole_serves(
        self,
        solve: Callable[[str], set[str]],
        channel: Path,
        server: ChannelServer,
        data: bytes | None,
        name: str,
    ) -> None:
        write_shards(channel)
        for path in (channel / LINUX).glob(f"{name}.msgpack.zst"):
            if name == "repodata_shards" or "repodata_shards" not in path.name:
                path.write_bytes(path.read_bytes()[:-9] if data is None else data)
        assert {"thing", "dep"} <= solve(server.url)

    def test_what_is_wrong_in_the_whole_too_is_named(
        self, solve: Callable[[str], set[str]], channel: Path, server: ChannelServer
    ) -> None:
        write_shards(channel, wrong({"size": -1}))
        rewrite(channel, with_field(THING, "size", -1))
        with pytest.raises(IndexUnreachable, match=r"`size` of `thing-1-0\.conda`"):
            solve(server.url)

    def test_without_the_whole_the_channel_is_named(
        self, solve: Callable[[str], set[str]], channel: Path, server: ChannelServer
    ) -> None:
        write_shards(channel, wrong({"size": -1}))
        for path in channel.glob("*/repodata.json*"):
            path.unlink()
        with pytest.raises(IndexUnreachable, match="repodata is damaged") as failure:
            solve(server.url)
        assert failure.value.where == server.url


def wrong(change: Any) -> Callable[[str, Any], Any]:
    def shard(name: str, found: Any) -> Any:
        if name != "thing" or not isinstance(change, dict):
            return change if name == "thing" else found
        records = {key: {**one, **change} for key, one in found["packages.conda"].items()}
        return {**found, "packages.conda": records} if change else {}

    return shard
