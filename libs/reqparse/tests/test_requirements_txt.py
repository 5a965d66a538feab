from __future__ import annotations

import codecs
import os
import pickle
from typing import TYPE_CHECKING

import pytest

import reqparse
from reqparse import ParseErrors

from .helpers import texts

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Desk


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("numpy", "numpy"),
        ("NumPy == 1.26", "numpy==1.26"),
        ("Foo.Bar_baz>=1,<2", "foo-bar-baz<2,>=1"),
        ("foo [B, a] ~= 1.4 ; python_version<'3.9'", 'foo[a,b]~=1.4; python_version < "3.9"'),
        ("foo===1.0-weird", "foo===1.0-weird"),
        ("foo (>=1.0)", "foo>=1.0"),
        ("foo@https://h.org/foo.zip", "foo @ https://h.org/foo.zip"),
        (
            "foo[x] @ git+https://h.org/r@v1#subdirectory=a ; os_name=='nt'",
            'foo[x] @ git+https://h.org/r@v1#subdirectory=a ; os_name == "nt"',
        ),
        ("git+https://h.org/r.git@main#egg=Foo", "foo @ git+https://h.org/r.git@main"),
        ("git+https://h.org/r#egg=foo[x]&subdirectory=a", "foo[x] @ git+https://h.org/r#subdirectory=a"),
        ("git+https://h.org/r.git", "git+https://h.org/r.git"),
        ("git+ssh://git@h.org/r.git#egg=foo", "foo @ git+ssh://git@h.org/r.git"),
        ("bzr+lp:Foo#egg=Foo", "foo @ bzr+lp:Foo"),
        ("https://h.org/Foo_Bar-1.0-py3-none-any.whl", "foo-bar @ https://h.org/Foo_Bar-1.0-py3-none-any.whl"),
        ("https://h.org/foo-1.0.tar.gz", "foo @ https://h.org/foo-1.0.tar.gz"),
        ("https://h.org/r/archive/foo-1.0.tar.gz", "https://h.org/r/archive/foo-1.0.tar.gz"),
        ("https://h.org/tarball/master", "https://h.org/tarball/master"),
    ],
)  # fmt: skip
def test_a_requirement_is_spelled_canonically(desk: Desk, line: str, text: str) -> None:
    assert texts(desk.read(line)) == [text]
    assert texts(desk.read(text)) == [text]


def test_local_paths_start_at_the_file_that_names_them(desk: Desk) -> None:
    desk.put("sub/more.txt", "./pkg[x]\n-e ../other\n")
    found = desk.read("-r sub/more.txt\nfoo-2.0.zip\nbar @ ./bar ; os_name == 'a'\n").requirements
    assert [r.path for r in found] == [
        str(desk.root / p) for p in ("sub/pkg", "other", "foo-2.0.zip", "bar")
    ]
    assert [r.name for r in found] == [None, None, "foo", "bar"]
    assert [r.editable for r in found] == [False, True, False, False]
    assert found[2].specifier == "==2.0"
    assert found[0].extras == ("x",)


def test_every_requirement_knows_its_file_and_line(desk: Desk) -> None:
    desk.put("b.txt", "\n\nbeta\n")
    found = desk.read("# head\nalpha \\\n  >= 1\n-r b.txt\ngamma # why\n").requirements
    assert [str(r.origin).replace(f"{desk.root}/", "") for r in found] == [
        "requirements.txt:2",
        "b.txt:3",
        "requirements.txt:5",
    ]
    assert found[2].original == "gamma"


def test_global_options_are_collected_in_order(desk: Desk) -> None:
    found = desk.read(
        """\
        --extra-index-url https://a.org/simple
        --extra-index-url=https://b.org/simple
        -f ./links
        --find-links=https://c.org/list.html
        -i https://d.org/simple
        --pre
        --prefer-binary
        --no-index
        --require-hashes
        --trusted-host a.org --trusted-host=b.org:8080
        --use-feature fast-deps
        --no-binary :all:
        --only-binary Foo_x,bar
        """
    )
    assert [(s.kind, s.url) for s in found.sources] == [
        ("extra-index", "https://a.org/simple"),
        ("extra-index", "https://b.org/simple"),
        ("find-links", f"file://{desk.root}/links"),
        ("find-links", "https://c.org/list.html"),
        ("index", "https://d.org/simple"),
    ]
    assert found.sources[2].path == str(desk.root / "links")
    assert found.prereleases
    assert found.prefer_binary
    assert found.no_index
    assert found.require_hashes
    assert found.trusted_hosts == ("a.org", "b.org:8080")
    assert found.features == ("fast-deps",)
    assert found.no_binary == (":all:",)
    assert found.only_binary == ("foo-x", "bar")


