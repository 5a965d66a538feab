from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reqparse import PLATFORMS, ParseErrors, parse_requirement
from reqparse._selectors import select

from .helpers import texts

if TYPE_CHECKING:
    from .helpers import Desk


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("numpy", "numpy"),
        ("NumPy", "numpy"),
        ("numpy=1.2", "numpy 1.2.*"),
        ("numpy 1.2.*", "numpy 1.2.*"),
        ("numpy=1.2*", "numpy 1.2.*"),
        ("numpy==1.2.*", "numpy 1.2.*"),
        ("numpy==1.2.*=py_0", "numpy ==1.2 py_0"),
        ("numpy>1.2.*", "numpy >=1.2"),
        ("numpy v0.1", "numpy ==v0.1"),
        ("numpy[subdir=noarch]", "numpy[subdir='noarch']"),
        ("numpy 1.2", "numpy ==1.2"),
        ("numpy==1.2", "numpy ==1.2"),
        ("numpy = 1.2", "numpy 1.2.*"),
        ("numpy>=1,<2", "numpy >=1,<2"),
        ("numpy   >=    1.5.0,  < 2.0.0", "numpy >=1.5.0,<2.0.0"),
        ("numpy >=1|0.9", "numpy >=1|==0.9"),
        ("numpy (>=1,<2)|3.*", "numpy (>=1,<2)|3.*"),
        ("numpy=1.2=py38_0", "numpy ==1.2 py38_0"),
        ("numpy =1.2=py38_0", "numpy ==1.2 py38_0"),
        ("numpy 1.2 py38*", "numpy ==1.2 py38*"),
        ("numpy=1.2.*=py38*", "numpy 1.2.* py38*"),
        ("tensorflow>=2.17.0=cuda12*", "tensorflow >=2.17.0 cuda12*"),
        ("python 3.9.* *_cpython", "python 3.9.* *_cpython"),
        ("conda-forge::numpy[build=py311*]", "conda-forge::numpy * py311*"),
        ("conda-forge/linux-64::numpy", "conda-forge/linux-64::numpy"),
        ("numpy[version='>=1,<2', channel=conda-forge]", "conda-forge::numpy >=1,<2"),
        (f"numpy[md5={'AB' * 16},version=1.2]", f"numpy ==1.2[md5='{'AB' * 16}']"),
        ("numpy[version='>= 1, < 2 | 3']", "numpy >=1,<2|==3"),
        ("numpy[extras=[b, 'a'],version=1.*]", "numpy 1.*[extras=[a,b]]"),
        ("numpy[flags=[cuda, blas:mkl]]", "numpy[flags=[blas:mkl,cuda]]"),
        ('numpy[when="python  >=3.10 and (__unix or a)"]', "numpy[when='python >=3.10 and (__unix or a)']"),
        ("numpy[license='a]b']", "numpy[license='a]b']"),
        ("numpy!=1.2.*", "numpy !=1.2.*"),
        ("numpy~=1.2", "numpy ~=1.2"),
        ("pandas=>=1.0.0", "pandas >=1.0.0"),
        ("pandas= <=1.0.0", "pandas <=1.0.0"),
        ("numpy >=1.2 =py3*", "numpy >=1.2 py3*"),
        ("conda-forge:r-base=4.3", "conda-forge::r-base 4.3.*"),
        ("conda-forge/linux-64:r-base", "conda-forge/linux-64::r-base"),
        ("https://h.org:8080/c:foo", "https://h.org:8080/c::foo"),
        ("a::foo[channel=a]", "a::foo"),
        ("foo[fn=foo-1.2-py_0.tar.bz2]", "foo ==1.2 py_0[fn='foo-1.2-py_0.tar.bz2']"),
        (
            f"foo[url=https://h.org/c/linux-64/foo-1-0.conda, md5={'AB' * 16}]",
            f"https://h.org/c/linux-64/foo-1-0.conda#{'ab' * 16}",
        ),
        (
            f"https://h.org/c/linux-64/foo-1-0.conda#sha256:{'ab' * 32}",
            f"https://h.org/c/linux-64/foo-1-0.conda#{'ab' * 32}",
        ),
        ("foo *", "foo"),
        ("foo=*=mkl", "foo * mkl"),
        ("foo 1!2.0", "foo ==1!2.0"),
        ("https://h.org/c/linux-64/foo-1.0-py_0.conda", "https://h.org/c/linux-64/foo-1.0-py_0.conda"),
        ("__glibc>=2.17", "__glibc >=2.17"),
    ],
)  # fmt: skip
def test_a_match_spec_is_spelled_canonically(spec: str, text: str) -> None:
    assert parse_requirement(spec, category="conda").text == text
    assert parse_requirement(text, category="conda").text == text


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("numpy>", "not a conda version"),
        ("numpy==", "`==` has no version; write for example `==1.2`"),
        ("numpy ==", "`==` has no version"),
        ("numpy >=1 <2 3", "commas"),
        ("num py 1 2", "is not a conda"),
        ("::numpy", "no channel"),
        ("numpy[foo=1]", "unknown key `foo`"),
        ("numpy[version", "brackets"),
        ("numpy[version='1 2']", "white space inside the version `1 2`"),
        ("numpy[version='1.2\t3,<4']", "white space inside the version"),
        ("numpy[version='>=1 <2']", "separate version clauses with commas"),
        ("numpy[extras=[a b]]", "`a b` in"),
        ("numpy[when='']", "an empty condition"),
        ("numpy[when='a or b c d e']", "`b c d e` is not a conda requirement"),
        ("numpy[when='c::a']", "names a channel"),
        ("numpy >=1,", "not a conda version"),
        ("numpy ((1)", "not a conda version"),
        ("numpy <*", "not a conda version"),
        ("numpy 1..2", "not a conda version"),
        ("numpy[md5=ab]", "not 32 hexadecimal digits"),
        ("numpy[build=a,build=b]", "twice"),
        ("*", "not a conda package name"),
        ("", "not a conda package name"),
        ("https://h.org/foo.conda", "not named like a conda package"),
        ("https://u:hunter2@h.org/c::foo", "holds credentials"),
        ("numpy=>1.20", "`=>` in `=>1.20` is no operator; did you mean `>=1.20`?"),
        ("numpy = >1.20", "did you mean `>=1.20`?"),
        ("numpy=<2", "did you mean `<=2`?"),
        ("numpy=!1.2", "did you mean `!=1.2`?"),
        ("numpy=~1.2", "did you mean `~=1.2`?"),
        ("numpy==>1.20", "`==>` in"),
        ("numpy==>=1.20", "did you mean `>=1.20`?"),
        ("numpy===1.2", "did you mean `==1.2`?"),
        ("numpy >=1,=>2", "did you mean `>=2`?"),
        ("numpy[version='=>1.2']", "did you mean `>=1.2`?"),
        ("numpy<>1.2", "`<>` in"),
        ("numpy!1.2", "did you mean `!=1.2`?"),
        ("numpy ^1.2", "poetry"),
        ("numpy 1.2 3 4", "commas"),
        ("-c conda-forge foo", "`-c` is not a conda package name; it seems to be an option"),
        ("--channel foo", "it seems to be an option"),
        ("foo[extra]", "extras are of PyPI"),
        ("foo; sys_platform == 'linux'", "a requirement of PyPI"),
        ("git+https://h.org/foo.git", "a requirement of PyPI"),
        ("https://h.org/foo-1-py3-none-any.whl", "a requirement of PyPI"),
        ("https://h.org/foo", "a URL"),
        ("foo-1.0-0.conda", "a file: write `./"),
        ("{{ foo }}", "a template"),
        ("foo=${FOO}", "a template"),
        ("foo: 1.2", "a mapping"),
        ("foo:1.2", "a mapping"),
        ("'foo>=1'", "leave out the quotes"),
        ("foo # [linux]", "`[linux]` in"),
        ("foo # why", "a comment"),
        ("a:b:foo", "`a:b` in `a:b:foo` is not a channel"),
        ("a::b::foo", "`a::b` in"),
        ("a::b:foo", "not a conda package name"),
        (":foo", "no channel before `:`"),
        ("a::foo[channel=b]", "its channel twice: `a`, and `b` in brackets"),
        ("foo 1.2[version=1.3]", "its version twice: `==1.2`, and `==1.3` in brackets"),
        ("foo=1.2=a[build=b]", "its build twice"),
        ("foo[build='^py.*$']", "write a pattern with `*`"),
        ("foo[build_number=x]", "`x` in `foo[build_number=x]` is not a build number"),
        ("foo[features=x]", "`features` in `foo[features=x]` cannot be asked for"),
        ("foo[namespace=x]", "`namespace` in"),
        ("foo[name=x]", "`name` in"),
        ("foo[optional=True]", "`optional` in"),
        ("foo[fn=bar-1-0.conda]", "a package of another name"),
        ("foo[fn=foo-1]", "not named like a conda package"),
        ("foo=2[fn=foo-1-0.conda]", "its version twice"),
        ("foo=2[url=https://h.org/c/linux-64/foo-1-0.conda]", "says more than its URL"),
        ("bar[url=https://h.org/c/linux-64/foo-1-0.conda]", "says more than its URL"),
        (
            "https://h.org/c/linux-64/foo-1-0.conda#md5",
            "what ends `https://h.org/c/linux-64/foo-1-0.conda`",
        ),
        ("https://h.org/c/linux-64/foo-1-0.conda#sha256:ab", "is not a hash"),
    ],
)
def test_a_wrong_match_spec_is_refused(spec: str, what: str) -> None:
    with pytest.raises(ParseErrors) as caught:
        parse_requirement(spec, category="conda")
    said = f"{caught.value}; {caught.value.hint}"
    assert what in said
    assert "hunter2" not in said


