"""Lock files as text: the format that `docs/lock-format.md` describes, and what is refused in it."""

from __future__ import annotations

import hashlib
import pickle
import re
from pathlib import Path

import pytest

from mfenv.errors import InvalidLock, InvalidRequest, StaleLock, UnknownEnvironment
from mfenv.lockfile.differences import Difference, differences
from mfenv.lockfile.inputs import Inputs
from mfenv.lockfile.names import ASKED, SETTINGS
from mfenv.lockfile.reading import read
from mfenv.lockfile.writing import written

DOCUMENT = Path(__file__).parents[3] / "docs" / "lock-format.md"
TEXT = DOCUMENT.read_text()
EXAMPLE = TEXT.partition(":caption: mfenv.lock\n")[2].partition("```")[0]


def refused(old: str, new: str) -> InvalidLock:
    assert old in EXAMPLE
    with pytest.raises(InvalidLock) as caught:
        read(EXAMPLE.replace(old, new, 1), "x.lock")
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == str(caught.value)
    assert str(error).startswith(f"x.lock:{error.line}: " if error.line else "x.lock: ")
    return caught.value


def test_the_example_of_the_document_is_what_is_written() -> None:
    lock = read(EXAMPLE)
    assert written(lock) == EXAMPLE
    assert [locked.name for locked in lock.environments] == ["default", "test"]
    assert [env.platform for env in lock.chosen(None).envs] == ["linux-64", "osx-arm64"]
    names = {env.platform: [p.name for p in env.packages] for env in lock.chosen("test").envs}
    assert names == {"linux-64": ["python", "tzdata", "iniconfig", "pygments", "rich"]}
    (python, *_) = lock.chosen(None).envs[1].packages
    assert (python.subdir, python.source) == ("osx-arm64", "https://conda.example/main")
    with pytest.raises(UnknownEnvironment):
        lock.chosen("other")


def test_the_document_names_every_field() -> None:
    for name in (*ASKED, *SETTINGS, "flow", "in", "on", "file", "depends", "built_from"):
        assert f"`{name}`" in TEXT, name