def test_naming_a_package_for_one_format_takes_it_from_the_other(desk: Desk) -> None:
    found = desk.read("--only-binary a,b\n--no-binary b,c\n--no-binary :none:\n--no-binary d\n")
    assert (found.only_binary, found.no_binary) == (("a",), ("d",))


def test_a_second_index_replaces_the_first_and_is_noted(desk: Desk) -> None:
    found = desk.read("-i https://a.org/s\n-i https://b.org/s\n")
    assert [s.url for s in found.sources] == ["https://b.org/s"]
    assert "https://a.org/s" in found.notes[0].text
    assert found.notes[0].origin.line == 1


def test_options_of_a_requirement_stay_with_it(desk: Desk) -> None:
    line = (
        "foo==1 --hash=sha256:ABCD \\\n  --hash md5:00 -C a=b --config-settings=c=d=e \\\n"
        "  --global-option='--no user' # why\n"
    )
    (found,) = desk.read(line).requirements
    assert found.hashes == ("sha256:abcd", "md5:00")
    assert found.config_settings == (("a", "b"), ("c", "d=e"))
    assert found.global_options == ("--no user",)


def test_hashes_in_a_url_count_as_hashes(desk: Desk) -> None:
    (found,) = desk.read("https://h.org/a-1.zip#sha256=AB&egg=a --hash=sha256:ab").requirements
    assert found.hashes == ("sha256:ab",)


def test_a_comment_after_a_continuation_ends_the_line(desk: Desk) -> None:
    found = desk.read("foo==1 \\\n    --hash=sha256:ab \\\n    # via bar\nbar\n")
    assert texts(found) == ["foo==1", "bar"]


def test_the_extensions_for_conda(desk: Desk) -> None:
    found = desk.read(
        "--conda-pkg ffmpeg >= 4\n--conda-pkg conda-forge::gdal\n--conda-channel conda-forge\n"
        "--sys-pkg __cuda=12.4\n"
    )
    assert [(r.category, r.text) for r in found.requirements] == [
        ("npconda", "ffmpeg >=4"),
        ("npconda", "conda-forge::gdal"),
        ("sys", "__cuda=12.4"),
    ]
    assert [(s.kind, s.url) for s in found.sources] == [("channel", "conda-forge")]


def test_a_python_line_states_the_version_of_python(desk: Desk) -> None:
    found = desk.read("Python>=3.9,<3.12\npython-dateutil\n")
    assert [p.specifier for p in found.python] == ["<3.12,>=3.9"]
    assert texts(found) == ["python-dateutil"]


def test_environment_variables_expand_as_in_pip(desk: Desk) -> None:
    found = desk.read(
        "--extra-index-url https://${USER_1}:${PASS}@h.org/${lower}/$PASS\n-f ${UNSET}/x\n",
        env={"USER_1": "u", "PASS": "p"},
    )
    assert found.sources[0].secret_url == "https://u:p@h.org/${lower}/$PASS"
    assert found.sources[0].url == "https://h.org/${lower}/$PASS"
    assert "UNSET" in found.notes[0].text