def test_parts_of_a_match_spec() -> None:
    found = parse_requirement("conda-forge::numpy=1.2=py38_0", category="conda")
    assert (found.channel, found.name, found.specifier, found.build) == (
        *("conda-forge", "numpy", "==1.2"),
        "py38_0",
    )
    found = parse_requirement(
        "https://u:p@h.org/t/x/c/foo-1.0-py_0.conda#md5=" + "AB" * 16, category="conda"
    )
    assert (found.name, found.specifier, found.build) == ("foo", "==1.0", "py_0")
    assert found.url == "https://h.org/c/foo-1.0-py_0.conda"
    assert found.hashes == ("md5:" + "ab" * 16,)


def test_the_whole_of_an_environment(desk: Desk) -> None:
    desk.put("more.txt", "beta==2\n--extra-index-url https://b.org/s\n")
    found = desk.read(
        """\
name: demo
channels:
  - conda-forge   # first
  - nodefaults
  - https://u:p@h.org/t/tok/private
dependencies:
  - python=3.10
  - &n "numpy>=1.2"
  - {pip: ["alpha[x]>=1", "-r more.txt"]}
  - scipy      # after the pip list
  - sys:
    - __cuda=12.4
sys: [__glibc=2.28]
platforms: [linux-64, osx-arm64, linux-64]
variables: {A: 1.10, B: true}
pip-repositories:
  - http://$USER_1:${PASS}@r.org/simple
pypi-indices: [https://i.org/simple]
""",
        "environment.yml",
        env={"USER_1": "me", "PASS": "hunter2"},
    )
    assert [(r.category, r.text, r.origin.line) for r in found.requirements] == [
        ("conda", "python 3.10.*", 7),
        ("conda", "numpy >=1.2", 8),
        ("pypi", "alpha[x]>=1", 9),
        ("pypi", "beta==2", 1),
        ("conda", "scipy", 10),
        ("sys", "__cuda=12.4", 12),
        ("sys", "__glibc=2.28", 13),
    ]
    assert [p.specifier for p in found.python] == ["==3.10.*"]
    assert found.name == "demo"
    assert found.no_defaults
    assert found.platforms == ("linux-64", "osx-arm64")
    assert found.variables == {"A": "1.10", "B": "true"}
    assert [(s.kind, s.url) for s in found.sources] == [
        ("channel", "conda-forge"),
        ("channel", "https://h.org/private"),
        ("extra-index", "https://b.org/s"),
        ("extra-index", "http://r.org/simple"),
        ("extra-index", "https://i.org/simple"),
    ]
    assert found.sources[3].secret_url == "http://me:hunter2@r.org/simple"
    assert "hunter2" not in repr(found)


