"""What `environment show` says of requests."""

from __future__ import annotations

from envid.spec import EnvSpec
from metaflow_extensions.mfenv._values import read
from metaflow_extensions.mfenv.flow_commands import _packages

GIT = "git+https://h.test/a/b.git"
DIGEST = "a" * 64


def shown(category: str, *texts: str) -> dict[str, str]:
    spec = EnvSpec.make(requirements={category: texts}, python="3.11")
    return _packages(spec, "linux-64").get(category, {})


def test_packages_are_shown_by_name_with_what_is_asked_of_them() -> None:
    assert shown(
        "pypi", "a", "b[x]>=1,<2", "c==1; os_name == 'posix'", "d @ https://h.test/d-1.zip"
    ) == {
        "a": "",
        "b[x]": "<2,>=1",
        "c": '==1; os_name == "posix"',
        "d": "@ https://h.test/d-1.zip",
    }
    assert shown("conda", "a", "far::b==1.2 py3*", "c 1.2.*", "d[build='x']", "e>=1", "e<2") == {
        "a": "",
        "far::b": "==1.2 py3*",
        "c": "1.2.*",
        "d": "[build='x']",
        "e": "<2,>=1",
    }
    assert shown("sys", "__glibc=2.28") == {"__glibc": "=2.28"}


def test_what_has_no_name_is_shown_by_where_it_is() -> None:
    assert shown(
        "pypi",
        f"{GIT}@v1",
        f"{GIT}#subdirectory=x",
        f"{GIT}@main#subdirectory=y ; os_name == 'posix'",
        "git+ssh://git@h.test/a/b.git@v2",
        "https://h.test/some.tar.gz",
        f"file:project#sha256={DIGEST}",
        f"named @ file:other#sha256={DIGEST}",
    ) == {
        GIT: "@v1",
        f"{GIT}#subdirectory=x": "",
        f"{GIT}#subdirectory=y": '@main ; os_name == "posix"',
        "git+ssh://git@h.test/a/b.git": "@v2",
        "https://h.test/some.tar.gz": "",
        f"file:project#sha256={DIGEST}": "",
        "named": f"@ file:other#sha256={DIGEST}",
    }


def test_a_decorator_takes_what_is_shown() -> None:
    texts = ("a", "b[x]<2,>=1", f"{GIT}@main#subdirectory=y", f'{GIT}@v1 ; os_name == "posix"')
    again = read("pypi", "@pypi", {"packages": shown("pypi", *texts)}).packages or ()
    spec = EnvSpec.make(requirements={"pypi": [one.text for one in again]}, python="")
    assert spec.requirements["pypi"] == tuple(sorted(texts))