def test_credentials_show_nowhere_unless_asked_for(desk: Desk) -> None:
    found = desk.read(
        "-i https://me:hunter2@h.org/simple\n"
        "foo @ git+https://hunter2@h.org/r\n"
        "bar @ https://h.org/t/hunter2/x/bar-1.zip\n"
    )
    assert "hunter2" not in repr(found)
    assert "hunter2" not in "".join(r.original + r.text for r in found.requirements)
    assert found.requirements[0].secret_url == "git+https://hunter2@h.org/r"
    problems = desk.problems(
        "foo bar @ https://me:hunter2@h.org\n-r https://hunter2@h.org/x.txt\n${TOKEN} !\n",
        env={"TOKEN": "hunter2"},
    )
    assert len(problems) == 3
    assert "hunter2" not in "".join(problems)


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"# coding: latin-1\n", "latin-1"),
        (b"#!/bin/x\n# -*- coding=iso-8859-15 -*-\n", "iso-8859-15"),
        (b"", "utf-8"),
    ],
)
def test_encodings(desk: Desk, bom: bytes, encoding: str) -> None:
    assert texts(desk.read(bom + "foo # é\r\nbar\rbaz\n".encode(encoding))) == ["foo", "bar", "baz"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"foo # \xe9\n", "not utf-8"),
        (b"# coding: nonsense\nfoo", "unknown encoding `nonsense`"),
        (b"# coding: rot13\nfoo", "unknown encoding `rot13`"),
        (b"# coding: punycode\nfoo", "unknown encoding `punycode`"),
        (codecs.BOM_UTF16_LE + b"f", "not utf-16-le"),
    ],
)
def test_a_wrong_encoding_is_named(desk: Desk, data: bytes, what: str) -> None:
    (problem,) = desk.problems(data)
    assert what in problem


def test_a_single_problem_has_its_hint_beside_it(desk: Desk) -> None:
    path = desk.put("one.txt", "foo=1\n")
    with pytest.raises(ParseErrors) as caught:
        reqparse.parse_file(path)
    assert caught.value.hint == "PyPI requirements compare with `==`"
    assert caught.value.hint not in str(caught.value)
    with pytest.raises(ParseErrors) as caught:
        reqparse.parse_file(desk.put("two.txt", "foo=1\nbar=1\n"))
    assert caught.value.hint is None
    assert str(caught.value).count("; PyPI requirements compare with `==`") == 2


def test_a_file_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(ParseErrors) as caught:
        reqparse.parse_file(tmp_path / "none.txt")
    assert str(caught.value).endswith("none.txt: no such file")


def test_a_file_on_another_machine_is_refused(desk: Desk) -> None:
    (problem,) = desk.problems("file://host/dist/app-1.0-py3-none-any.whl\n")
    assert "`file://host/` is on another machine; `file:///` begins a local path" in problem


