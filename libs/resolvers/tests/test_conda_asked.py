"""Every part of a MatchSpec decides what is found, or is refused; none is passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.channel import Recipe, pack, write_channel

from envid.spec import EnvSpec, Source
from resolvers.conda import CondaResolver
from resolvers.errors import NoSolution, UnsupportedRequest
from resolvers.request import ResolveContext

if TYPE_CHECKING:
    from pathlib import Path

    from envid.packages import Package
    from pkgcache.worker import Worker

LINUX = "linux-64"


class Near:
    """A channel with a package in several builds, and another one beside it."""

    def __init__(self, folder: Path, worker: Worker) -> None:
        self.folder, self.worker = folder, worker
        self.records = self._channel(
            "near",
            Recipe(name="python", version="3.11.7", subdir=LINUX),
            Recipe(
                name="foo",
                version="1",
                build="a_0",
                subdir=LINUX,
                extra={"license": "MIT", "extra_depends": {"more": ["python"]}},
            ),
            Recipe(
                name="foo",
                version="2",
                build="b_1",
                build_number=1,
                extra={"license_family": "GPL", "track_features": "slow"},
            ),
            Recipe(
                name="foo",
                version="3",
                build="c+x_2",
                build_number=2,
                subdir=LINUX,
                formats=(".conda", ".tar.bz2"),
            ),
        )
        self._channel("far", Recipe(name="foo", version="9", build="z_0", subdir=LINUX))

    def _channel(self, name: str, *recipes: Recipe) -> dict[str, Any]:
        records: dict[str, Any] = {}
        for recipe in recipes:
            records |= pack(recipe, self.folder / name)
        write_channel(self.folder / name, records)
        return records

    def written(self, text: str) -> str:
        """A text with the channels, and the hashes of the file that it names, put in."""
        for name in ("near", "far"):
            text = text.replace(name.upper(), (self.folder / name).as_uri())
        for path, record in self.records.items():
            for kind in ("md5", "sha256"):
                text = text.replace(f"<{kind} {path}>", record[kind])
        return text

    def found(self, text: str) -> Package:
        spec = EnvSpec.make(
            requirements={"conda": [self.written(text)]},
            python="",
            sources=[Source.make("channel", (self.folder / "near").as_uri())],
        )
        context = ResolveContext(cache_dir=self.folder / "engines", origins={})
        packages = CondaResolver(self.worker).resolve(spec, [LINUX], context)[LINUX].packages
        return next(one for one in packages if one.name == "foo")


@pytest.fixture
def near(tmp_path: Path, worker: Worker) -> Near:
    return Near(tmp_path, worker)


@pytest.mark.parametrize(
    ("text", "filename"),
    [
        ("foo", "foo-3-c+x_2.conda"),
        ("foo[subdir='noarch']", "foo-2-b_1.conda"),
        ("foo[subdir='linux-64']", "foo-3-c+x_2.conda"),
        ("NEAR/noarch::foo", "foo-2-b_1.conda"),
        ("NEAR/linux-64::foo<3", "foo-1-a_0.conda"),
        ("FAR::foo", "foo-9-z_0.conda"),
        ("foo[channel='FAR']", "foo-9-z_0.conda"),
        ("foo[md5='<md5 linux-64/foo-1-a_0.conda>']", "foo-1-a_0.conda"),
        ("foo[sha256='<sha256 noarch/foo-2-b_1.conda>']", "foo-2-b_1.conda"),
        ("foo==1 a_0[fn='foo-1-a_0.conda']", "foo-1-a_0.conda"),
        ("foo==3 c+x_2[fn='foo-3-c+x_2.tar.bz2']", "foo-3-c+x_2.tar.bz2"),
        ("NEAR/linux-64/foo-1-a_0.conda", "foo-1-a_0.conda"),
        ("NEAR/linux-64/foo-3-c+x_2.conda", "foo-3-c+x_2.conda"),
        ("NEAR/linux-64/foo-3-c+x_2.tar.bz2", "foo-3-c+x_2.tar.bz2"),
        (
            "NEAR/linux-64/foo-3-c+x_2.tar.bz2#<md5 linux-64/foo-3-c+x_2.tar.bz2>",
            "foo-3-c+x_2.tar.bz2",
        ),
        (
            "NEAR/linux-64/foo-3-c+x_2.conda#<sha256 linux-64/foo-3-c+x_2.conda>",
            "foo-3-c+x_2.conda",
        ),
        ("foo[license='MIT']", "foo-1-a_0.conda"),
        ("foo[license_family='GPL']", "foo-2-b_1.conda"),
        ("foo[track_features='slow']", "foo-2-b_1.conda"),
        ("foo[build_number='1']", "foo-2-b_1.conda"),
        ("foo * a*", "foo-1-a_0.conda"),
        ("foo<2[extras=[more]]", "foo-1-a_0.conda"),
        ("foo[version='<2',when='python']", "foo-1-a_0.conda"),
    ],
)
def test_every_part_of_a_spec_decides(near: Near, text: str, filename: str) -> None:
    assert near.found(text).filename == filename


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("foo[subdir='osx-64']", "lies in `linux-64`"),
        ("foo[subdir='win-64']", "lies in `linux-64`"),
        ("NEAR/osx-64::foo", "lies in `linux-64`"),
        ("NEAR/noarch::foo[subdir='linux-64']", "lies in `"),
        ("NEAR/osx-64/foo-3-c+x_2.conda", "lies in `linux-64`"),
        ("NEAR/linux-64/foo-2-b_1.conda", "lies in `noarch`"),
        ("NEAR/linux-64/foo-1-a_0.tar.bz2", "is `foo-1-a_0.conda`"),
        ("foo==1 a_0[fn='foo-1-a_0.tar.bz2']", "is `foo-1-a_0.conda`"),
        (
            f"NEAR/linux-64/foo-3-c+x_2.tar.bz2#{'0' * 32}",
            "has another hash",
        ),
        (
            "NEAR/linux-64/foo-3-c+x_2.tar.bz2#<md5 linux-64/foo-3-c+x_2.conda>",
            "has another hash",
        ),
    ],
)
def test_what_was_found_elsewhere_is_refused(near: Near, text: str, said: str) -> None:
    with pytest.raises(
        UnsupportedRequest, match="is asked for, and the foo that was found"
    ) as caught:
        near.found(text)
    assert said in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        f"foo[md5='{'0' * 32}']",
        f"NEAR/linux-64/foo-1-a_0.conda#{'0' * 64}",
        "foo[license='BSD']",
        "foo[license_family='BSD']",
        "foo[track_features='fast']",
        "foo[build_number='7']",
        "foo[flags=[x]]",
    ],
)
def test_what_nothing_has_has_no_solution(near: Near, text: str) -> None:
    with pytest.raises(NoSolution):
        near.found(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("foo<2[extras=[more,nosuch]]", "foo 1 has no extra `nosuch`"),
        ("foo>2[extras=[more]]", "foo 3 has no extra `more`"),
        ("foo[subdir='noarch',when='python']", "says where its package lies, on a condition"),
    ],
)
def test_what_cannot_be_had_so_is_refused(near: Near, text: str, said: str) -> None:
    with pytest.raises(UnsupportedRequest) as caught:
        near.found(text)
    assert said in str(caught.value)
