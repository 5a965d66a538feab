"""What indexes tell and do not tell, who may read them, and the hashes that a request gives."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pkgcache.web.credentials import Credentials
from pkgcache.web.login import Login
from resolvers import errors
from resolvers.testing import FakeIndex, make_sdist, make_wheel

from .helpers import LINUX, resolve, resolve_all, spec_of, versions

SECRET = "p@ss:w/rd"


def login_for(url: str, password: str = SECRET) -> Credentials:
    found = Credentials()
    found.set(url, Login(user="joe", password=password))
    return found


def test_an_index_that_speaks_html_gives_hashes_but_no_sizes(tmp_path: Path) -> None:
    wheel = make_wheel("a", "1")
    with FakeIndex(wheel, as_json=False) as index:
        found = resolve(spec_of("a", index=index.url), tmp_path)["a"]
    assert (found.hashes.sha256, found.size) == (wheel.sha256, None)


@pytest.mark.parametrize("as_json", [True, False])
def test_what_an_index_gives_no_hash_for_is_read(tmp_path: Path, as_json: bool) -> None:
    wheel, sdist = make_wheel("a", "1"), make_sdist(tmp_path / "src", "b", "1")
    with FakeIndex(wheel, sdist, algorithm=None, as_json=as_json) as index:
        found = resolve(spec_of("a", "b", index=index.url), tmp_path)
    assert found["a"].hashes.sha256 == wheel.sha256
    assert found["b"].built_from is not None
    assert found["b"].built_from.sha256 == sdist.sha256


def test_what_an_index_gives_only_an_md5_for_is_fetched_and_kept(tmp_path: Path) -> None:
    wheel, sdist = make_wheel("a", "1"), make_sdist(tmp_path / "src", "b", "1")
    with FakeIndex(wheel, sdist, algorithm="md5") as index:
        found = resolve_all(spec_of("a", "b", index=index.url), tmp_path)[LINUX]
    a, b = found.packages
    assert (a.hashes.sha256, a.size) == (wheel.sha256, len(wheel.data))
    assert b.built_from is not None
    assert b.built_from.sha256 == sdist.sha256
    assert [one.path.read_bytes() == wheel.data for one in found.artifacts] == [True, False]


def test_a_file_with_another_md5_than_the_index_says_is_refused(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1", module="x = 0"), algorithm="md5") as index:
        resolve(spec_of("a", index=index.url), tmp_path)
        index.tamper(make_wheel("a", "1", module="x = 1"))
        with pytest.raises(errors.NoMatchingFile, match=r"has md5:.* not md5:"):
            resolve(spec_of("a", index=index.url), tmp_path)


def test_a_file_that_cannot_be_read_is_an_unreachable_source(tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path / "src", "a", "1")
    with FakeIndex(sdist) as index:
        index.failures[f"/files/{sdist.filename}"] = 404
        with pytest.raises(errors.IndexUnreachable) as caught:
            resolve(spec_of("a", index=index.url), tmp_path)
    assert (caught.value.status, index.origin in caught.value.where) == (404, True)


def test_a_private_index_is_read_with_the_login_given_for_it(tmp_path: Path) -> None:
    seen: list[str] = []

    def look(_: str) -> None:
        seen.extend(one.read_text(errors="replace") for one in tmp_path.rglob("*.t*xt"))

    with FakeIndex(
        make_wheel("a", "1"), make_sdist(tmp_path / "src", "b", "1"), login=("joe", SECRET)
    ) as index:
        spec = spec_of("a", "b", index=index.url)
        logins = login_for(index.url)
        found = resolve(spec, tmp_path, credentials=logins, on_process=look)
        with pytest.raises(errors.IndexUnreachable, match="asks for credentials"):
            resolve(spec, tmp_path / "fresh")
    assert versions(found) == {"a": "1", "b": "1"}
    assert found["a"].source == index.url
    assert all(SECRET not in text for text in seen)
    for path in (tmp_path / "engines").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_a_direct_reference_is_read_with_the_login_given_for_its_host(tmp_path: Path) -> None:
    wheel = make_wheel("a", "1")
    with FakeIndex(wheel, login=("joe", SECRET)) as index:
        url = f"{index.origin}/files/{wheel.filename}"
        found = resolve(spec_of(f"a @ {url}"), tmp_path, credentials=login_for(index.origin))["a"]
    assert (found.url, found.hashes.sha256, found.source) == (url, wheel.sha256, None)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
def test_no_argument_of_a_process_holds_a_credential(tmp_path: Path) -> None:
    lines: list[bytes] = []

    class Watched(FakeIndex):
        def answer(self, request: object) -> None:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    lines.append(path.read_bytes())
                except OSError:  # it has ended
                    continue
            super().answer(request)  # type: ignore[arg-type]  # as the base class has it

    wheel = make_wheel("b", "1")
    with Watched(make_wheel("a", "1"), wheel, login=("joe", "oh-so-secret")) as index:
        links = make_wheel("c", "1")
        index.add(links)
        direct = f"b @ {index.origin}/files/{wheel.filename}"
        resolve(
            spec_of("a", direct, index=index.url),
            tmp_path,
            credentials=login_for(index.origin, "oh-so-secret"),
        )
    assert any(b"--config-file" in line for line in lines)
    assert not any(b"oh-so-secret" in line for line in lines)


def test_a_given_hash_decides_between_the_files_of_a_version(tmp_path: Path) -> None:
    plain, native = make_wheel("a", "1"), make_wheel("a", "1", tag="py3-none-manylinux_2_17_x86_64")
    sdist = make_sdist(tmp_path / "src", "a", "1")
    with FakeIndex(plain, native, sdist) as index:
        for one in (plain, native):
            text = f"a==1 --hash=sha256:{one.sha256}"
            found = resolve(spec_of(text, index=index.url), tmp_path)["a"]
            assert found.filename == one.filename
        text = f"a==1 --hash=sha256:{sdist.sha256}"
        built = resolve(spec_of(text, index=index.url), tmp_path)["a"]
        assert built.built_from is not None
        assert built.built_from.sha256 == sdist.sha256


def test_a_file_without_one_of_the_given_hashes_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel("a", "1")
    text = f"a==1 --hash=sha256:{'0' * 64}"
    with FakeIndex(wheel) as index, pytest.raises(errors.NoMatchingFile) as caught:
        resolve(spec_of(text, index=index.url), tmp_path, origins={text: "r.txt:2"})
    assert caught.value.found == (f"sha256:{wheel.sha256}",)
    assert f"`a==1` has sha256:{wheel.sha256}, not sha256:000" in str(caught.value)
    assert str(caught.value).endswith("(asked by r.txt:2)")
    assert str(caught.value.hint).startswith("check where the hashes come from")
    # An index that states another kind neither confirms nor denies it.
    text = f"a==1 --hash=sha512:{hashlib.sha512(wheel.data).hexdigest()}"
    with FakeIndex(wheel) as index, pytest.raises(errors.NoMatchingFile) as caught:
        resolve(spec_of(text, index=index.url), tmp_path)
    assert str(caught.value.hint).startswith("no sha512 of its files is known: give sha256")


def test_a_direct_reference_must_have_one_of_its_hashes(tmp_path: Path) -> None:
    wheel = make_wheel("a", "1")
    with FakeIndex(wheel) as index:
        url = f"{index.origin}/files/{wheel.filename}"
        good = f"a @ {url} --hash=sha256:{wheel.sha256}"
        assert versions(resolve(spec_of(good), tmp_path)) == {"a": "1"}
        with pytest.raises(errors.NoMatchingFile):
            resolve(spec_of(f"a @ {url} --hash=sha256:{'0' * 64}"), tmp_path)


def test_when_hashes_are_required_every_package_needs_one(tmp_path: Path) -> None:
    a, b = make_wheel("a", "1", requires=["b"]), make_wheel("b", "1")
    texts = [f"{one.name}==1 --hash=sha256:{one.sha256}" for one in (a, b)]
    with FakeIndex(a, b) as index:
        spec = spec_of(*texts, index=index.url, require_hashes=True)
        assert versions(resolve(spec, tmp_path)) == {"a": "1", "b": "1"}
        spec = spec_of(texts[0], index=index.url, require_hashes=True)
        with pytest.raises(errors.NoMatchingFile, match="none is given for `b==1`"):
            resolve(spec, tmp_path)


def test_the_login_in_netrc_is_used_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login joe password right\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with FakeIndex(make_wheel("a", "1"), login=("joe", "right")) as index:
        assert versions(resolve(spec_of("a", index=index.url), tmp_path)) == {"a": "1"}


def test_preferred_versions_stay_where_they_can_and_give_way_where_they_must(
    tmp_path: Path,
) -> None:
    old, new = make_wheel("a", "1"), make_wheel("a", "2")
    needy = make_wheel("b", "2", requires=["c>=2"])
    wheels = (old, new, make_wheel("b", "1", requires=["c"]), needy, make_wheel("c", "1"))
    with FakeIndex(*wheels, make_wheel("c", "2")) as index:
        earlier = resolve_all(spec_of("a==1", "b==1", "c==1", index=index.url), tmp_path)
        preferred = {LINUX: [one for one in earlier[LINUX].packages if one.name != "b"]}
        asked = spec_of("a", "b", index=index.url)
        found = resolve(asked, tmp_path, preferred=preferred)
    assert versions(found) == {"a": "1", "b": "2", "c": "2"}
