"""Files of other projects, edited: nothing but what is asked for changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from mfenv.editing import arrays
from mfenv.editing.edits import Where, edit
from mfenv.errors import InvalidRequest
from reqparse import ParseErrors, UnknownKind, parse_file
from reqparse.files import kind_of

DATA = Path(__file__).resolve().parents[4] / "shared/data"
NEW = "mfenv-of-nobody"
KINDS = ("requirements.txt", "pyproject.toml", "environment.yml")


def no_url(url: str) -> bytes:
    raise OSError(f"{url} is not asked for")


def files() -> list[Any]:
    found = [
        pytest.param(path, id=str(path.relative_to(DATA)))
        for folder in (
            "requirements",
            "wild",
            "environment-yml",
            "resolved-projects",
            "public-locks",
        )
        for path in sorted((DATA / folder).rglob("*"))
        if path.suffix in (".txt", ".in", ".toml", ".yml", ".yaml") and path.is_file()
        if kind_of(path.name, path.read_bytes()) in KINDS
    ]
    return found or [pytest.param(DATA, marks=pytest.mark.skip(reason="no ../shared/data"))]


def refused(path: Path, name: str) -> str:
    """Remove a package; why not, if it cannot be."""
    try:
        edit(path, "remove", [name], Where(), no_url).write()
    except InvalidRequest as error:
        return str(error)
    return ""


@pytest.mark.shared
@pytest.mark.parametrize("original", files())
def test_what_is_added_can_be_removed_again(original: Path, tmp_path: Path) -> None:
    path = tmp_path / original.name
    shutil.copyfile(original, path)
    before = path.read_bytes()
    try:
        said = parse_file(path)
        added = edit(path, "add", [f"{NEW}>=1"], Where(), no_url)
    # That others parse or not is told by the tests of reqparse.
    except (ParseErrors, UnknownKind):
        return
    except InvalidRequest as error:
        why = str(error)
    else:
        why = ""
    if why:
        reasons = (
            "compiled",
            "no `[project]`",
            "goes on behind",
            "not asked for",
            "has hashes",
            "has no list",
            "is dynamic",
        )
        assert any(reason in why for reason in reasons), why
        return
    assert path.read_bytes() == before
    added.write()
    again = parse_file(path)
    here = str(path)
    texts = [one.text.replace(" ", "") for one in again.requirements if one.name == NEW]
    assert texts == [f"{NEW}>=1"]
    assert [one for one in again.requirements if one.name != NEW] == [*said.requirements]
    changed = edit(path, "add", [f"{NEW}<7"], Where(), no_url)
    assert [(one.before, one.after) for one in changed.edits] == [(f"{NEW}>=1", f"{NEW}<7")]
    changed.write()
    edit(path, "remove", [NEW.upper()], Where(), no_url).write()
    # The first requirement makes a list where there was none.
    if path.read_bytes() != before:
        assert "dependencies" not in before.decode()
        assert path.read_text().replace("dependencies = []\n", "", 1) == before.decode()
    path.write_bytes(before)
    category = "conda" if path.suffix in (".yml", ".yaml") else "pypi"
    names = [one.name for one in said.requirements if one.origin.file == here]
    for name in [one for one in names if one and names.count(one) == 1][:3]:
        if name == "python" or any(
            one.name == name and one.category != category for one in said.requirements
        ):
            continue
        if why := refused(path, name):
            assert category == "conda"
            assert "no other package has a line" in why or "no line of its own" in why
            continue
        assert name not in [one.name for one in parse_file(path).requirements]


@pytest.mark.parametrize(
    ("array", "added"),
    [
        ("[]", '["b"]'),
        ("[ ]", '["b" ]'),
        ("[\n]", '[\n    "b",\n]'),
        ("[\r\n]", '[\r\n    "b",\r\n]'),
        ('["a"]', '["a", "b"]'),
        ('["a",]', '["a", "b",]'),
        ('["a,]#"]', '["a,]#", "b"]'),
        ('[\n  "a"\n]', '[\n  "a",\n  "b"\n]'),
        ('[\n\t"a",\n]', '[\n\t"a",\n\t"b",\n]'),
        ('[\n  "a", # c, "d"]\n]', '[\n  "a", # c, "d"]\n  "b",\n]'),
        ('[\n  "a" # c\n]', '[\n  "a", # c\n  "b"\n]'),
        ('[\r\n  "a",\r\n]', '[\r\n  "a",\r\n  "b",\r\n]'),
        ('["a",\n "c"]', '["a",\n "c", "b"]'),
        ('[\n  {include-group = "a", x = ["y", 1]},\n]', None),
        ("['''a''']", "['''a''', \"b\"]"),
        ("[\n  'a',\n  # the end\n]", "[\n  'a',\n  \"b\",\n  # the end\n]"),
        ("[\n  'a'\n  # the end\n]", None),
        ("[\n  'a'\n  ,\n]", None),
    ],
)
def test_an_item_of_an_array(array: str, added: str | None) -> None:
    known = arrays.items(array)
    more = arrays.append(array, '"b"')
    assert more == (added or more)
    assert arrays.items(more) == [*known, '"b"']
    assert arrays.remove(more, len(known)) == array


@pytest.mark.parametrize(
    ("array", "index", "left"),
    [
        ('["a", "b", "c"]', 0, '["b", "c"]'),
        ('["a", "b", "c"]', 1, '["a", "c"]'),
        ('["a", "b", "c"]', 2, '["a", "b"]'),
        ('["a", "b",]', 1, '["a",]'),
        ('["a"]', 0, "[]"),
        ('[\n  "a", # x\n  "b",\n]', 0, '[\n  "b",\n]'),
        ('[\n  "a", # x\n  "b" # y\n]', 1, '[\n  "a" # x\n]'),
        ('[\n  "a", "b",\n  "c",\n]', 1, '[\n  "a",\n  "c",\n]'),
        ('["a",\n "b"]', 0, '[\n "b"]'),
        ('["a", # x\n  "b" ]', 1, '["a" # x\n]'),
        ('["a", # x\n  # y\n  "b", ]', 1, '["a", # x\n  # y\n]'),
        ('[\n  "a", # x\n  "b", "c", # y\n]', 1, '[\n  "a", # x\n  "c", # y\n]'),
    ],
)
def test_an_item_is_taken_out(array: str, index: int, left: str) -> None:
    rest = arrays.remove(array, index)
    known = arrays.items(array)
    assert arrays.items(rest) == known[:index] + known[index + 1 :]
    assert rest == left


@pytest.mark.parametrize(
    ("field", "where"),
    [("dependencies", Where()), ("optional-dependencies", Where(extra="test"))],
)
def test_a_field_that_a_build_backend_says_is_not_written(
    tmp_path: Path, field: str, where: Where
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(f'[project]\nname = "x"\nversion = "1"\ndynamic = ["{field}"]\n')
    with pytest.raises(InvalidRequest, match=f"`{field}` is dynamic"):
        edit(path, "add", ["six"], where, no_url)
    edit(path, "add", ["six"], Where(group="test"), no_url)


def test_a_tab_before_a_comment_is_white_space(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("dependencies:\n  - numpy\t# x\n  - scipy\n")
    if not yaml.__with_libyaml__:
        with pytest.raises(InvalidRequest, match="cannot be edited as YAML"):
            edit(path, "add", ["zlib"], Where(), no_url)
        return
    edit(path, "add", ["zlib"], Where(), no_url).write()
    edit(path, "remove", ["scipy"], Where(), no_url).write()
    assert path.read_text() == "dependencies:\n  - numpy\t# x\n  - zlib\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_stays_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("numpy\n")
    os.chown(path, 12345, 54321)
    path.chmod(0o2640)
    edit(path, "add", ["six"], Where(), no_url).write()
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (12345, 54321, 0o2640)


def test_a_login_is_written_and_not_said(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("numpy\n")
    package = "six @ https://joe:geheim@host/six-1-py3-none-any.whl?sig=geheim"
    made = edit(path, "add", [package], Where(), no_url)
    made.write()
    assert package in path.read_text()
    changed = edit(path, "add", [package.replace("six-1", "six-2")], Where(), no_url)
    removed = edit(path, "remove", ["six"], Where(), no_url)
    for one in (*made.edits, *changed.edits, *removed.edits):
        assert "geheim" not in f"{one} {one.to_dict()}"
        assert "https://***@host/six-" in str(one)


@pytest.mark.parametrize(
    ("name", "there", "typed", "told"),
    [
        ("requirements.txt", "rich[jupyter]>=13", "rich>=13.1", ("has extras", "them again: `rich[jupyter]`")),
        ("requirements.txt", "y @ git+https://h/y", "y", ("has a URL", "it again: `y @ git+https://h/y`")),
        ("requirements.txt", "y[a] @ ./y", "y>=2", ("has extras and a URL", "them again: `y[a] @ ./y`")),
        ("requirements.txt", "y[a] @ ./y", "y @ ./z", ("has extras", "them again: `y[a]`")),
        ("requirements.txt", "y @ https://me:geheim@h/y.zip", "y", ("`y @ https://***@h/y.zip` has a URL", "***@")),
        ("requirements.txt", "--conda-pkg a::p", "p>=2", ("has a channel", "it again: `a::p`")),
        ("pyproject.toml", "rich[jupyter]>=13", "rich", ("has extras", "`rich[jupyter]`")),
        ("pyproject.toml", f"y @ https://h/y.zip#sha256={'0' * 64}", "y @ https://h/z.zip", ("has a hash", "remove it first")),
        ("job.py", "rich[jupyter]>=13", "rich", ("has extras", "`rich[jupyter]`")),
        ("environment.yml", "a::p=2.1=*cuda*", "p>=2", ("has a channel and a build", "them again: `a::p=*=*cuda*`")),
        ("environment.yml", "a::p=2.1=*cuda*", "b::p>=2", ("has a build", "it again: `p=*=*cuda*`")),
        ("environment.yml", "a::p=2.1=*cuda*", "p 2.1 *cpu*", ("has a channel", "it again: `a::p`")),
        ("environment.yml", "https://h/noarch/p-1-0.conda", "p>=2", ("has a URL", "`https://h/noarch/p-1-0.conda`")),
        ("environment.yml", "p[build_number='>3']", "p>=2", ("has `build_number`", "it again: `p[build_number='>3']`")),
        ("environment.yml", f"p[md5={'0' * 32}]", "p>=2", ("has a hash", "remove it first")),
        ("pixi.toml", 'p = { version = "*", channel = "a" }', "p>=2", ("more than a version", "by hand")),
    ],
)  # fmt: skip
def test_what_is_not_typed_again_is_not_lost(
    tmp_path: Path, name: str, there: str, typed: str, told: tuple[str, str]
) -> None:
    path = tmp_path / name
    path.write_text(WITH[name].format(there))
    before = path.read_bytes()
    conda = True if there.startswith("--conda-pkg") else None
    with pytest.raises(InvalidRequest) as caught:
        edit(path, "add", [typed], Where(conda=conda), no_url)
    assert str(caught.value).startswith(f"{path}:")
    assert told[0] in str(caught.value)
    assert told[1] in str(caught.value.hint)
    assert "geheim" not in f"{caught.value}{caught.value.hint}"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "there", "typed"),
    [
        ("requirements.txt", "rich[jupyter]>=13", "rich[other]"),
        ("requirements.txt", "y @ git+https://h/y", "y @ git+https://h/y@v2"),
        ("requirements.txt", "y>=2", "y"),
        ("environment.yml", "a::p=2.1=*cuda*", "b::p=2=*cpu*"),
        ("environment.yml", "a::p=2.1=*cuda*", "https://h/noarch/p-1-0.conda"),
        ("environment.yml", "p 2.1 *", "p"),
        ("environment.yml", "p[build_number='>3']", "p[build_number='>4']"),
    ],
)
def test_what_is_typed_is_in_the_place_of_what_was_there(
    tmp_path: Path, name: str, there: str, typed: str
) -> None:
    path = tmp_path / name
    path.write_text(WITH[name].format(there))
    edit(path, "add", [typed], Where(), no_url).write()
    assert path.read_text() == WITH[name].format(typed)


WITH = {
    "requirements.txt": "{}\n",
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["{}"]\n',
    "environment.yml": "dependencies:\n  - {}\n",
    "pixi.toml": '[workspace]\nchannels = ["a"]\nplatforms = []\n[dependencies]\n{}\n',
    "job.py": '# /// script\n# dependencies = ["{}"]\n# ///\n',
}
PIXI = """\
# of the team
[workspace]
name = "x"
channels = [
  "conda-forge",
]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"
  numpy = '>=1.26'   # why