def test_all_problems_of_all_files_are_raised_at_once(desk: Desk) -> None:
    desk.put("b.txt", "=1\nfine\n--nope\n")
    problems = desk.problems("foo=1\n-r b.txt\n-r absent.txt\nbar --pre\n--hash=sha256:aa\n")
    assert problems == [
        (
            "requirements.txt:1: `foo=1` is not a requirement: `=1` is not a version specifier;"
            " PyPI requirements compare with `==`"
        ),
        "b.txt:1: `=1` is not a requirement: it does not start with the name of a package",
        "b.txt:3: no such option: --nope",
        "requirements.txt:3: no such file `absent.txt`",
        "requirements.txt:4: `--pre` on the line of a requirement; put it on a line of its own",
        (
            "requirements.txt:5: `--hash` without a requirement; put it behind the requirement, or end"
            " the line before with a backslash"
        ),
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("--pre foo", "`foo` after an option"),
        ("--index-url", "requires 1 argument"),
        ("foo --hash=sha256:xyz", "not ALGORITHM:HEX"),
        ("foo --hash='sha256:ab", "no closing quotation"),
        ("foo -C a", "has no value"),
        ("foo -e bar", "`-e` after a requirement"),
        ("foo; python_versio < '3'", "python_versio"),
        ("./foo ; nonsense", "not a marker"),
        ("./foo ;", "not a marker"),
        ("a; " + "(" * 3000, "nested"),
        ("novcs+http://h.org#egg=a", "unknown scheme `novcs+http`"),
        ("--sys-pkg glibc=2", "two underscores"),
        ("--sys-pkg __glibc", "exact version"),
        ("--conda-pkg", "requires 1 argument"),
        ("--no-binary :some:", "not a package"),
        ("-r https://h.org/x.txt", "nothing to fetch it with"),
        ("-r /dev/zero", "not a regular file"),
        ("-r a.txt -c b.txt", "more than one file"),
        ("foo-1.whl", "not the name of a wheel"),
        ("conda-forge::foo", "write `--conda-pkg CHANNEL::NAME`"),
        ("foo>=1 <2", "separate version clauses with commas"),
        ("foo bar", "one requirement per line"),
        ("foo @#egg=a", "a URL or path is missing"),
        ("-r .", "not a regular file"),
        ("--conda-pkg a[b]", "is not `[key=value]`"),
        ("--conda-pkg a )1(", "not a conda version"),
        ("--conda-pkg a 1 b-c", "not a conda build string"),
        ("git+https://h.org/r#egg=-", "not a name"),
        ("git+https://h.org/r#egg=b&subdirectory=a b", "1: `subdirectory=a b` has a space"),
        ("b @ git+https://h.org/r#subdirectory=a b", "1: `subdirectory=a b` has a space"),
        ("b @ git+https://h.org/r#subdirectory=a b ; os_name=='nt'", "`subdirectory=a b` has"),
        ("git+file:///r@a b#egg=b", "1: `git+file:///r@a b` has a space, and a URL has none"),
        ("https://h.org/a b-1.0.tar.gz", "1: `https://h.org/a b-1.0.tar.gz` has a space"),
        ("git+https://h.org/r#hunter2 a", "what stands behind `#` has a space"),
        ("git+https://h.org/r@v1#egg=foo==1.0", "`#egg=foo==1.0` is more than a name"),
        ("https://h.org/r.zip#egg=foo[x]>=1", "more than a name"),
        ("foo>=1.0,,<2", "`>=1.0,,<2` is not a version specifier"),
        ("foo (>=1.0, ,<2)", "is not a version specifier"),
        ("foo; python_version === '3.11'", "`===` in the marker"),
        ("./foo ; python_version === '3.11'", "`===` in the marker"),
        ("foo @ https://h.org/a.zip;python_version>'3'", "put a space before the `;`"),
        ("foo @ https://h.org/a.zip;python_version > '3'", "no space before the `;`"),
        ("foo @ ./a;python_version>'3'", "put a space before the `;`"),
        ("https://h.org/a.zip;os_name=='x'", "put a space before the `;`"),
        ("--conda-channel --override-channels", "is not a channel"),
        ("git@host:a/b.git", "by ssh; write `git+ssh://git@host/a/b.git`"),
        ("git@host:a/b.git@v1", "write `git+ssh://git@host/a/b.git@v1`"),
        ("git+git@host:a/b.git", "write `git+ssh://git@host/a/b.git`"),
        ("-e git+git@host:a/b.git#egg=b", "write `git+ssh://git@host/a/b.git`"),
        ("-e git@host:a/b.git", "write `git+ssh://git@host/a/b.git`"),
        ("-e git+git@host/a/b.git", "write `git+ssh://git@host/a/b.git`"),
        ("b @ git@host:a/b.git", "write `git+ssh://git@host/a/b.git`"),
        ("git+ssh://git@host:a/b.git", "write `git+ssh://git@host/a/b.git`"),
        ("git+/srv/b", "a repository, and has no URL"),
        ("git+../b", "a repository, and has no URL"),
        ("https://host:x/a.zip", "no number for its port"),
        ("https://h.org/a/b.git", "a repository; write `git+https://h.org/a/b.git`"),
        ("https://github.com/a/b", "a repository; write `git+https://github.com/a/b`"),
        ("git+https://h.org/a/b.git@#egg=b", "no revision behind its `@`"),
        ("a @ git+https://h.org/a.git#egg=b", "`a` and `#egg=b` are two names"),
        ("numpy @ https:///", "has no host"),
        ("numpy @ https://", "has no host"),
        ("numpy @ git+https:///a/b", "has no host"),
        ("https:///a.zip", "has no host"),
        ("numpy @ file:///", "names no file"),
        ("numpy@1.0", "a version stands behind `==`"),
        ("numpy @ latest", "neither a URL nor a path"),
        ("-e https://host/", "an archive of another machine"),
        ("-e https://host/a.zip", "only a directory or a repository is editable"),
        ("-e a==1.0", "a requirement by name"),
        ("-e ./a.whl", "an archive"),
        ("-e black[,a]", "`[,a]` of `black[,a]` are no extras"),
        ("-e ./black[a,]", "no extras"),
        ("./black[,]", "no extras"),
        ("./black[a b]", "no extras"),
        ("black[,a]", "what stands between `[` and `]` are no extras"),
        ("--index-url=", "`--index-url` has no value"),
        ("--only-binary=", "`--only-binary` has no value"),
        ("pip install numpy", "a command"),
        ("import numpy", "Python"),
        ("numpy, scipy", "one requirement per line"),
        ("* numpy", "the item of a list"),
        ("'numpy'", "leave out the quotes"),
        ("numpy;", "leave out the semicolon"),
        ("numpy=1.0=py36_0", "what `conda list --export` writes"),
        ("numpy = {version = '1'}", "TOML, or a conda package"),
        ("numpy: 1", "YAML"),
        ("numpy^1", "poetry"),
        ("numpy=>1", "`>=`"),
        ("numpy==latest", "leave out the version"),
        ("numpy#why", "a comment starts with a space"),
        ("<<<<<<< HEAD", "a merge"),
    ],
)
def test_what_is_wrong_is_said(desk: Desk, line: str, what: str) -> None:
    (problem,) = desk.problems(line)
    assert problem.startswith("requirements.txt:1: ")
    assert what in problem
    assert "\n" not in problem


