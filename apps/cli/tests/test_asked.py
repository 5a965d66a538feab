"""What was asked for, exported as environment.yml: read again it is the same request."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envid import EnvSpec, Options, ResolvedEnv, Source
from envid.platforms import PLATFORMS, virtual_packages
from mfenv.errors import MfenvError, NotExportable
from mfenv.exporting.formats import export
from mfenv.request import Request, prepare
from mfenv.settings import Settings
from reqparse import ParseErrors, parse_file

if TYPE_CHECKING:
    from mfenv.exporting.exported import Exported

SHARED = Path(__file__).parents[4] / "shared" / "data"

ASKED = {
    "conda": [
        "numpy>=1.26,<2",
        "conda-forge::scipy 1.11.* py311*",
        "zlib[sha256='" + "a" * 64 + "']",
        "pip",
    ],
    "npconda": ["ffmpeg>=6"],
    "pypi": [
        "pandas[excel]>=2 ; python_version >= '3.9'",
        "six==1.16.0 --hash=sha256:" + "b" * 64,
        "black @ git+https://code.test/black.git@24.4.2",
        "here @ https://files.test/here-1.0-py3-none-any.whl",
    ],
    "sys": ["__cuda=12.4", "__glibc=2.35"],
}
PYTHONS = ("", "3.11", "3.11.7", ">=3.10,<3.13", "~=3.11", "!=3.11.2,==3.11.*")


def spec_of(
    requirements: dict[str, list[str]], special: dict[str, dict[str, list[str]]], **said: Any
) -> EnvSpec:
    """A spec with virtual packages for every platform, as every request has them."""
    common = {category: texts for category, texts in requirements.items() if category != "sys"}
    by_platform = {
        platform: {
            **{key: texts for key, texts in special.get(platform, {}).items() if key != "sys"},
            "sys": virtual_packages(platform, requirements.get("sys", ())),
        }
        for platform in PLATFORMS
    }
    everywhere = set.intersection(*(set(asked["sys"]) for asked in by_platform.values()))
    common["sys"] = sorted(everywhere)
    return EnvSpec.make(requirements=common, platform_requirements=by_platform, **said)


@st.composite
def specs(draw: st.DrawFn) -> EnvSpec:
    def some() -> dict[str, list[str]]:
        return {
            category: draw(st.lists(st.sampled_from(texts), max_size=3, unique=True))
            for category, texts in ASKED.items()
        }

    common, python = some(), draw(st.sampled_from(PYTHONS))
    if python == "3.11":  # who asks for a build has said the version, too
        common["conda"].append("python 3.11.* *_cpython")
    special = draw(st.lists(st.sampled_from(PLATFORMS), max_size=2, unique=True))
    urls = ["https://a.test/simple", "https://b.test/simple"]
    indexes = [*draw(st.lists(st.sampled_from(urls), unique=True, max_size=1)), "pypi"]
    if draw(st.booleans()):
        indexes = indexes[:-1]
    links = draw(st.lists(st.just("https://links.test/"), max_size=1))
    channels = draw(st.lists(st.sampled_from(["conda-forge", "https://c.test/x"]), min_size=1))
    return spec_of(
        common,
        {platform: some() for platform in special},
        python=python,
        sources=[
            *(Source.make("find-links", url) for url in links),
            *(Source.make("index", url) for url in indexes),
            *(Source.make("channel", url) for url in channels),
        ],
        options=Options.make(
            prereleases=draw(st.booleans()),
            require_hashes=draw(st.booleans()),
            no_binary=draw(st.lists(st.sampled_from(["x", "y"]), unique=True)),
            only_binary=draw(st.lists(st.sampled_from(["z", ":all:"]), unique=True)),
            exclude_newer=draw(st.sampled_from([None, "2026-01-31"])),
        ),
        constraints=draw(st.lists(st.just("urllib3<2"), max_size=1)),
    )


def exported(spec: EnvSpec, platforms: tuple[str, ...] = ("linux-64",)) -> Exported:
    found = dict.fromkeys(platforms, ("3.11.7", ()))
    envs = ResolvedEnv.co_resolve(spec, found, resolved_by="me")
    again = export(envs[::-1], "environment.yml", asked=True)
    assert again == export(envs, "environment.yml", asked=True)
    return again


def read(text: str, **options: Any) -> EnvSpec:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "environment.yml"
        path.write_text(text)
        assert not parse_file(path).notes
        settings = Settings.load(options, environ={}, directory=Path(folder))
        return prepare(Request(files=(path,)), settings, lambda *_: ()).spec


@pytest.mark.slow
@given(specs())
def test_a_request_is_read_as_it_was(spec: EnvSpec) -> None:
    try:
        given = exported(spec)
    except NotExportable:
        assert not spec.python
        return
    assert given.text.count("- pip:") <= 1  # of several conda takes the last alone
    again = read(given.text)
    unsaid = [n for n in given.notes if not n.startswith(("conda ", "pip "))]
    assert bool(unsaid) == bool(spec.constraints or spec.options.exclude_newer), given.notes
    if not unsaid:
        assert again.to_dict() == spec.to_dict()
        assert again.req_id == spec.req_id
    # What is noted is all that differs.
    assert again.requirements == spec.requirements
    assert again.platform_requirements == spec.platform_requirements
    assert again.python == spec.python


def test_what_cannot_be_said_is_noted_by_name() -> None:
    local = f"mine @ file:mine-1.0-py3-none-any.whl#sha256={'c' * 64}"
    spec = spec_of(
        {"pypi": ["six", local], "npconda": ["ffmpeg"]},
        {"osx-64": {"conda": ["only-mac"]}},
        python="===3.11.7",
        constraints=["urllib3<2"],
        sources=[Source.make("index", "pypi"), Source.make("index", "https://a.test/simple")],
        options=Options.make(channel_priority="disabled", exclude_newer="2026-01-31"),
        base="d" * 40,
    )
    notes = "\n".join(exported(spec).notes)
    for said in (
        *(local, "`python ===3.11.7`", "left out: urllib3<2", "d" * 40, "left out: pypi"),
        *("channel_priority = disabled", "exclude_newer = 2026-02-01T00:00:00Z"),
        *("no channel", "on every platform: `only-mac`", "`--conda-pkg`, by which is asked for"),
    ):
        assert said in notes


def test_a_system_that_lacks_something_is_noted() -> None:
    spec = EnvSpec.make(requirements={"pypi": ["six"]}, python="3.11")
    assert "osx-64 has no __archspec, __osx, __unix" in "\n".join(exported(spec).notes)


def test_what_has_no_words_at_all_is_refused() -> None:
    spec = EnvSpec.make(requirements={"pypi": [f"file:a.tar.gz#sha256={'c' * 64}"]}, python="")
    with pytest.raises(NotExportable):
        exported(spec)


@pytest.mark.slow
@pytest.mark.shared
def test_real_requests_are_read_as_they_were(tmp_path: Path) -> None:
    if not SHARED.exists():
        pytest.skip("../shared/data is absent")
    files = [
        path
        for folder in ("environment-yml", "env-specs", "requirements", "wild")
        for path in sorted((SHARED / folder).rglob("*"))
        if path.suffix in (".yml", ".yaml", ".txt")
    ]
    same = 0
    for path in files:
        settings = Settings.load({}, environ={}, directory=tmp_path)
        try:
            spec = prepare(Request(files=(path,)), settings, lambda *_: ()).spec
            given = exported(spec, PLATFORMS)
        except (MfenvError, ParseErrors, ValueError):
            continue
        again = read(given.text)
        if not [n for n in given.notes if not n.startswith(("conda ", "pip "))]:
            assert again.to_dict() == spec.to_dict(), path
            same += 1
    assert same > 50
