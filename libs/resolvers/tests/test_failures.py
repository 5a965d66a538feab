"""Every way in which a request cannot be met is told apart, in terms of the request."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from tests.emulators import closed_port

from pkgcache.web.credentials import Credentials
from pkgcache.web.login import Login
from resolvers import errors
from resolvers.testing import FakeIndex, make_wheel

from .helpers import LINUX, ONCE_MORE, THIS_PYTHON, resolve, spec_of

if TYPE_CHECKING:
    from pathlib import Path

    from envid.spec import EnvSpec


def failure(
    spec: EnvSpec, folder: Path, platform: str = LINUX, **context: object
) -> errors.ResolveError:
    with pytest.raises(errors.ResolveError) as caught:
        resolve(spec, folder, platform, **context)
    message = str(caught.value)
    assert "\n" not in message
    assert not message.endswith(".")
    assert "--" not in message + str(caught.value.hint)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.hint, copy.retryable) == (
        message,
        caught.value.hint,
        caught.value.retryable,
    )
    return caught.value


def test_an_unknown_package_is_named_with_who_asked_for_it(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1", requires=["nosuch>2"])) as index:
        found = failure(
            spec_of("a", "Other_one", index=index.url), tmp_path, origins={"other-one": "r.txt:3"}
        )
        assert type(found) is errors.UnknownPackage
        assert "other-one was not found in any index" in str(found)
        assert str(found).endswith("`other-one` is asked by r.txt:3")
        assert found.hint == f"check the spelling; looked in {index.url}"
        transitive = failure(
            spec_of("a", index=index.url), tmp_path, origins={"a": "requirements.txt:1"}
        )
    assert type(transitive) is errors.UnknownPackage
    assert "nosuch was not found" in str(transitive)
    assert "`a` is asked by requirements.txt:1" in str(transitive)


def test_a_version_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1")) as index:
        found = failure(spec_of("a==7", index=index.url), tmp_path)
    assert type(found) is errors.NoSolution
    assert "there is no version of a==7" in str(found)


def test_a_clash_names_both_sides_and_nobody_else(tmp_path: Path) -> None:
    with FakeIndex(
        make_wheel("a", "1", requires=["c<2"]),
        make_wheel("unrelated", "1"),
        make_wheel("c", "1"),
        make_wheel("c", "2"),
    ) as index:
        found = failure(
            spec_of("a", "unrelated", index=index.url, constraints=["c>=2"]),
            tmp_path,
            origins={"a": "one.txt:1", "c>=2": "two.txt:4", "unrelated": "two.txt:5"},
        )
    assert type(found) is errors.NoSolution
    assert found.asked == (("a", "one.txt:1"), ("c>=2", "two.txt:4"))
    assert found.reason.startswith("because all versions of a depend on c<2 and c>=2")


@pytest.mark.parametrize("asked", ["urld", "urld[more]", "mid"])
@pytest.mark.parametrize(
    "line",
    ["a1 @ https://index.invalid/a1-1.0-py3-none-any.whl", "a1 @ git+https://index.invalid/a1@v1"],
)
def test_a_package_that_needs_another_by_its_url_is_named(
    tmp_path: Path, asked: str, line: str
) -> None:
    more = "; extra == 'more'" if "[" in asked else ""
    wheel = make_wheel("urld", "1.0", requires=[f"{line} {more}"], extras=["more"])
    with FakeIndex(wheel, make_wheel("mid", "1.0", requires=["urld"])) as index:
        spec = spec_of(asked, index=index.url, python=THIS_PYTHON)
        found = failure(spec, tmp_path, origins={asked: "r.txt:2"})
    assert type(found) is errors.NoSolution
    assert found.reason.startswith(f"`urld==1.0` needs `{line}`")
    assert str(found).endswith(f"`{asked}` is asked by r.txt:2")
    assert f"`{line}` yourself" in str(found.hint)


def test_a_package_that_needs_another_by_another_url_is_named(tmp_path: Path) -> None:
    elsewhere = "https://index.invalid/a1-1.0-py3-none-any.whl"
    wheel, needed = make_wheel("urld", "1.0", requires=[f"a1 @ {elsewhere}"]), make_wheel("a1", "1")
    with FakeIndex(wheel, needed) as index:
        own = f"a1 @ {index.origin}/files/{needed.filename}"
        spec = spec_of("urld", own, index=index.url, python=THIS_PYTHON)
        found = failure(spec, tmp_path, origins={"urld": "r.txt:2", own: "r.txt:3"})
    assert type(found) is errors.NoSolution
    assert "`urld==1.0` needs `a1` from another URL" in found.reason
    assert elsewhere in found.reason
    assert {where for _, where in found.asked} == {"r.txt:2", "r.txt:3"}


@pytest.mark.parametrize("asked", ["inv", "mid"])
def test_what_is_not_valid_in_the_metadata_is_said(tmp_path: Path, asked: str) -> None:
    wheel = make_wheel("inv", "1.0", requires=["a1>=1.0.*"])
    with FakeIndex(wheel, make_wheel("mid", "1.0", requires=["inv"])) as index:
        found = failure(spec_of(asked, index=index.url, python=THIS_PYTHON), tmp_path)
    assert type(found) is errors.NoSolution
    assert "the metadata of `inv==1.0` is not valid: " in found.reason
    assert found.reason.endswith(": a1>=1.0.*")
    assert found.hint == "have it mended there, or ask for another version"


def test_a_python_that_packages_refuse_is_an_error_of_its_own(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1", requires_python=">=3.99")) as index:
        spec = spec_of("a", index=index.url, python=THIS_PYTHON)
        found = failure(spec, tmp_path, origins={"a": "flow.py:7"})
    assert type(found) is errors.PythonRefused
    assert "does not satisfy Python>=3.99" in str(found)
    assert "flow.py:7" in str(found)
    assert found.hint == "ask for another Python, or for other versions"


def test_a_cut_off_date_that_hides_a_version_is_the_hint(tmp_path: Path) -> None:
    with FakeIndex() as index:
        index.add(make_wheel("a", "1"), uploaded="2024-05-05T00:00:00Z")
        index.add(make_wheel("a", "0.1"), uploaded="2014-05-05T00:00:00Z")
        found = failure(spec_of("a==1", index=index.url, exclude_newer="2024-01-01"), tmp_path)
    assert "published at 2024-05-05T00:00:00Z, after the cut-off date" in str(found.hint)


def test_an_index_without_upload_times_is_the_hint_where_there_is_a_cut_off(
    tmp_path: Path,
) -> None:
    with FakeIndex(make_wheel("a", "1"), as_json=False) as index:
        spec = spec_of("a", index=index.url, python=THIS_PYTHON, exclude_newer="2024-01-01")
        found = failure(spec, tmp_path)
    assert type(found) is errors.NoSolution
    assert found.hint == "the index does not say that `a` was published before the cut-off date"


def test_an_index_that_shadows_another_is_the_hint(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1")) as one, FakeIndex(make_wheel("a", "2")) as two:
        spec = spec_of("a==2", index=(one.url, two.url), python=THIS_PYTHON)
        found = failure(spec, tmp_path)
        assert found.hint == f"the first source that has `a` decides, and that is {one.url}"


def test_wheels_for_other_systems_only_are_the_hint(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1", tag="py3-none-win_amd64")) as index:
        found = failure(spec_of("a", index=index.url, python=THIS_PYTHON), tmp_path)
    assert type(found) is errors.NoSolution
    assert found.hint == "`a` v1 has wheels for `win_amd64` only"


def test_no_source_at_all_is_said(tmp_path: Path) -> None:
    found = failure(spec_of("a"), tmp_path)
    assert type(found) is errors.UnknownPackage
    assert found.hint == "check the spelling; no index is asked, and no find-links are given"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "it asks for credentials (401)"),
        (403, "it refuses access (403)"),
        (410, "gone (410)"),
    ],
)
def test_an_index_that_refuses_us_is_unreachable(tmp_path: Path, status: int, reason: str) -> None:
    with FakeIndex(make_wheel("a", "1")) as index:
        index.failures["/simple"] = status
        found = failure(spec_of("a", index=index.url), tmp_path)
    assert isinstance(found, errors.IndexUnreachable)
    assert (found.status, found.reason, found.retryable) == (status, reason, False)
    assert found.where.startswith(index.url)


def test_an_index_that_is_broken_may_be_asked_again(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1")) as index:
        index.failures["/simple"] = 503
        found = failure(spec_of("a", index=index.url), tmp_path, patience=ONCE_MORE)
    assert isinstance(found, errors.IndexUnreachable)
    assert (found.status, found.retryable) == (503, True)


def test_an_index_that_is_not_there_may_be_asked_again(tmp_path: Path) -> None:
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}/simple"
        found = failure(spec_of("a", index=url), tmp_path, patience=ONCE_MORE)
    assert isinstance(found, errors.IndexUnreachable)
    assert (found.reason, found.status, found.retryable) == ("connection refused", None, True)


def test_an_index_whose_name_nobody_knows_is_unreachable(tmp_path: Path) -> None:
    url = "http://index.invalid/simple"
    found = failure(spec_of("a", index=url), tmp_path, patience=ONCE_MORE)
    assert isinstance(found, errors.IndexUnreachable)
    assert found.where.startswith("http://index.invalid/")


def test_a_links_page_that_is_not_there_is_named(tmp_path: Path) -> None:
    with FakeIndex() as index:
        found = failure(spec_of("a", find_links=[f"{index.origin}/nothing"]), tmp_path)
    assert isinstance(found, errors.IndexUnreachable)
    assert (found.where, found.status) == (f"{index.origin}/nothing", 404)
    missing = failure(spec_of("a", find_links=[(tmp_path / "nothing").as_uri()]), tmp_path)
    assert isinstance(missing, errors.IndexUnreachable)
    assert missing.reason == "no such file or directory"


def test_without_network_only_what_was_read_before_is_known(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1")) as index:
        found = failure(spec_of("a", index=index.url), tmp_path, offline=True)
        assert isinstance(found, errors.IndexUnreachable)
        assert found.hint == "try again with the network"
        assert not index.requests


def test_no_credential_is_in_an_error(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1"), login=("joe", "right")) as index:
        logins = Credentials()
        logins.set(index.url, Login(user="joe", password="very-wrong"))
        found = failure(spec_of("a", index=index.url), tmp_path, credentials=logins)
    assert isinstance(found, errors.IndexUnreachable)
    assert "very-wrong" not in repr(found) + str(found) + str(found.__dict__)


@pytest.mark.parametrize(
    ("sys", "message"),
    [
        (("__glibc=2.12",), "`__glibc=2.12` is out of range"),
        (("__glibc=x",), "`__glibc=x` is not a version"),
    ],
)
def test_a_floor_that_wheels_do_not_know_is_refused(
    tmp_path: Path, sys: tuple[str, ...], message: str
) -> None:
    found = failure(spec_of("a", index="pypi", sys=sys), tmp_path)
    assert (type(found), str(found)) == (errors.UnsupportedRequest, message)


def test_a_repository_of_another_kind_is_refused(tmp_path: Path) -> None:
    found = failure(spec_of("a @ hg+https://localhost/a"), tmp_path)
    assert type(found) is errors.UnsupportedRequest
    assert "Mercurial is not supported" in str(found)


@pytest.mark.parametrize("one", [getattr(errors, name) for name in errors.__all__])
def test_every_error_has_the_root_and_a_builtin_as_bases(one: type[Exception]) -> None:
    assert issubclass(one, errors.ResolveError)
    assert one is errors.ResolveError or any(
        base.__module__ == "builtins" and base not in (Exception, BaseException, object)
        for base in one.__mro__
    )