def test_another_layout_of_lines_means_the_same() -> None:
    loose = EXAMPLE.replace("\n", "  \r\n").replace("version = 1", "\n# words\nversion=1 # one")
    assert read(loose) == read(EXAMPLE)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("version = 1", "version = true", "says no version of a lock file"),
        ("version = 1", "version = 9", "is of version 9, and 1 is known"),
        ("version = 1", "version = 1\nmore = 1", "there is no key `more`"),
        ("[packages]", "[[packages]]", "is no table of a lock file"),
        ("[packages]", "[other]", "there is no table `other`"),
        ("[environment.test.from]", "[environment.test.form]", "no table `environment.test.form`"),
        ("[environment.test]", "[environment.default]", "is there already, in line 5"),
        ("[environment.test]", "[environment.best]", "environment `test` has no ids"),
        ("requirements.osx-arm64", "requirements.win-64", "there is no table"),
        ("full_id = ", "fill_id = ", "there is no key `fill_id` or platform"),
        ('full_id = "4', 'full_id = "5', "environment `default`: its full_id is not that of its"),
        ('req_id = "8', 'req_id = "9', "environment `default`: its req_id is not that of what"),
        ('digest = "9', 'digest = "8', "other packages on linux-64 than were locked"),
        ('digest = "9', 'digest = "', "`linux-64` does not say digest, content, packages, python"),
        ("size = 26000", "size = 26001", "packages on linux-64 what was locked: a URL, a source"),
        ("files.example/rich", "evil.example/rich", "does not say of its packages on linux-64"),
        ('depends = ["pygments"], ', "", "does not say of its packages on linux-64"),
        ('source = "https://index.example', 'source = "https://evil.example', "on linux-64 what"),
        ('content = "', 'content = "0', "does not say of its packages on linux-64"),
        ("packages = 4", "packages = 5", "has 4 packages on linux-64, and 5 were locked"),
        ('python = "3.12.5" }', 'python = "3.11.5" }', "other packages on linux-64"),
        ('"pyproject.toml",', "1,", "pyproject: has a value of another type"),
        ("pyproject = [", "project = [", "project: is no option that a lock file keeps"),
        ("format = 1", "format = 2", "environment `default`: format: is 2"),
        ('python = ">=3.12"', 'python = ">=3.13"', "req_id"),
        ('"rich>=13",', '"rich>==13",', "environment `default`: requirements.pypi[0]"),
        ('"rich>=13",', '"rich>=13"', "an entry of a list ends with a comma"),
        ("constraints = [\n]", "constraints = []", "req_id"),
        ('build = "h5e1_0"', 'build = "h5e1_1"', "other packages on linux-64"),
        ('on = ["linux-64"]', 'on = ["linux-65"]', "on: `linux-65` is not in this file"),
        ('on = ["linux-64"]', 'on = "linux-64"', "on: is not a list of names"),
        ('in = ["test"]', 'in = ["toast"]', "in: `toast` is not in this file"),
        ('in = ["test"]', 'in = ["default"]', "has 5 packages on linux-64, and 4 were locked"),
        ("size = 26000", 'size = "26000"', "size: is not a number of bytes"),
        ("https://files.example", "https://u:p@files.example", "url: "),
        ('sha256 = "ec', 'sha256 = "g', "hashes.sha256"),
        ("pypi = [\n  { name", "pip = [\n  { name", "there is no kind `pip` of packages"),
        ("conda = [\n  {", "conda = 1\npypi = [\n  {", "`pypi` is there already"),
        ('  { name = "rich"', "  { name = 'rich', name = \"rich\"", "is not TOML"),
        ("[packages]", "<<<<<<< HEAD\n[packages]", "a conflict of a merge"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_was_written_is_refused(old: str, new: str, says: str) -> None:
    if new == "constraints = []":
        assert read(EXAMPLE.replace(old, new)) == read(EXAMPLE)
        return
    assert says in str(refused(old, new))


def test_the_content_of_a_platform_is_as_the_document_says() -> None:
    kind, texts = "", {"default": list[str](), "test": list[str]()}
    for line in EXAMPLE.partition("[packages]\n")[2].splitlines():
        if line.endswith(" = ["):
            kind = line.split()[0]
        elif line.startswith("  {") and 'on = ["osx-arm64"]' not in line:
            plain = re.sub(r"(in|on) = \[[^]]*\], ", "", line.strip().rstrip(","))
            for name in ("test",) if 'in = ["test"]' in line else texts:
                texts[name].append(f"{kind} {plain}\n")
    for name, rows in texts.items():
        digest = hashlib.sha256("".join(sorted(rows)).encode()).hexdigest()
        own = EXAMPLE.partition(f"[environment.{name}]")[2]
        assert f'content = "{digest}"' in own.partition("\n\n")[0]


def test_a_file_of_before_keeps_its_packages() -> None:
    old = re.sub(r'content = "\w+", ', "", EXAMPLE)
    assert read(old, forgiving=True) == read(EXAMPLE)


def test_a_file_that_ends_early_is_refused() -> None:
    lines = EXAMPLE.splitlines()
    for end in range(3, len(lines)):
        with pytest.raises(InvalidLock):
            read("\n".join(lines[:end]))


def test_both_sides_of_a_conflict_are_there_to_lock_again() -> None:
    ours = EXAMPLE.replace("13.7.1", "13.8.0")
    sides = zip(EXAMPLE.splitlines(), ours.splitlines(), strict=True)
    lines = [
        line
        for old, new in sides
        for line in ([old] if old == new else ["<<<<<<< a", old, "=======", new, ">>>>>>> b"])
    ]
    lock = read("\n".join(lines), forgiving=True)
    assert lock.chosen(None).inputs == read(EXAMPLE).chosen(None).inputs
    versions = {p.name: p.version for p in lock.chosen("test").envs[0].packages}
    assert versions["rich"] == "13.8.0"
    assert len(versions) == 5
    with pytest.raises(InvalidLock):
        read(EXAMPLE.replace("version = 1", "version = 2"), forgiving=True)


def test_inputs_are_seen_from_the_lock_file(tmp_path: Path) -> None:
    asked = {"files": (tmp_path / "a/r.txt", "https://u:p@x.test/r.txt"), "pypi": (), "groups": ()}
    inputs = Inputs.make(tmp_path / "b", asked, {"find_links": (str(tmp_path / "w"),), "pre": None})
    table = {"requirement": ("../a/r.txt", "https://x.test/r.txt"), "find-links": ("../w",)}
    assert inputs.to_table() == table
    assert (
        Inputs.from_table(inputs.to_table() | {"pyproject": []}).asked["files"]
        == table["requirement"]
    )
    request = inputs.request(tmp_path / "b", ("osx-64",))
    assert request.files == (tmp_path / "b/../a/r.txt", "https://x.test/r.txt")
    assert request.platforms_unstated == ("osx-64",)
    assert inputs.options(tmp_path / "b") == {"find_links": (f"{tmp_path}/b/../w",)}
    for text in ("x @ https://u:p@x.test/x-1.zip", "./x"):
        with pytest.raises(InvalidRequest):
            Inputs.make(tmp_path, {"pypi": (text,)}, {})


def test_what_differs_is_told_by_name() -> None:
    default, test = read(EXAMPLE).environments
    spec, other = default.envs[0].spec, test.envs[0].spec
    said = differences(spec, ("linux-64",), other, ("linux-64", "osx-64"), {"iniconfig": "here:1"})
    assert list(map(str, said)) == ["+ platform osx-64", "+ pypi iniconfig (here:1)"]
    assert differences(spec, ("linux-64",), spec, ("linux-64",)) == ()
    back = differences(other, ("osx-64",), spec, ("linux-64",))
    assert sorted(map(str, back)) == [
        "+ platform linux-64",
        "- platform osx-64",
        "- pypi iniconfig",
    ]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, "a==1 --hash=sha256:00", "+ pypi a==1 with 1 hash"),
        ("a==1 --hash=sha256:00 --hash=sha256:01", None, "- pypi a==1 with 2 hashes"),
        ("a==1", "a==2 --hash=sha256:00", "~ pypi a==1 -> a==2 with 1 hash"),
        (
            "a==1 --hash=sha256:00",
            "a==1 --hash=sha256:01",
            "~ pypi a==1 with 1 hash -> a==1 with 1 hash, which are others",
        ),
    ],
)
def test_hashes_are_told_by_their_number(before: str | None, after: str | None, said: str) -> None:
    difference = Difference(what="pypi", before=before, after=after)
    assert str(difference) == said
    assert (difference.to_dict()["before"], difference.to_dict()["after"]) == (before, after)


def test_a_stale_lock_survives_pickling() -> None:
    error = StaleLock("mfenv.lock", ("default: + pypi a",), "mfenv lock")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.hint) == (str(error), error.hint)
    assert re.search(r"\n  default: \+ pypi a$", str(error))