# behind
[pypi-dependencies]
"rich" = ">=13"
black = { version = ">=23", extras = ["d"] }

[target.linux-64.dependencies]
zlib = "*"
"""
SCRIPT = """\
#!/usr/bin/env python
# /// script
# requires-python = ">=3.9"
#
# dependencies = [
#   "rich",  # why
# \x20
# ]
# ///
print("# dependencies = []")
"""
INSIDE = (
    PIXI.replace("[w", "[tool.pixi.w").replace("[d", "[tool.pixi.d").replace("[py", "[tool.pixi.py")
)
EDITED = [
    ("pixi.toml", PIXI, Where()),
    ("pixi.toml", PIXI, Where(conda=False)),
    ("pixi.toml", PIXI.replace("\n", "\r\n"), Where()),
    ("pyproject.toml", INSIDE.replace("[target", "[tool.pixi.target"), Where(conda=True)),
    ("pyproject.toml", INSIDE.replace("[target", "[tool.pixi.target"), Where()),
    ("job.py", SCRIPT, Where()),
    ("job.py", SCRIPT.replace("\n", "\r\n"), Where()),
]


@pytest.mark.parametrize(("name", "text", "where"), EDITED)
def test_pixis_tables_and_scripts_stay_as_they_are(
    tmp_path: Path, name: str, text: str, where: Where
) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    before = [one.text for one in parse_file(path).requirements]
    edit(path, "add", [f"{NEW}>=1"], where, no_url).write()
    after = path.read_bytes().decode()
    assert len(after.splitlines()) == len(text.splitlines()) + 1
    assert after.count("\r\n") in (0, after.count("\n"))
    edit(path, "add", [f"{NEW}<7"], where, no_url).write()
    (there,) = [one for one in parse_file(path).requirements if one.name == NEW]
    assert there.text.replace(" ", "") == f"{NEW}<7"
    edit(path, "remove", [NEW], where, no_url).write()
    assert path.read_bytes() == text.encode()
    assert [one.text for one in parse_file(path).requirements] == before


def test_what_pixi_writes_is_written(tmp_path: Path) -> None:
    path = tmp_path / "pixi.toml"
    path.write_text(PIXI)
    edit(path, "add", ["numpy>=2,<3", "polars"], Where(), no_url).write()
    edit(path, "add", ["rich>=14", "httpx[http2,brotli]>=1"], Where(conda=False), no_url).write()
    edit(path, "remove", ["black"], Where(conda=False), no_url).write()
    text = PIXI.replace("'>=1.26'   # why\n", "'>=2,<3'   # why\n  polars = \"*\"\n")
    text = text.replace('">=13"', '">=14"').replace(
        'black = { version = ">=23", extras = ["d"] }',
        'httpx = { version = ">=1", extras = ["http2", "brotli"] }',
    )
    assert path.read_text() == text
    path.write_text(PIXI.partition("[dep")[0])
    edit(path, "add", ["numpy"], Where(), no_url).write()
    assert path.read_text().endswith('\n[dependencies]\nnumpy = "*"\n')


@pytest.mark.parametrize(
    ("name", "text", "package", "where", "said"),
    [
        ("pixi.toml", PIXI, "black>=24", Where(conda=False), "more than a version"),
        ("pixi.toml", PIXI, "rich", Where(), "is asked of PyPI"),
        ("pixi.toml", PIXI, "zlib>=1", Where(), "no line of its own"),
        ("pixi.toml", PIXI, "conda-forge::scipy", Where(), "more than a name and a version"),
        ("pixi.toml", PIXI, "x; python_version > '3'", Where(conda=False), "more than a name"),
        ("pixi.toml", PIXI, "x", Where(group="g"), "groups and extras are of"),
        ("pyproject.toml", "[project]\nname = 'x'\n", "x", Where(conda=True), "`[tool.pixi]`"),
        ("job.py", SCRIPT, "x", Where(conda=True), "the list of a script is PyPI's"),
        ("job.py", SCRIPT.replace("\n", "\r\n", 1), "x", Where(), "mixes ends of lines"),
    ],
)
def test_what_pixi_and_scripts_do_not_take(
    tmp_path: Path, name: str, text: str, package: str, *, where: Where, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    with pytest.raises(InvalidRequest) as caught:
        edit(path, "add", [package], where, no_url)
    assert said in str(caught.value) + str(caught.value.hint)
    assert path.read_bytes() == text.encode()


PROJECT = '[project]\nname = "x"\nversion = "1"\n'
DOTTED = 'project.name = "x"\nproject.version = "1"\n'
INLINE = 'project = {name = "x", version = "1"'
PIXI_TOO = f'{PROJECT}[tool.pixi.workspace]\nchannels = []\nplatforms = ["linux-64"]\n'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("text", "where", "after"),
    [
        (INLINE + "}\n", Where(), INLINE + ', dependencies = ["six"]}\n'),
        (
            INLINE + "}\n",
            Where(extra="a"),
            INLINE + ', optional-dependencies = {a = ["six"]}}\n',
        ),
        (
            PROJECT + "optional-dependencies.b = []\n",
            Where(extra="a"),
            PROJECT + 'optional-dependencies.b = []\noptional-dependencies.a = ["six"]\n',
        ),
        (PROJECT, Where(), PROJECT + 'dependencies = ["six"]\n'),
        (PROJECT, Where(group="a"), PROJECT + '\n[dependency-groups]\na = ["six"]\n'),
        (
            PROJECT + "\n[tool.y]\nb = 1\n",
            Where(extra="a"),
            PROJECT + '\n[project.optional-dependencies]\na = ["six"]\n[tool.y]\nb = 1\n',
        ),
        (
            DOTTED,
            Where(),
            'project.name = "x"\nproject.dependencies = ["six"]\nproject.version = "1"\n',
        ),
        (PIXI_TOO, Where(conda=True), PIXI_TOO + '\n[tool.pixi.dependencies]\nsix = "*"\n'),
    ],
)
def test_a_new_list_leaves_all_else_as_it_was(
    tmp_path: Path, text: str, where: Where, after: str, end: str
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(text.replace("\n", end).encode())
    edit(path, "add", ["six"], where, no_url).write()
    assert path.read_bytes().decode() == after.replace("\n", end)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (DOTTED + 'project.dependencies = ["six"]\n', Where(extra="a")),
        (DOTTED, Where(extra="a")),
        (DOTTED + 'dependency-groups.b = ["six"]\n', Where(extra="a")),
        ('dependency-groups.b = ["six"]\n' + DOTTED + "tool.z.y = 1\n", Where(extra="a")),
    ],
)
def test_a_new_list_that_would_take_what_follows_it_is_not_begun(
    tmp_path: Path, text: str, where: Where
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match="this list cannot be begun"):
        edit(path, "add", ["six"], where, no_url)
    assert path.read_text() == text


UV = '[tool.uv]\nexclude-newer = "2030-01-01T00:00:00Z"\n'


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "toml",
    [
        # Where the list comes stands HERE, and HERE+ where an empty line is to follow.
        "HERE",
        "HERE\n",
        'requires-python = ">=3.9"\nHERE',
        'requires-python = ">=3.9"\nHERE\n',
        'requires-python = ">=3.9"\n# of nothing\nHERE',
        f"HERE+{UV}",
        f"HERE\n{UV}",
        f'requires-python = ">=3.9"\nHERE+{UV}',
        f'requires-python = ">=3.9"\nHERE\n# of uv\n{UV}',
        f"requires-python = '>=3.9'  # why\nHERE+# of uv\n  {UV}\n[[tool.uv.index]]\nurl = 'x'\n",
        'HERE+[tool.mine]\nlists = [\n["dependencies"],\n]\n',
        f'lists = [\n  ["a"],\n]\nHERE+{UV}',
        f'text = """\n[tool]\n"""\nHERE+{UV}',
    ],
)
def test_a_script_without_a_list_gets_one(tmp_path: Path, toml: str, newline: str) -> None:
    def script(here: str) -> bytes:
        text = toml.replace("HERE+", here and f"{here}\n").replace("HERE", here)
        block = "".join(f"# {line}\n" if line else "#\n" for line in text.splitlines())
        return f"# /// script\n{block}# ///\nprint()\n".replace("\n", newline).encode()

    path = tmp_path / "job.py"
    path.write_bytes(script(""))
    with pytest.raises(InvalidRequest, match="`rich` is not in"):
        edit(path, "remove", ["rich"], Where(), no_url)
    edit(path, "add", ["rich"], Where(), no_url).write()
    assert path.read_bytes() == script('dependencies = ["rich"]\n')
    edit(path, "add", ["six"], Where(), no_url).write()
    edit(path, "remove", ["rich"], Where(), no_url).write()
    edit(path, "remove", ["six"], Where(), no_url).write()
    assert path.read_bytes() == script("dependencies = []\n")


def test_a_name_that_is_none_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("numpy\n")
    with pytest.raises(InvalidRequest, match="`D3_` is no name"):
        edit(path, "add", ["D3_"], Where(), no_url)