def test_a_path_is_one_that_can_be(tmp_path: Path) -> None:
    with pytest.raises(ParseErrors, match="cannot be a path"):
        reqparse.parse_requirement("./a\0b")


@pytest.mark.parametrize(
    "line",
    [
        "https://h.org",  # whatever it gives
        "git+https://h.org/a",
        "git+ssh://git@h.org:2222/a/b.git",
        "git+file:///srv/b",
        "https://github.com/a/b/archive/main.zip",
        "https://h.org/download?file=a",
        "a @ ./b",
        "a @ b.whl/../c",
        "a@https://h.org/x",
        "-e b",
        "-e ./b[x,y]",
        "./b[]",
    ],
)
def test_a_reference_that_may_lead_somewhere_is_taken(desk: Desk, line: str) -> None:
    assert len(desk.read(line).requirements) == 1


def test_a_message_is_one_short_line_without_control_characters(desk: Desk) -> None:
    (problem,) = desk.problems("foo\x1b[31m\tbar" + "x" * 5000)
    assert problem.isprintable()
    assert "foo\\x1b[31m\\tbar" in problem
    assert len(problem) < 800


def test_a_file_that_is_too_large_is_not_read(desk: Desk) -> None:
    path = desk.put("big.txt", "")
    os.truncate(path, 65 * 1024 * 1024)
    (problem,) = desk.problems("-r big.txt")
    assert "is larger than 64 MiB" in problem
    path.unlink()


def test_options_that_only_pip_knows_are_noted(desk: Desk) -> None:
    found = desk.read("--all-releases foo\nfoo --install-option=--x\n")
    assert [n.text.split("`")[1] for n in found.notes] == [
        "--all-releases foo",
        "--install-option=--x",
    ]


def test_what_is_relative_to_a_url_is_a_url(desk: Desk) -> None:
    files = {"https://h.org/a/r.txt": b"-f links/\n--extra-index-url ../simple\n"}
    found = desk.read("-r https://h.org/a/r.txt\n", fetch=files.__getitem__)
    assert [(s.url, s.path) for s in found.sources] == [
        ("https://h.org/a/links/", None),
        ("https://h.org/simple", None),
    ]


def test_an_include_cycle_is_named(desk: Desk) -> None:
    desk.put("a.txt", "-r sub/b.txt\n")
    desk.put("sub/b.txt", "-c ../a.txt\n")
    (problem,) = desk.problems("-r a.txt\n")
    root = f"{desk.root}/"
    assert problem == (
        "sub/b.txt:1: the file includes itself: a.txt -> sub/b.txt -> a.txt;"
        " remove one of the includes"
    ).replace(root, "")


def test_a_file_included_twice_is_read_once(desk: Desk) -> None:
    desk.put("b.txt", "beta\n")
    found = desk.read("-r b.txt\n-r b.txt\n-c b.txt\n")
    assert texts(found) == ["beta"]
    assert [c.text for c in found.constraints] == ["beta"]
    assert len(found.notes) == 1


