"""What is wrong is said in one line, with a hint and the right status, and changes nothing."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolvers.testing import make_project, make_wheel

from .emulators import closed_port
from .helpers import COMMAND, Machine, files, finish, private_mounts, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resolvers.testing import FakeIndex


@pytest.fixture
def unchanged(machine: Machine) -> Iterator[None]:
    """Fails the test if the registry or the store is not as it was."""
    before = machine.state()
    yield
    assert machine.state() == before
    tidy(machine)


@pytest.fixture
def known(machine: Machine) -> str:
    """An environment named `a:v1`."""
    return machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")


# What is asked for


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["resolve", "--frobnicate"], "there is no option `--frobnicate`"),
        (["frobnicate"], "there is no command `frobnicate`"),
        (["-v"], "missing command"),
        (["resolve"], "nothing is asked for"),
        (["resolve", "--pypi", "app", "--platform", "win-64"], "`win-64` is not one of"),
        (["resolve", "--pypi"], "`--pypi` requires an argument"),
        (["show"], "missing argument `ENV...`"),
        (["run", "a"], "missing argument `CMD [ARG]...`"),
        (["run", "a", "--"], "missing argument `CMD [ARG]...`"),
        (["create", "a", "--name", "n", "--prefix", "p"], "--name or --prefix"),
        (["list", "--limit", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage(machine: Machine, unchanged: None, words: list[str], message: str) -> None:
    assert message in machine.fails(*words, status=2)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (None, ["requirements.txt: no such file"]),
        ("", ["no requirement in `requirements.txt`"]),
        ("# only words\n\n", ["no requirement in `requirements.txt`"]),
        ("--frobnicate\n", ["requirements.txt:1: no such option: --frobnicate"]),
        ("app=1\n", ["requirements.txt:1: `app=1` is not", "compare with `==`"]),
        ("app\ndep ==\n", ["requirements.txt:2: `dep ==` is not a requirement"]),
        (
            "app ~ 1\n-r none.txt\ndep; os_name ==\n",
            ["requirements.txt:1:", "requirements.txt:2:", "requirements.txt:3:"],
        ),
        ("nothing-there\n", ["`nothing-there` is asked by requirements.txt:1", "hint: "]),
        ("app\ndep < 1\n", ["app depend on dep>=1", "`dep<1` is asked by requirements.txt:2"]),
        (f"app --hash=sha256:{'0' * 64}\n", ["(asked by requirements.txt:1)", "hint: "]),
        ("-e ./project\n", ["requirements.txt:1", "editable", "hint: "]),
        ("./project\n", ["requirements.txt:1", "no file or directory", "hint: "]),
    ],
)
def test_a_bad_requirements_file(
    machine: Machine, unchanged: None, text: str | None, messages: list[str]
) -> None:
    if text is not None:
        machine.file("requirements.txt", text)
    said = machine.fails("resolve", "-r", "requirements.txt", "--alias", "a:v1")
    assert [message for message in messages if message not in said] == [], said


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ci.yml", "on: [push]\njobs: {}\n", "a workflow of GitHub"),
        ("conda-lock.yml", "version: 1\npackage: [{name: app}]\n", "lacks `metadata`"),
        ("poetry.lock", '[[package]]\nname = "app"\n' * 500, "poetry's lock file"),
        ("page.txt", "<html>\n<body>\n404\n</body>\n</html>\n", "a page of HTML"),
        ("environment.yml", "dependecies: [app]\nname: x\n", "did you mean `dependencies`?"),
        ("git.txt", "git@host:a/app.git\n", "write `git+ssh://git@host/a/app.git`"),
        ("black.txt", "-e black[,a]\n", "`[,a]` of `black[,a]` are no extras"),
        ("url.txt", "app @ https:///\n", "has no host"),
        ("archive.txt", "-e https://host/\n", "an archive of another machine"),
    ],
)
def test_a_file_of_something_else_is_named_also_beside_what_is_asked_for(
    machine: Machine, unchanged: None, name: str, text: str, message: str
) -> None:
    machine.file(name, text)
    said = machine.fails("resolve", "--pypi", "app", "-r", name)
    assert message in said
    assert said.count("\n") <= 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pypi", "app", "--python", "2.7"], "no Python satisfies `==2.7.*`"),
        (["--pypi", "app", "--python", "three"], "`three` is not a version"),
        (["--pypi", "app", "--python", "3.29"], "no Python on this machine satisfies"),
        (["--pypi", "app", "--alias", "A"], "`A` does not name an environment"),
        (["--pypi", "app", "--using", "nothing:v1"], "`nothing:v1` is neither known here nor in"),
        (["--pypi", "app", "--exclude-newer", "yesterday"], "`yesterday` is neither a date nor"),
        (["--pypi", "app", "--index-url", "nonsense"], "`nonsense` is not the URL of a package"),
        (["--pypi", "app", "--index-url", "me:s3cret@host/simple"], "`host/simple` is not the URL"),
        (["--pypi", "app", "--find-links", "/nowhere"], "cannot read `/nowhere`"),
        (["--pypi", "app", "--store", "ftp://host/"], "`ftp://host/` is not a store"),
    ],
)
def test_a_bad_request(machine: Machine, unchanged: None, words: list[str], message: str) -> None:
    said = machine.fails("resolve", *words)
    assert message in said
    assert "\nhint: " in said


@pytest.mark.slow
@pytest.mark.parametrize("source", ["-f ./nowhere", "-i http://127.0.0.1:9/s"])
def test_who_named_a_source_is_named(machine: Machine, unchanged: None, source: str) -> None:
    machine.file("requirements.txt", f"app\n{source}\n")
    said = machine.fails("resolve", "-r", "requirements.txt")
    assert "(asked by requirements.txt:2)" in said
    said = machine.fails("resolve", "--pypi", "app", "--find-links", "/nowhere")
    assert "(asked by --find-links)" in said
    said = machine.fails("resolve", "--pypi", "app", "--find-links", "https://h.invalid/x?sig=a")
    assert said.startswith("error: --find-links: the URL at `h.invalid` holds a credential")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("-r", "--editable=./local\n", "leave out `-e` to"),
        (
            "-p",
            '[tool.poetry.dependencies]\nlocal = {path = "./local", develop = true}\n',
            "`develop = true`",
        ),
        (
            "-p",
            (
                '[project]\nname="x"\nversion="1"\ndependencies=["local"]\n[tool.uv.sources]\n'
                'local = {path = "./local", editable = true}\n'
            ),
            "`editable = true`",
        ),
        ("-f", "dependencies: [{pip: [-e ./local]}]\n", "leave out `-e` to"),
    ],
)
def test_what_is_editable_is_to_be_said_without_the_word_that_makes_it_so(
    machine: Machine, unchanged: None, name: str, text: str, said: str
) -> None:
    path = {"-r": "requirements.txt", "-p": "pyproject.toml", "-f": "environment.yml"}[name]
    machine.file(path, text)
    (machine.work / "local").mkdir()
    machine.file("local/pyproject.toml", '[project]\nname = "local"\nversion = "1"\n')
    hint = machine.fails("resolve", name, path).partition("\nhint: ")[2]
    assert said in hint
    assert ("`-e`" in hint) is ("-e" in said)


def test_who_asked_for_a_python_that_is_not_here_is_named(
    machine: Machine, unchanged: None
) -> None:
    machine.file(
        "pyproject.toml", '[project]\nname="x"\nversion="1"\nrequires-python = "==3.5.*"\n'
    )
    said = machine.fails("resolve", "-p", "pyproject.toml", "--pypi", "app")
    assert "satisfies `==3.5.*` (asked by pyproject.toml:4)" in said


@pytest.mark.parametrize(
    "asked",
    [
        "x @ http://127.0.0.1:9/x-1-py3-none-any.whl",
        "x @ git+file:///nowhere/x@v1#subdirectory=a",
        "git+file:///nowhere/x#egg=x ; python_version >= '3'",
    ],
)
def test_who_asked_for_a_url_is_named(machine: Machine, unchanged: None, asked: str) -> None:
    machine.file("requirements.txt", f"app\n{asked}\n")
    said = machine.fails("resolve", "-r", "requirements.txt")
    assert "(asked by requirements.txt:2)" in said


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MFENV_PLATFORMS", "win-64", "`win-64` is not known"),
        ("MFENV_PYTHON_PROVIDER", "magic", "`magic` is not known"),
        ("MFENV_INDEX_STRATEGY", "worst", "`worst` is not known"),
        ("MFENV_DOWNLOADS", "many", "MFENV_DOWNLOADS: `many` is not a number"),
        ("MFENV_PRE", "maybe", "MFENV_PRE: `maybe` is neither true nor false"),
        ("MFENV_HOME", "/proc/none", "the registry `/proc/none/registry.sqlite` cannot be used"),
    ],
)
def test_a_bad_setting(
    machine: Machine, unchanged: None, variable: str, value: str, message: str
) -> None:
    said = machine.fails("resolve", "--pypi", "app", env={variable: value})
    assert message in said
    assert "\nhint: " in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense = 1\n", "mfenv.toml:1: there is no setting `nonsense`"),
        ("store = [\n", "mfenv.toml: is not TOML"),
        ("\nstore = 3\n", "mfenv.toml:2: is not a text"),
        ("platforms = [1]\n", "mfenv.toml:1: is not a list of texts"),
    ],
)
def test_a_bad_settings_file(machine: Machine, text: str, message: str) -> None:
    machine.file("mfenv.toml", text)
    assert message in machine.fails("list")


@pytest.mark.parametrize("command", ["show", "create", "rm", "run", "alias"])
def test_an_environment_that_nobody_knows(machine: Machine, unchanged: None, command: str) -> None:
    more = {"run": ["--", "true"], "alias": ["b:v1"]}.get(command, [])
    for name in ("team/none:v1", "0123456789", f"{'0' * 40}:{'1' * 40}"):
        said = machine.fails(command, name, *more)
        assert f"`{name}` is" in said
        assert "\nhint: " in said


@pytest.mark.slow
def test_an_environment_for_another_platform(machine: Machine, known: str, unchanged: None) -> None:
    said = machine.fails("show", "a:v1", "--platform", "osx-64")
    assert "is resolved for linux-64, and not for osx-64" in said


@pytest.mark.slow
def test_an_alias_for_ever_is_not_given_twice(
    machine: Machine, known: str, unchanged: None, index: FakeIndex
) -> None:
    index.requests.clear()
    said = machine.fails("resolve", "--pypi", "other", "--alias", "a:v1")
    assert f"`a:v1` is given to {known} for ever" in said
    assert "hint: choose another tag" in said
    assert sum(index.requests.values()) == 0


@pytest.mark.slow
def test_an_alias_for_ever_is_not_taken_from_another_home(
    machine: Machine, known: str, machines: Callable[[str], Machine]
) -> None:
    there = machines("two")
    other = there.ok("resolve", "--pypi", "dep")
    before = there.state()
    for words in (["alias", other, "a:v1"], ["resolve", "--pypi", "dep", "--alias", "a:v1"]):
        assert f"`a:v1` is given to {known} for ever" in there.fails(*words)
    assert there.state() == before
    there.ok("alias", known, "a:v1")
    assert there.rows()["aliases"] == machine.rows()["aliases"]


@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://me:s3cret@host:port/simple\napp\n",
        pytest.param(
            "--index-url http://me:s3cret@127.0.0.1:1/simple\napp\n", marks=pytest.mark.slow
        ),
        pytest.param(
            "--find-links http://me:s3cret@127.0.0.1:1/simple\napp\n", marks=pytest.mark.slow
        ),
        "--frobnicate https://me:s3cret@host/\n",
        "app @ https://me:s3cret@127.0.0.1:1/app-1.0-py3-none-any.whl; bad\n",
        "app @ http://me:s3cret@127.0.0.1:1/app-1.0-py3-none-any.whl\n",
        pytest.param("http://me:s3cret@127.0.0.1:1/app-1.0.tar.gz\n", marks=pytest.mark.slow),
    ],
)
def test_no_message_shows_credentials(machine: Machine, unchanged: None, text: str) -> None:
    machine.file("requirements.txt", text)
    assert "s3cret" not in machine.fails("resolve", "-r", "requirements.txt")


@pytest.mark.slow
def test_a_build_that_fails_is_told_whole(machine: Machine, unchanged: None) -> None:
    tree = make_project(machine.work / "project", "thing", "1.0")
    code = (
        "for number in range(99): print('line', number, flush=True)\n    raise OSError('no luck')"
    )
    (tree / "backend.py").write_text(f"def build_wheel(*_):\n    {code}\n")
    words = ("resolve", "--pypi", "./project")
    said = machine.fails(*words)
    assert "cannot build `project`: " in said.splitlines()[0]
    assert said.splitlines()[0].endswith(": OSError: no luck")
    assert "\n  | line 98\n" in said
    assert "line 0\n" not in said
    found = re.search(r"^all that its build wrote is in (/\S+)$", said, re.MULTILINE)
    assert found
    log = Path(found[1])
    assert log.is_relative_to(machine.home)
    assert "line 0\n" in log.read_text()
    assert "line 0\n" in machine.run(*words, "-v").err


# What the index and the store send


def test_an_index_that_refuses_connections(machine: Machine, unchanged: None) -> None:
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}/simple"
        said = machine.fails("resolve", "--pypi", "app", "--index-url", url)
    assert f"cannot read `{url}/app/`: connection refused" in said
    assert "\nhint: check the address and the network" in said


@pytest.mark.slow
def test_an_index_that_fails(machine: Machine, unchanged: None, index: FakeIndex) -> None:
    index.failures["/simple/"] = 500
    said = machine.fails("resolve", "--pypi", "app")
    assert f"cannot read `{index.url}/app/`" in said
    assert "(500)\nhint: try again later\n" in said


def test_an_index_that_wants_credentials(
    machine: Machine, unchanged: None, index: FakeIndex
) -> None:
    index.failures["/simple/"] = 401
    said = machine.fails("resolve", "--pypi", "app")
    assert "it asks for credentials (401)\nhint: give a user name and a password" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "it refuses the user name and password (401)\nhint: correct them"),
        (403, "it refuses these credentials (403)\nhint: ask who keeps it"),
    ],
)
@pytest.mark.parametrize("source", ["index", "links", "file", "requirements"])
def test_credentials_that_are_refused(
    machine: Machine, index: FakeIndex, source: str, status: int, message: str
) -> None:
    index.failures["/"] = status
    server = index.url.removesuffix("/simple").replace("//", "//ada:geheim@")
    words = {
        "index": ("--pypi", "app", "--index-url", f"{server}/simple"),
        "links": ("--pypi", "app", "--no-index", "--find-links", f"{server}/links"),
        "file": ("--pypi", f"app @ {server}/files/app-1.0-py3-none-any.whl"),
        "requirements": ("-r", f"{server}/requirements.txt?sig=s3cret"),
    }
    said = machine.fails("resolve", *words[source])
    if source == "requirements":
        message = f"cannot fetch `{server.replace('ada:geheim', '***')}/requirements.txt?sig=***`"
    assert message in said.replace(" (asked by --pypi)", "")
    assert "geheim" not in said
    assert "s3cret" not in said


def test_a_hash_of_a_constraint_is_blamed_on_it(machine: Machine, unchanged: None) -> None:
    machine.file("bounds.txt", f"\napp==1.0 --hash=sha256:{'0' * 64}\n")
    machine.file("requirements.txt", "-c bounds.txt\napp\n")
    assert "(asked by bounds.txt:2)" in machine.fails("resolve", "-r", "requirements.txt")


def test_bytes_that_are_not_those_of_the_index(
    machine: Machine, unchanged: None, index: FakeIndex
) -> None:
    whole = make_wheel("whole", "1.0")
    index.add(whole)
    # The page keeps the hash of the true file.
    index.tamper(replace(whole, data=whole.data[:-1] + b"x"))
    said = machine.fails("resolve", "--pypi", "whole")
    assert f"`{whole.filename}` from {index.origin}" in said
    assert f"expected sha256:{whole.sha256}" in said
    assert "\nhint: " in said
    assert whole.filename not in [path.name for path in files(machine.root)]


@pytest.mark.slow
def test_a_package_that_was_changed_in_the_store(
    machine: Machine, known: str, machines: Callable[[str], Machine], index: FakeIndex
) -> None:
    (stored,) = machine.store.glob("packages/*/*/app-1.0-*.whl")
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    there = machines("two")
    done = there.run("run", "a:v1", "--", "hello")
    assert (done.status, "hello from" in done.out) == (7, True)
    assert "taking it from where it came from" in done.err
    index.failures["/files/"] = 404
    third = machines("three")
    said = third.fails("create", "a:v1")
    assert "app-1.0-py3-none-any.whl" in said
    assert not (third.home / "envs").exists()
    assert "prefixes" not in third.rows()


@pytest.mark.slow
def test_a_description_that_was_changed_in_the_store(
    machine: Machine, known: str, machines: Callable[[str], Machine]
) -> None:
    (stored,) = machine.store.glob("environments/*/*/*.json")
    stored.write_text(stored.read_text().replace("2.0", "1.0"))
    said = machines("two").fails("create", "a:v1")
    assert "is damaged" in said
    assert "\nhint: " in said


@pytest.mark.slow
def test_a_package_that_was_changed_in_the_cache_is_fetched_again(
    machine: Machine, known: str
) -> None:
    (cached,) = machine.home.glob("cache/archives/*/*/app-1.0-*.whl")
    good = cached.read_bytes()
    cached.write_bytes(good[:-1] + b"x")
    assert machine.run("run", "a:v1", "--", "hello").status == 7
    assert cached.read_bytes() == good


@pytest.mark.slow
def test_a_registry_that_is_none(machine: Machine, known: str) -> None:
    (machine.home / "registry.sqlite").write_bytes(b"not a database" * 100)
    for path in machine.home.glob("registry.sqlite-*"):
        path.unlink()
    said = machine.fails("list")
    assert "registry.sqlite` cannot be used: file is not a database" in said
    assert "hint: move the file away" in said
    (machine.home / "registry.sqlite").unlink()
    assert machine.ok("create", "a:v1")


# The disk


@pytest.mark.slow
def test_a_file_that_may_not_become_so_large(machine: Machine, index: FakeIndex) -> None:
    index.add(make_wheel("large", "1.0", module="x = 1\n" * 250_000))
    before = machine.state()
    said = machine.fails("resolve", "--pypi", "large", before="ulimit -f 2048")
    assert "file too large" in said
    assert machine.state() == before
    assert machine.ok("resolve", "--pypi", "large", "--alias", "large")
    machine.fails("create", "large", "--name", "e", before="ulimit -f 2048")
    assert not machine.prefix("e").exists()
    machine.ok("create", "large", "--name", "e")
    assert machine.ok("run", "e", "--", "python", "-c", "import large; print(large.x)") == "1"
    tidy(machine)


@pytest.mark.slow
@pytest.mark.parametrize("full", ["MFENV_HOME", "MFENV_STORE"])
def test_a_disk_that_is_full(machine: Machine, index: FakeIndex, full: str) -> None:
    """In a file system of 2 MB, in a name space of its own that ends with the processes in it."""
    if not private_mounts():
        pytest.skip("this user may not mount a file system in a name space of its own")
    index.add(make_wheel("large", "1.0", module="x = 1\n" * 500_000))
    disk = machine.root / "disk"
    disk.mkdir()
    machine.environ |= {
        "DISK": str(disk),
        full: {"MFENV_HOME": str(disk), "MFENV_STORE": disk.as_uri()}[full],
    }
    script = """
        mount -t tmpfs -o size=2m none "$DISK"
        "$0" resolve --pypi large --alias a; echo "resolve $?"
        "$0" show a 2>/dev/null; echo "show $?"
        mount -o remount,size=20m "$DISK"
        "$0" resolve --pypi large --alias a >/dev/null 2>&1; echo "resolve $?"
        "$0" run a -- python -c 'import large; print(large.x)' 2>/dev/null; echo "run $?"
        find "$DISK" -name '*.tmp' -o -name '*.part'
    """
    command = ("unshare", "--map-root-user", "--mount", "sh", "-c", script)
    done = finish(machine.spawn(*command, COMMAND))
    assert done.out.splitlines() == ["resolve 1", "show 1", "resolve 0", "1", "run 0"]
    assert done.err.count("error: ") == 1
    assert "no space left on device" in done.err
    assert "Traceback" not in done.err


# Prefixes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["taken", "file", "link"])
def test_a_prefix_that_exists(machine: Machine, known: str, unchanged: None, name: str) -> None:
    make_foreign(machine.work)
    for more in ([], ["--exist-ok"]):
        said = machine.fails("create", "a:v1", "--prefix", name, *more)
        assert "exists already" in said
        assert "\nhint: " in said
    assert contents(machine.work) == FOREIGN


@pytest.mark.slow
@pytest.mark.parametrize("name", ["taken", "file", "link", ".", "..", "~", "/"])
def test_a_directory_that_is_not_ours_is_not_deleted(
    machine: Machine, known: str, unchanged: None, name: str
) -> None:
    make_foreign(machine.work)
    (machine.user / "precious").write_text("precious")
    for words in (["rm", name], ["create", "a:v1", "--prefix", name, "--force"]):
        said = machine.fails(*words)
        assert "is not deleted" in said or "is no place for an environment" in said
        assert "\nhint: " in said
    assert contents(machine.work) == FOREIGN
    assert (machine.user / "precious").exists()


@pytest.mark.slow
def test_a_home_that_looks_like_an_environment_is_not_deleted(machine: Machine, known: str) -> None:
    machine.ok("create", "a:v1", "--prefix", "env")
    shutil.copy(machine.work / "env" / ".mfenv.json", machine.user)
    machine.fails("rm", str(machine.user))
    assert machine.user.exists()


@pytest.mark.slow
def test_a_link_to_an_environment_of_ours_is_not_deleted(machine: Machine, known: str) -> None:
    machine.ok("create", "a:v1", "--prefix", "env")
    (machine.work / "link").symlink_to("env")
    for words in (["rm", "link"], ["create", "a:v1", "--prefix", "link", "--force"]):
        assert "is a symbolic link" in machine.fails(*words)
    assert (machine.work / "env" / "bin" / "hello").exists()


@pytest.mark.slow
def test_a_named_prefix_with_another_environment_is_kept(machine: Machine, known: str) -> None:
    machine.ok("create", "a:v1", "--name", "e")
    machine.ok("resolve", "--pypi", "other", "--alias", "b")
    before = machine.state()
    assert "exists already" in machine.fails("create", "b", "--name", "e", "--exist-ok")
    assert machine.state() == before
    assert machine.run("run", "e", "--", "hello").status == 7


STRANGE = "one\nerror \x1b[31mtwo"
SHOWN = r"one\nerror \x1b[31mtwo"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["unpack", f"{STRANGE}/env.tar.gz"], f"no such file: `{SHOWN}/env.tar.gz`"),
        (["unpack", f"{STRANGE}.zip", "-p", "x"], f"no such file: `{SHOWN}.zip`"),
        (["transmute", STRANGE], f"`{SHOWN}` cannot be transmuted"),
        (["resolve", "-r", f"no/{STRANGE}.txt"], f"no/{SHOWN}.txt"),
        (["resolve", f"--requirement=no/{STRANGE}.txt"], f"no/{SHOWN}.txt"),
        (["import", f"{STRANGE}/uv.lock"], f"{SHOWN}/uv.lock"),
        (["lock", "-o", f"{STRANGE}/mfenv.lock", "--pypi", "app"], SHOWN),
        (["create", "--lock", f"{STRANGE}/mfenv.lock"], SHOWN),
        (["create", "a:v1", "--prefix", f"file/{STRANGE}"], SHOWN),
        (["create", "a:v1", "--name", STRANGE], f"`{SHOWN}` cannot name a prefix"),
        (["add", f"{STRANGE}/uv.lock", "app"], f"`{SHOWN}/uv.lock` is no file"),
    ],
)
def test_a_name_with_control_characters_is_shown_on_one_line(
    machine: Machine, known: str, words: list[str], said: str
) -> None:
    machine.file("file", "")
    told = machine.fails(*words, status=2 if words[0] == "add" else 1)
    assert said in told
    assert "\x1b" not in told
    assert re.fullmatch(r"error: .*\n(hint: .*\n)?", told)


def test_so_it_is_in_notes_and_in_what_is_known_of_a_prefix(machine: Machine, known: str) -> None:
    prefix = machine.work / STRANGE / "env"
    machine.ok("create", "a:v1", "--prefix", str(prefix))
    (prefix / "bin" / "python").unlink()
    told = machine.fails("run", str(prefix), "--", "hello")
    assert f"error: `{machine.work}/{SHOWN}/env` is not what it was created as: " in told
    assert "\x1b" not in told
    lock = machine.work / STRANGE / "uv.lock"
    lock.write_text("version = 1\nrevision = 3\n")
    assert (
        f"note: {machine.work}/{SHOWN}/uv.lock:1 has no packages" in machine.run("import", lock).err
    )


def test_what_has_several_lines_keeps_them(machine: Machine) -> None:
    machine.file("a\nb.txt", "other==1\nother==2\napp=>1\n")
    told = machine.fails("resolve", "-r", "a\nb.txt")
    assert told.startswith("error: ")
    machine.file("requirements.txt", "app\n")
    machine.ok("lock", "-r", "requirements.txt")
    machine.file("requirements.txt", "other\n")
    told = machine.fails("lock", "--check")
    assert len(told.splitlines()) > len(("error", "hint"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "../e", "a/b", ".hidden", "-x", "x" * 300])
def test_a_name_that_is_none(machine: Machine, known: str, unchanged: None, name: str) -> None:
    machine.fails("create", "a:v1", f"--name={name}")


@pytest.mark.slow
def test_a_program_that_is_not_there(machine: Machine, known: str) -> None:
    for name in ("no-such-program", "./no-such-program"):
        said = machine.fails("run", "a:v1", "--", name, status=127)  # as shells have it
        assert said.startswith(f"error: there is no program `{name}`")
    machine.file("train.py", "")
    assert "write `python train.py`" in machine.fails("run", "a:v1", "--", "train.py", status=127)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("#!/bin/sh\n", 0o644, "permission denied\nhint: `chmod +x`"),
        ("#!/no/such/shell\n", 0o755, "the program that runs it is not there"),
        ("echo\n", 0o755, "\nhint: it is for another platform, or lacks a first line"),
        (None, 0o755, "it is a directory"),
    ],
)
def test_what_is_no_program(
    machine: Machine, known: str, text: str | None, mode: int, message: str
) -> None:
    path = machine.work / "program"
    if text is None:
        path.mkdir()
    else:
        machine.file("program", text).chmod(mode)
    said = machine.fails("run", "a:v1", "--", "./program", status=126)
    assert said.startswith("error: cannot run `./program`: ")
    assert message in said


FOREIGN = {"taken/precious": "precious", "file": "precious", "link": "-> taken"}


def make_foreign(folder: Path) -> None:
    (folder / "taken").mkdir()
    (folder / "taken" / "precious").write_text("precious")
    (folder / "file").write_text("precious")
    (folder / "link").symlink_to("taken")


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_text()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }
