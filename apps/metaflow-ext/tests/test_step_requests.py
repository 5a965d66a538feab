"""What the decorators of a step say together."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec
from metaflow_extensions.mfenv.needs import unfit
from metaflow_extensions.mfenv.run_records import Statement, StepStatements
from metaflow_extensions.mfenv.step_requests import step_request
from mfenv.errors import Contradiction, InvalidRequest
from mfenv.request import prepare
from mfenv.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from metaflow_extensions.mfenv.step_requests import StepRequest
    from mfenv.request import Prepared

PINS = {"requests": ">=2.21.0"}


class Asking:
    """Steps asked about in an empty directory, with what a test sets."""

    def __init__(self, folder: Path) -> None:
        self.environ: dict[str, str] = {}
        self.settings = Settings.load(environ={"MFENV_CHANNELS": "usual"}, directory=folder)
        self.pins: Mapping[str, str] = PINS

    def __call__(self, *stated: Statement, **rest: Any) -> StepRequest:
        asked = StepStatements(step="start", platform=None, gpu=False, stated=stated)
        asked = replace(asked, **rest)
        return step_request(
            asked,
            self.settings,
            pins=self.pins,
            gpu=("__cuda=12.4",),
            environ=self.environ,
        )

    def spec(self, *stated: Statement, **rest: Any) -> Prepared:
        found = self(*stated, **rest)
        assert found.request
        return prepare(found.request, self.settings, lambda *_: ())

    def requirements(self, *stated: Statement, **rest: Any) -> dict[str, tuple[str, ...]]:
        found = self.spec(*stated, **rest).spec.requirements
        return {name: texts for name, texts in found.items() if name != "sys"}


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    return Asking(tmp_path)


def said(kind: str, level: str = "step", **attributes: Any) -> Statement:
    return Statement(kind=kind, level=level, place=f"@{kind} of the {level}", attributes=attributes)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("numpy", "", "numpy"),
        ("numpy", "*", "numpy"),
        ("numpy", "1.26", "numpy==1.26"),
        ("numpy", "1.26.*", "numpy 1.26.*"),
        ("numpy", ">=1,<2", "numpy<2,>=1"),
        ("numpy", "=1.2", "numpy 1.2.*"),
        ("numpy", "1.2=py311*", "numpy==1.2 py311*"),
        ("far::numpy", ">=1", "far::numpy>=1"),
    ],
)
def test_conda_packages_are_spelled_as_conda_reads_them(
    asking: Asking, name: str, text: str, expected: str
) -> None:
    asking.pins = {}
    found = asking.requirements(said("conda", packages={name: text}))
    assert found == {"conda": (expected,)}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Flask", "", "flask"),
        ("flask", "*", "flask"),
        ("flask", "3.0", "flask==3.0"),
        ("flask", "~=3.0", "flask~=3.0"),
        ("flask[async]", ">=3,<4", "flask[async]<4,>=3"),
        ("flask", '>=3 ; python_version < "4"', 'flask>=3; python_version < "4"'),
        (
            "flask @ https://h.example/flask-1-py3-none-any.whl",
            "",
            "flask @ https://h.example/flask-1-py3-none-any.whl",
        ),
        (
            "flask",
            "@ https://h.example/flask-1-py3-none-any.whl",
            "flask @ https://h.example/flask-1-py3-none-any.whl",
        ),
        ("git+https://h.example/f.git@v1", "", "git+https://h.example/f.git@v1"),
    ],
)
def test_pypi_packages_are_spelled_as_pip_reads_them(
    asking: Asking, name: str, text: str, expected: str
) -> None:
    asking.pins = {}
    found = asking.requirements(said("pypi", packages={name: text}))
    assert found == {"pypi": (expected,)}


def test_all_that_decorators_of_one_level_say_of_a_package_holds(asking: Asking) -> None:
    asking.pins = {}
    found = asking.requirements(
        said("conda", packages={"numpy": ">=1"}), said("conda", packages={"numpy": "<2", "a": ""})
    )
    assert found == {"conda": ("a", "numpy<2", "numpy>=1")}


def test_what_a_step_says_of_a_package_replaces_what_its_flow_says(asking: Asking) -> None:
    asking.pins = {}
    found = asking.requirements(
        said("pypi", packages={"My.Pkg[x]": "2"}),
        said("pypi", "flow", packages={"my-pkg": "1", "other": "1"}),
    )
    assert found == {"pypi": ("my-pkg[x]==2", "other==1")}


def test_sources_keep_their_order_the_steps_first(asking: Asking) -> None:
    prepared = asking.spec(
        said("conda", packages={"a": ""}, channels=["b", "a"]),
        said("conda", channels=["c", "b"]),
        said("conda", "flow", channels=["d"]),
        said("pypi", packages={"x": ""}, extra_indices=["https://one.example/simple"]),
        said("pypi", "flow", extra_indices=["https://two.example/simple"]),
    )
    found = [(one.kind, one.url) for one in prepared.spec.sources]
    assert [url for kind, url in found if kind == "channel"] == ["b", "a", "c", "d", "usual"]
    assert [url for kind, url in found if kind == "index"] == [
        "https://one.example/simple",
        "https://two.example/simple",
        "pypi",
    ]


@pytest.mark.parametrize("key", ["python", "name"])
def test_two_answers_to_one_question_are_refused_with_both_places(asking: Asking, key: str) -> None:
    kind = {"python": "pypi", "name": "named_env"}[key]
    with pytest.raises(Contradiction, match=f"@conda of the step .*@{kind} of the step") as caught:
        asking(said("conda", **{key: "3.10"}), said(kind, **{key: "3.11"}))
    assert caught.value.hint


def test_the_python_of_a_step_replaces_that_of_its_flow(asking: Asking) -> None:
    prepared = asking.spec(said("conda", python="3.12"), said("conda", "flow", python="3.10"))
    assert prepared.spec.python == "==3.12.*"


def test_a_python_that_is_none_is_refused_with_its_place(asking: Asking) -> None:
    with pytest.raises(InvalidRequest, match="@pypi of the step"):
        asking(said("pypi", python="three"))


@pytest.mark.parametrize(
    ("own", "base", "expected"),
    [(None, True, False), (False, True, True), (True, None, False), (None, None, True)],
)
def test_the_nearest_statement_disables(
    asking: Asking, own: bool | None, base: bool | None, expected: bool
) -> None:
    mine: dict[str, Any] = {} if own is None else {"disabled": own}
    theirs: dict[str, Any] = {} if base is None else {"disabled": base}
    found = asking(said("conda", packages={"a": ""}, **mine), said("conda", "flow", **theirs))
    assert (found.request is not None) == expected


def test_an_environment_has_what_metaflow_needs_from_where_the_rest_is(asking: Asking) -> None:
    conda, pypi = said("conda", packages={"a": ""}), said("pypi", packages={"b": ""})
    assert asking.requirements(conda) == {"conda": ("a", "requests>=2.21.0")}
    assert asking.requirements(pypi) == {"pypi": ("b", "requests>=2.21.0")}
    assert asking.requirements(conda, pypi) == {"conda": ("a",), "pypi": ("b", "requests>=2.21.0")}
    assert asking.requirements() == {"conda": ("requests>=2.21.0",)}


@pytest.mark.parametrize("kind", ["conda", "pypi"])
@pytest.mark.parametrize("text", ["<2.20", ">=2.21.0", "2.31", ""])
def test_what_a_user_says_of_metaflows_packages_wins(asking: Asking, kind: str, text: str) -> None:
    found = asking.requirements(said(kind, packages={"Requests": text}))
    (only,) = found[kind]
    assert set(found) == {kind}
    assert only == f"requests{'==' if text[:1].isdigit() else ''}{text}"
    assert asking(said(kind, packages={"requests": text})).notes == ()


def test_what_metaflow_asks_otherwise_is_told_of_what_was_found() -> None:
    assert unfit([("requests", "2.21.0"), ("idna", "1")], "local") == []
    (note,) = unfit([("Requests", "2.19"), ("idna", "1")], "local")
    assert note.startswith("`Requests` 2.19, and Metaflow asks for `")
    (note,) = unfit([("requests", "9.1_odd")], "local")
    assert "9.1_odd" in note


def test_the_systems_python_takes_metaflows_packages_as_wheels(tmp_path: Path) -> None:
    asking = Asking(tmp_path)
    asking.settings = Settings.load({"python_provider": "system"}, environ={}, directory=tmp_path)
    assert asking.requirements() == {"pypi": ("requests>=2.21.0",)}


def test_a_gpu_brings_its_virtual_packages_unless_they_are_stated(asking: Asking) -> None:
    def virtual(*stated: Statement) -> tuple[str, ...]:
        stated = (said("conda", packages={"a": ""}), *stated)
        return asking.spec(*stated, gpu=True).spec.for_platform("linux-64")["sys"]

    assert "__cuda=12.4" in virtual()
    assert "__cuda=11.8" in virtual(said("sys_packages", packages={"__cuda": "=11.8"}))


def test_an_unstated_python_is_the_one_that_starts_the_run_and_is_part_of_the_id(
    asking: Asking,
) -> None:
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert asking.spec().spec.python == f"=={running}.*"
    assert asking.spec(said("pypi", packages={"a": "1"})).spec.python == f"=={running}.*"
    assert asking.spec(said("conda", python=">=3.9")).spec.python == ">=3.9"
    asking.settings = asking.settings.replaced(python="3.12")
    assert asking.spec().spec.python == "==3.12.*"


def test_a_step_is_resolved_for_where_it_runs(asking: Asking) -> None:
    assert asking().platforms == (host_platform(),)
    away = asking(platform="linux-aarch64")
    assert away.platforms == ("linux-aarch64",)
    assert away.request == asking().request


@pytest.mark.parametrize(
    "statements",
    [
        [said("named_env")],
        [said("named_env", name="")],
        [said("named_env", pathspec=" ")],
        [said("named_env", disabled=False)],
        [said("named_env", fetch_at_exec=True)],
        [said("named_env", "flow")],
        [said("named_env", name=""), said("named_env", "flow", name="a:v1")],
        [said("conda", name="")],
    ],
)
def test_an_environment_that_is_not_named_is_no_other_one(
    asking: Asking, statements: list[Statement]
) -> None:
    with pytest.raises(InvalidRequest, match="names no environment"):
        asking(*statements)


def test_a_step_may_say_more_of_the_environment_that_its_flow_names(asking: Asking) -> None:
    named = said("named_env", "flow", name="a:v1")
    assert asking(said("named_env"), named).request == asking(named).request
    assert asking(said("named_env", fetch_at_exec=True), named).at_exec == "a:v1"
    assert asking(said("named_env", disabled=True)).request is None


def test_a_named_environment_is_where_a_step_starts_from(asking: Asking) -> None:
    asking.environ = {"TEAM": "us"}
    own = said("named_env", name="@{TEAM}/web:v1")
    found = asking(own, said("named_env", "flow", pathspec="Flow/1/start"))
    assert found.request
    assert found.request.using == "us/web:v1"
    other = asking(said("named_env", pathspec="Flow/1/start"))
    assert other.request
    assert other.request.using == "step:Flow/1/start"


def test_an_environment_cannot_be_named_twice(asking: Asking) -> None:
    with pytest.raises(Contradiction, match=r"`a:v1`.*`step:F/1/s`"):
        asking(said("named_env", name="a:v1", pathspec="F/1/s"))


@pytest.mark.parametrize("kind", ["pypi", "conda"])
def test_a_python_that_a_named_environment_has_not_is_refused_with_both_places(
    asking: Asking, kind: str
) -> None:
    spec = EnvSpec.make(requirements={"conda": ["numpy"]}, python="3.10.13")
    base = ResolvedEnv.co_resolve(spec, {host_platform(): ("3.10.13", [])}, resolved_by="me")
    named = said("named_env", "flow", name="mine/xy:v1")
    request = asking(named, said(kind, python="3.12")).request
    assert request
    with pytest.raises(Contradiction) as caught:
        prepare(request, asking.settings, lambda *_: base)
    for words in ("@named_env of the flow asks for Python `==3.10.13`", f"@{kind} of the step"):
        assert words in str(caught.value)
    assert "--using" not in str(caught.value)


def test_steps_that_name_the_same_environment_ask_for_the_same(asking: Asking) -> None:
    by_flow = asking(said("named_env", "flow", name="web:v1"))
    assert by_flow.request == asking(said("named_env", name="web:v1")).request


def test_an_unknown_variable_is_refused_with_its_place(asking: Asking) -> None:
    with pytest.raises(InvalidRequest, match="@named_env of the step: there is no variable TEAM"):
        asking(said("named_env", name="@{TEAM}/web"))


@pytest.mark.parametrize("name", ["Foo Bar", "a:b:c", "step:Flow/1"])
def test_a_name_that_is_none_is_refused_with_its_place(asking: Asking, name: str) -> None:
    with pytest.raises(InvalidRequest, match="@named_env of the step: "):
        asking(said("named_env", name=name))


def test_a_name_to_look_up_in_tasks_is_left_as_it_is(asking: Asking) -> None:
    found = asking(said("named_env", name="@{TEAM}/web", fetch_at_exec=True))
    assert (found.at_exec, found.request) == ("@{TEAM}/web", None)


@pytest.mark.parametrize(
    "other", [said("conda", "flow", packages={"a": ""}), said("pypi", python="3.11")]
)
def test_nothing_is_added_to_what_a_task_looks_up(asking: Asking, other: Statement) -> None:
    with pytest.raises(Contradiction, match=f"@named_env of the step.*{other.place}"):
        asking(said("named_env", name="web", fetch_at_exec=True), other)


@pytest.mark.parametrize(
    ("stated", "note"),
    [
        (said("pip", packages={"x": "1"}), "use `@pypi`"),
        (said("pypi", packages={"x": "1"}, sources=["https://one.example"]), "`extra_indices=`"),
        (said("conda", pip_packages={"x": "1"}), "use `@pypi`"),
        (said("conda", libraries={"x": "1"}, name="a:v1"), "`@named_env(name=)`"),
    ],
)
def test_what_is_deprecated_works_and_says_so(asking: Asking, stated: Statement, note: str) -> None:
    found = asking(stated)
    assert found.request
    (only,) = found.request.stated[0].requirements
    assert (only.name, only.specifier) == ("x", "==1")
    assert note in found.notes[0]


def test_of_two_names_of_one_argument_the_one_that_does_not_count_is_noted(asking: Asking) -> None:
    found = asking(said("conda", libraries={"x": "1", "y": "1"}, packages={"x": "2", "y": "1"}))
    assert found.request
    versions = [package.specifier for package in found.request.stated[0].requirements]
    assert versions == ["==2", "==1"]
    assert [note for note in found.notes if "libraries` says" in note] == [
        "@conda of the step: `libraries` says `x ==1`, and `packages` `x ==2`, which counts"
    ]


def test_options_of_pypi_are_those_of_a_requirements_file(asking: Asking) -> None:
    options = ["--pre", "no-binary=x,y", "--find-links https://one.example/l", "only-binary z"]
    spec = asking.spec(said("pypi", packages={"x": ""}, extras=options)).spec
    assert spec.options.prereleases
    assert (spec.options.no_binary, spec.options.only_binary) == (("x", "y"), ("z",))
    assert spec.sources[0].url == "https://one.example/l"


@pytest.mark.parametrize("between", [" ", "="])
def test_the_url_of_an_option_may_have_an_equals_sign(asking: Asking, between: str) -> None:
    url = "https://one.example/l?page=1"
    spec = asking.spec(
        said("pypi", packages={"x": ""}, extras=[f"--find-links{between}{url}"])
    ).spec
    assert spec.sources[0].url == url


@pytest.mark.parametrize("option", ["--upgrade", "--pre=1", "no-binary"])
def test_an_option_that_is_none_is_refused(asking: Asking, option: str) -> None:
    with pytest.raises(InvalidRequest, match=r"@pypi of the step: .* is not an option"):
        asking(said("pypi", packages={"x": ""}, extras=[option]))


def test_a_package_that_cannot_be_read_is_named_with_its_place(asking: Asking) -> None:
    with pytest.raises(InvalidRequest, match="@pypi of the step: `packages`: `x`"):
        asking(said("pypi", packages={"x": "=>1"}))


def test_steps_that_ask_for_the_same_ask_with_equal_requests(asking: Asking) -> None:
    one = asking(said("conda", packages={"a": "1"}))
    other = asking(said("conda", "flow", packages={"a": "1"}))
    assert one.request == other.request


@pytest.mark.parametrize(
    "stated",
    [
        said("conda", libraries={"six": "", "python": "3.12"}),
        said("conda", packages={"six": "", "python": "3.12"}),
        said("conda", packages={"six": "", "python": "=3.12"}),
        said("pypi", packages={"six": "", "python": "3.12"}),
        said("pypi", packages={"six": ""}, conda_only={"python": "3.12"}),
        said("conda", level="flow", libraries={"six": "", "python": "3.12"}),
    ],
)
def test_python_among_the_packages_is_a_statement_of_its_version(
    asking: Asking, stated: Statement
) -> None:
    spec = asking.spec(stated).spec
    assert spec.python == "==3.12.*"
    assert not any("python" in text for texts in spec.requirements.values() for text in texts)
    with pytest.raises(Contradiction, match=r"asks for Python `==3\.11\.\*`"):
        asking.spec(stated, said("conda", python="3.11"))