def test_constraints_are_kept_apart_through_every_include(desk: Desk) -> None:
    desk.put("c.txt", "a<2\n-r d.txt\n")
    desk.put("d.txt", "b<3\n")
    found = desk.read("a\n-c c.txt\n")
    assert texts(found) == ["a"]
    assert [c.text for c in found.constraints] == ["a<2", "b<3"]


@pytest.mark.parametrize("line", ["a[x]<2", "-e ./a", "git+https://h.org/r"])
def test_what_cannot_be_a_constraint_is_refused(desk: Desk, line: str) -> None:
    desk.put("c.txt", line)
    (problem,) = desk.problems("-c c.txt\n")
    assert "move it to a requirements file" in problem


def test_a_fetcher_reads_urls_and_what_is_relative_to_them(desk: Desk) -> None:
    files = {
        "https://h.org/reqs/a.txt": b"alpha\n-r more/b.txt\n-c /c.txt\n",
        "https://h.org/reqs/more/b.txt": b"./pkg-1.0.zip\n",
        "https://h.org/c.txt": b"alpha<2\n",
    }
    found = desk.read("-r https://h.org/reqs/a.txt\n", fetch=files.__getitem__)
    assert texts(found) == ["alpha", "pkg @ https://h.org/reqs/more/pkg-1.0.zip"]
    assert [c.text for c in found.constraints] == ["alpha<2"]


def test_a_failing_fetch_is_a_problem_without_the_password(desk: Desk) -> None:
    def fail(url: str) -> bytes:
        raise OSError(f"no route to {url}")

    with pytest.raises(ParseErrors) as caught:
        desk.read("-r https://u:hunter2@h.org/a.txt\n", fetch=fail)
    assert "no route to https://***@h.org/a.txt" in str(caught.value)


@pytest.mark.slow
def test_deep_includes_do_not_exhaust_the_stack(desk: Desk) -> None:
    for n in range(1500):
        desk.put(f"{n}.txt", f"p{n}\n-r {n + 1}.txt\n")
    desk.put("1500.txt", "last\n")
    assert len(desk.read("-r 0.txt\n").requirements) == 1501


def test_empty_files_say_nothing(desk: Desk) -> None:
    assert desk.read("") == desk.read("# only a comment\n\n") == reqparse.RequirementSet()


def test_reading_from_a_pipe_that_the_caller_named(desk: Desk) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"foo\n")
    os.close(writer)
    assert texts(reqparse.parse_file(f"/dev/fd/{reader}", kind="requirements.txt")) == ["foo"]
    os.close(reader)


def test_errors_pickle_and_have_one_root(desk: Desk) -> None:
    with pytest.raises(reqparse.ReqparseError) as caught:
        desk.read("foo=1")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    with pytest.raises(reqparse.UnknownKind, match=r"unknown kind of requirement file `x`"):
        reqparse.parse_file("a", kind="x")


def test_one_requirement_as_from_a_command_line() -> None:
    assert reqparse.parse_requirement("Foo>=1").text == "foo>=1"
    assert reqparse.parse_requirement("foo=1.2", category="npconda").text == "foo 1.2.*"
    assert reqparse.parse_requirement("__glibc=2.28", category="sys").category == "sys"
    assert reqparse.parse_requirement("./x").path == os.path.abspath("x")  # noqa: PTH100 - not resolved
    with pytest.raises(ParseErrors, match="<command line>: `foo=1` is not"):
        reqparse.parse_requirement("foo=1")


def test_links_below_the_home_directory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(desk.root / "home"))
    (source,) = desk.read("--find-links ~/wheels").sources
    assert source.path == f"{desk.root}/home/wheels"
    desk.put("~/wheels/x.txt", "")
    (source,) = desk.read("-f ~/wheels").sources
    assert source.path == f"{desk.root}/~/wheels"


def test_a_semicolon_may_be_part_of_an_address(desk: Desk) -> None:
    found = desk.read("foo @ https://h.org/get;v=1/foo.zip\nfoo; os_name != '==='")
    assert texts(found)[0] == "foo @ https://h.org/get;v=1/foo.zip"
    assert found.requirements[1].marker == 'os_name != "==="'