def test_selectors_give_each_platform_its_own_set(desk: Desk) -> None:
    desk.put("r.txt", "beta\n")
    found = desk.read(
        """\
dependencies:
  - a   # [linux]
  - b   # [osx and not arm64]
  - c   # [win]
  - d   # [(linux64 or arm64) and unix]
  - e   # [see 1]
  - f   # a comment
  - "g"   # [not (osx or aarch64)]
  - pip:   # [linux]
    - alpha   # [aarch64]
    - -r r.txt
  - sel(osx): h
  - pip:
    - -r r.txt  # [osx64]
""",
        "environment.yml",
    )
    on = {p: [r.name for r in found.on(p)] for p in PLATFORMS}
    assert on == {
        "linux-64": ["a", "d", "e", "f", "g", "beta"],
        "linux-aarch64": ["a", "e", "f", "alpha", "beta"],
        "osx-64": ["b", "e", "f", "h", "beta"],
        "osx-arm64": ["d", "e", "f", "h"],
    }
    notes = [str(n.origin.line) + " " + n.text for n in found.notes]
    assert notes == [
        "4 its selector chooses no platform that is known here",
        "6 `# [see 1]` is not a platform selector",
    ]


def test_what_is_not_used_is_noted(desk: Desk) -> None:
    found = desk.read("prefix: /x\nfoo: [1]\ndependencies:\n", "environment.yaml")
    assert [(n.origin.line, n.text.split(":")[0]) for n in found.notes] == [
        (1, "`prefix` is not used"),
        (2, "`foo` is not used"),
    ]


