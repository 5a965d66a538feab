from __future__ import annotations

import pytest

from envid import EnvSpec, Package, ResolvedEnv
from resolvers.satisfied import contradicts, satisfies


def package(kind: str, name: str, version: str) -> Package:
    ending = "h0_0.conda" if kind == "conda" else "py3-none-any.whl"
    filename = f"{name}-{version}-{ending}"
    url = f"https://index.test/{filename}"
    build = "h0_0" if kind == "conda" else None
    return Package.make(
        kind=kind,
        name=name,
        version=version,
        build=build,
        filename=filename,
        url=url,
        sha256="a" * 64,
    )


def environment() -> ResolvedEnv:
    spec = EnvSpec.make(
        requirements={"pypi": ["flask[async]>=2"], "sys": ["__glibc=2.28"]}, python="3.11"
    )
    packages = [package("pypi", "flask", "3.0"), package("conda", "zlib", "1.3")]
    found = ResolvedEnv.co_resolve(spec, {"linux-64": ("3.11.7", packages)}, resolved_by="me")
    return found[0]


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ({"pypi": ["Flask>=2,<4"]}, True),
        ({"pypi": ["flask"]}, True),
        ({"pypi": ["flask[async]>=2"]}, True),
        ({"pypi": ["flask<3"]}, False),
        ({"pypi": ["django"]}, False),
        ({"pypi": ["zlib"]}, False),
        ({"pypi": ["flask[dotenv]"]}, False),
        ({"pypi": ["flask>=2; python_version < '4'"]}, False),
        ({"pypi": ["flask==3.0 --hash=sha256:" + "b" * 64]}, False),
        ({"pypi": ["flask @ https://index.test/flask-3.0-x.whl"]}, False),
        ({"conda": ["zlib"]}, True),
        ({"conda": ["zlib==1.3"]}, True),
        ({"conda": ["zlib==1.2"]}, False),
        ({"conda": ["zlib>=1"]}, True),
        ({"conda": ["zlib>=1.2,<2"]}, True),
        ({"conda": ["zlib=1"]}, True),
        ({"conda": ["zlib 1.*"]}, True),
        ({"conda": ["zlib 1.3 h0*"]}, True),
        ({"conda": ["zlib 1.3 h1*"]}, False),
        ({"conda": ["zlib>=1.4"]}, False),
        ({"conda": ["zlib!=1.3"]}, False),
        ({"conda": ["zlib=1.30"]}, False),
        ({"conda": ["zlib>=1.2b"]}, False),
        ({"conda": ["zlib==1.*"]}, False),
        ({"conda": ["zlib>1|<1"]}, False),
        ({"conda": ["zlib=1.3=h0"]}, False),
        ({"conda": ["far::zlib"]}, False),
        ({"conda": ["zlib[build='h0']"]}, False),
        ({"conda": ["flask"]}, False),
        ({"sys": ["__cuda=12.4"]}, True),
        ({"sys": ["__glibc=2.28"]}, True),
        ({"sys": ["__glibc=2.35"]}, True),
        ({"sys": ["__glibc=2.17"]}, False),
        ({"sys": ["__linux=6.1"]}, True),
        ({"sys": ["__linux=3.10"]}, False),
        ({"sys": ["__archspec=1=x86_64"]}, True),
        ({"sys": ["__archspec=1=x86_64_v3"]}, False),
        ({"pypi": ["flask"], "conda": ["openssl"]}, False),
    ],
)
def test_says_yes_only_where_that_is_certain(
    requirements: dict[str, list[str]], expected: bool
) -> None:
    spec = EnvSpec.make(requirements=requirements, python="3.11")
    assert satisfies(environment(), spec) is expected


def test_another_python_is_not_satisfied() -> None:
    spec = EnvSpec.make(requirements={"pypi": ["flask"]}, python="3.12")
    assert not satisfies(environment(), spec)


@pytest.mark.parametrize(
    ("tag", "asked", "expected"),
    [
        ("py3-none-any", "__glibc=2.17", True),
        ("cp39-abi3-manylinux_2_24_x86_64", "__glibc=2.27", True),
        ("cp39-abi3-manylinux_2_24_x86_64", "__glibc=2.17", False),
    ],
)
def test_wheels_say_themselves_what_they_need(tag: str, asked: str, *, expected: bool) -> None:
    spec = EnvSpec.make(requirements={"pypi": ["flask"]}, python="3.11")
    wheel = Package.make(
        kind="pypi",
        name="flask",
        version="3.0",
        filename=f"flask-3.0-{tag}.whl",
        url="https://index.test/flask.whl",
        sha256="a" * 64,
    )
    (env,) = ResolvedEnv.co_resolve(spec, {"linux-64": ("3.11.7", [wheel])}, resolved_by="me")
    lower = EnvSpec.make(requirements={"sys": [asked]}, python="")
    assert satisfies(env, lower) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zlib", False),
        ("zlib>=1.2,<2", False),
        ("zlib=1.3", False),
        ("https://channel.test::zlib>=2", True),
        ("zlib==1.3 other_*", True),
        ("zlib==1.3 h0_*", False),
        ("zlib>=1.3rc1", False),  # only a solver can tell
        ("zlib 1.2|1.4", False),
        ("absent", True),
    ],
)
def test_a_contradiction_is_certain(text: str, *, expected: bool) -> None:
    assert contradicts(text, [("zlib", "1.3", "h0_0")]) is expected
