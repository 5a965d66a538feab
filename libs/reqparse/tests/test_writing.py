from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reqparse
from reqparse.writing import to_constraints_txt, to_environment_yml, to_requirements_txt

if TYPE_CHECKING:
    from .helpers import Desk

LINES = [
    "numpy",
    "Foo_Bar[b,a]>=1,<2 ; python_version < '3.9' or os_name == 'nt'",
    "foo===1.0-weird",
    "foo @ https://h.org/foo.zip ; os_name == 'nt'",
    "git+https://h.org/r@main#egg=Foo[x]&subdirectory=s",
    "git+https://h.org/r",
    "git+https://h.org/r#egg=foo",
    "https://h.org/foo-1.0-py3-none-any.whl#sha256=ab",
    "https://h.org/foo-1.0.tar.gz ; os_name == 'a'",
    "./a dir-1.0.zip",
    "./pkg[x,y]",
    "-e ./pkg[x] ; os_name == 'a'",
    "-e git+ssh://git@h.org/r.git@v1#egg=foo[x]",
    "-e ./named#egg=Name",
    "foo==1 --hash=sha256:ab --hash=md5:cd -C 'a=b c' --global-option='--x y'",
    "python>=3.9 ; os_name == 'a'",
    "--conda-pkg conda-forge::gdal >=3,<4 py3*",
    "--sys-pkg __glibc=2.28",
    "-i https://h.org/s",
    "--extra-index-url https://x.org/s",
    "-f ./links",
    "--find-links https://h.org/l.html",
    "--conda-channel conda-forge",
    "--pre",
    "--no-index",
    "--prefer-binary",
    "--require-hashes",
    "--no-binary foo,bar",
    "--only-binary :all:",
    "--trusted-host h.org:80",
    "--use-feature fast",
]
ENTRIES = [
    "python=3.10",
    "numpy>=1,<2",
    "conda-forge::scipy[build=py3*]  # [linux]",
    "https://h.org/c/noarch/a-1-0.conda",
    "zlib=1.2=h1_0  # [osx and not arm64]",
    "vs  # [win]",
    "a[license=MIT, version='1.*']",
    '"__cuda>=12"',
    "sys: [__glibc=2.28]",
]


@given(lines=st.lists(st.sampled_from(LINES), unique=True))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_requirements_read_again_are_equal(desk: Desk, lines: list[str]) -> None:
    found = desk.read("\n".join(lines))
    assert desk.read(to_requirements_txt(found), "other/again.txt") == found


@pytest.mark.slow
@given(
    lines=st.lists(st.sampled_from(LINES), unique=True),
    entries=st.lists(st.sampled_from(ENTRIES), unique=True),
    head=st.sampled_from(
        ["", "name: x\nchannels: [a, nodefaults, b]\n", "platforms: [linux-64]\ncategory: dev\n"]
    ),
    tail=st.sampled_from(["", 'variables: {A: "1", "b c": yes}\n', "sys: [__cuda=12]\n"]),
    selector=st.sampled_from(["", "  # [linux64]", "  # [win]"]),
)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_environments_read_again_are_equal(
    desk: Desk, *, lines: list[str], entries: list[str], head: str, tail: str, selector: str
) -> None:
    pip = [f"    - {line!r}{selector}\n" for line in lines if "'" not in line]
    text = head + "dependencies:\n" + "".join(f"  - {e}\n" for e in entries)
    found = desk.read(text + ("  - pip:\n" if pip else "") + "".join(pip) + tail, "environment.yml")
    assert desk.read(to_environment_yml(found), "other/environment.yml") == found


def test_constraints_are_written_to_a_file_of_their_own(desk: Desk) -> None:
    desk.put("c.txt", "foo<2\nbar==1 --hash=sha256:ab\n")
    found = desk.read("foo\n-c c.txt\n")
    with pytest.raises(reqparse.NotExpressible, match="constraints, unless a file"):
        to_requirements_txt(found)
    desk.put("o/my c.txt", to_constraints_txt(found))
    assert desk.read(to_requirements_txt(found, constraints_file="my c.txt"), "o/r.txt") == found
    text = to_environment_yml(found, constraints_file="my c.txt")
    assert desk.read(text, "o/environment.yml") == found


def test_options_of_pip_share_the_list_of_its_requirements(desk: Desk) -> None:
    """Of several lists conda takes the last alone."""
    text = "dependencies: [a, pip: [--index-url https://x.test/simple], python=3.11, pip: [b, c]]\n"
    found = desk.read(text, "environment.yml")
    written = to_environment_yml(found)
    assert written.count("pip:") == 1
    assert desk.read(written, "other/environment.yml") == found


def test_credentials_are_written_only_on_demand(desk: Desk) -> None:
    found = desk.read(
        "-i https://u:hunter2@h.org/s\nfoo @ git+https://hunter2@h.org/r\n"
        "-e git+https://hunter2@h.org/r#egg=bar\n"
    )
    assert "hunter2" not in to_requirements_txt(found) + to_environment_yml(found)
    again = desk.read(to_requirements_txt(found, secrets=True), "again.txt")
    assert [r.secret_url for r in again.requirements] == [r.secret_url for r in found.requirements]
    assert again.sources[0].secret_url == "https://u:hunter2@h.org/s"
    assert to_environment_yml(found, secrets=True).count("hunter2") == 3


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("dependencies: [a]", "environment.yml", "requirements.txt cannot say: all that `a` says"),
        ("dependencies: [pip: [a]]\nname: x\n", "environment.yml", "requirements.txt cannot say: name"),
        ("@EXPLICIT\nhttps://h.org/a-1-0.conda\n", "e.txt", "requirements.txt cannot say: packages"),
    ],
)  # fmt: skip
def test_what_a_format_cannot_say_is_refused(desk: Desk, text: str, name: str, reason: str) -> None:
    with pytest.raises(reqparse.NotExpressible) as caught:
        to_requirements_txt(desk.read(text, name))
    assert str(caught.value) == reason


def test_a_project_can_be_written_as_requirements(desk: Desk) -> None:
    found = desk.read(
        "[project]\ndependencies = ['a>=1', 'b @ https://h.org/b.zip']\nrequires-python = '>=3.9'\n",
        "pyproject.toml",
    )
    assert to_requirements_txt(found) == "python>=3.9\na>=1\nb @ https://h.org/b.zip\n"


DATA = Path(__file__).resolve().parents[4] / "shared/data"


@pytest.mark.shared
@pytest.mark.parametrize("folder", ["wild", "environment-yml", "env-specs"])
def test_what_other_projects_write_reads_again_equal(folder: str, tmp_path: Path) -> None:
    if not DATA.exists():
        pytest.skip("no ../shared/data")
    written = 0
    for path in sorted((DATA / folder).rglob("*.*")):
        form = "environment.yml" if path.suffix in (".yml", ".yaml") else "requirements.txt"
        try:
            found = reqparse.parse_file(path, env={})
        except reqparse.ReqparseError:
            continue
        if found.packages or path.suffix not in (".yml", ".yaml", ".txt"):
            continue
        (tmp_path / "c.txt").write_text(to_constraints_txt(found))
        write = to_environment_yml if form == "environment.yml" else to_requirements_txt
        again = tmp_path / form
        again.write_text(write(found, constraints_file="c.txt" if found.constraints else None))
        assert reqparse.parse_file(again, env={}) == found, path
        written += 1
    assert written > 15
    shutil.rmtree(tmp_path)