def test_empty_items_are_noted(desk: Desk) -> None:
    found = desk.read("name:\ndependencies:\n  -\n  - a\n  - pip:\n    -\n", "environment.yml")
    assert texts(found) == ["a"]
    assert [(n.origin.line, n.text) for n in found.notes] == [
        (3, "an empty item"),
        (6, "an empty item"),
    ]


def test_a_category_names_the_group(desk: Desk) -> None:
    text = "category: {}\ndependencies: [a, {{pip: [b]}}]\n"
    groups = [
        [r.group for r in desk.read(text.format(c), "environment.yml").requirements]
        for c in ("dev", "main")
    ]
    assert groups == [["dev", "dev"], [None, None]]


def test_one_equals_sign_in_a_pip_list_is_read_and_noted(desk: Desk) -> None:
    listed = "foo = 1.0, 'bar[x]=2', baz = <= 3, 'qux=>=1,<2'"
    found = desk.read(f"dependencies: [pip: [{listed}]]", "environment.yml")
    assert texts(found) == ["foo==1.0", "bar[x]==2", "baz<=3", "qux<2,>=1"]
    assert len(found.notes) == 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2\n", "2: the key `a` is there twice; keep one of them"),
        ("- a\n", ("1: this is no environment.yml: it has no keys; what stands in lines by itself"
         " is a requirements.txt, and given with `-r`")),
        ("dependencies: a\n", "1: expected a list, found a text"),
        ("dependencies:\n  - [a]\n", "2: expected a text, found a list"),
        ("dependencies:\n  - npm: [a]\n", "2: `npm:` among the dependencies; only `pip:` and `sys:`"),
        ("name: [a\n", "2: not YAML: "),
        ("name: !!python/name:os.system\n", ("1: the tag `tag:yaml.org,2002:python/name:os.system`"
         " is not allowed; use plain values")),
        ("name: *a\n", "1: `*a` stands for nothing that is complete"),
        ("name: &a [*a]\n", "1: `*a` stands for nothing that is complete"),
        ("a: 1\n---\nb: 1\n", "2: a second document in the file; keep one"),
        ("[a]: 1\n", "1: a key must be a text"),
        ("name: " + "[" * 200, "1: nested deeper than 100 levels"),
    ],
)  # fmt: skip
def test_problems_of_the_document_have_a_line(desk: Desk, text: str, problem: str) -> None:
    (said,) = desk.problems(text, "environment.yml")
    # What the library for YAML says of it is in the words of its release.
    whole = not problem.endswith("YAML: ")
    assert (
        said == f"environment.yml:{problem}"
        if whole
        else said.startswith(f"environment.yml:{problem}")
    )


def test_all_problems_of_an_environment_are_raised_at_once(desk: Desk) -> None:
    text = "dependencies:\n- a>\n- b\n- pip:\n  - c=1=2\n  - -r no.txt\nsys: [glibc]\nname: [x]\n"
    lines = [p.split(":")[1] for p in desk.problems(text, "environment.yml")]
    assert lines == ["8", "2", "5", "6", "7"]


def test_aliases_that_nest_are_refused_where_brackets_are(desk: Desk) -> None:
    def chain(count: int) -> str:
        links = (f"- &a{i} {{'sel(linux)': *a{i - 1}}}\n" for i in range(1, count))
        return f"dependencies:\n- &a0 {{'sel(linux)': numpy}}\n{''.join(links)}"

    assert len(desk.read(chain(40), "environment.yml").requirements) == 40
    (problem,) = desk.problems(chain(900), "environment.yml")
    assert "nested deeper than 100 levels" in problem


def test_aliases_that_multiply_are_refused_quickly(desk: Desk) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (problem,) = desk.problems("\n".join(rows), "environment.yml")
    assert "aliases expanded" in problem


def test_paths_to_conda_packages_start_at_the_file(desk: Desk) -> None:
    found = desk.read(
        "dependencies: [pkgs/a-1-0.conda, 'file:///b-2-1.tar.bz2']", "environment.yml"
    )
    assert [(r.name, r.path) for r in found.requirements] == [
        ("a", str(desk.root / "pkgs/a-1-0.conda")),
        ("b", "/b-2-1.tar.bz2"),
    ]


def test_a_python_that_pep_440_cannot_say_is_only_a_requirement(desk: Desk) -> None:
    found = desk.read("dependencies: ['python 3.9.*|3.11.*']", "environment.yml")
    assert texts(found) == ["python 3.9.*|3.11.*"]
    assert found.python == ()


def test_an_unset_variable_is_left_and_noted(desk: Desk) -> None:
    found = desk.read("channels: [https://h.org/$NAME/c]", "environment.yml")
    assert found.sources[0].url == "https://h.org/$NAME/c"
    assert "`NAME` is not set" in found.notes[0].text


@pytest.mark.parametrize("selector", ["linux or", "not", "(linux", "linux osx", "py3k", "a!b", ""])
def test_what_is_no_selector_is_no_selector(selector: str) -> None:
    assert select(selector) is None


def test_merge_keys_give_way_to_own_keys(desk: Desk) -> None:
    found = desk.read(
        "x: &x {name: base, platforms: [osx-64]}\n<<: *x\nname: own\n", "environment.yml"
    )
    assert (found.name, found.platforms) == ("own", ("osx-64",))
