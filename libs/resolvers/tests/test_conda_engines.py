"""The conda family in the place of py-rattler: stand-ins, recordings of the real ones, or those."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.channel import ChannelServer, Recipe, pack, write_channel
from tests.channel.standin import write_standin

from envid.platforms import host_platform
from envid.spec import EnvSpec, Options, Source
from pkgcache.web.credentials import Credentials
from pkgcache.web.patience import Patience
from resolvers._conda_question import CondaQuestion
from resolvers._conda_tools import _word
from resolvers._conda_tools_places import Places
from resolvers.channels import CHANNEL_ALIAS
from resolvers.conda import CondaResolver
from resolvers.errors import (
    EngineFailed,
    IndexUnreachable,
    NoSolution,
    RequirementsUnmet,
    ResolveError,
    UnknownPackage,
    UnsupportedRequest,
)
from resolvers.mixed import MixedResolver
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.channel import Channels

    from pkgcache.worker import Worker
    from resolvers.request import Resolution

LINUX, MAC = "linux-64", "osx-arm64"
HOST = host_platform()
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
FAMILY = ("micromamba", "mamba", "conda")
RECORDINGS = Path(__file__).resolve().parents[4] / "shared/data/recordings"
RECORDED = {"micromamba": "micromamba-2.8.1", "conda": "conda-26.7.0"}


def _engines() -> list[Any]:
    real = [
        pytest.param(
            kind,
            True,
            id=kind,
            marks=pytest.mark.skipif(not shutil.which(kind), reason=f"{kind} is not on PATH"),
        )
        for kind in FAMILY
    ]
    return [pytest.param(kind, False, id=f"{kind}-stand-in") for kind in FAMILY] + real


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path of a stand-in, or the name of what is on PATH."""
    kind, real = request.param
    return str(kind) if real else str(write_standin(tmp_path / "bin", kind, tmp_path / "log"))


every_engine = pytest.mark.parametrize(
    "engine", [pytest.param(tuple(one.values), id=one.id, marks=one.marks) for one in _engines()],
    indirect=True,
)  # fmt: skip


@dataclass(frozen=True)
class CondaCase:
    """What is asked of two channels, and what any engine gives of it: versions, some with builds."""

    asked: tuple[str, ...]
    found: Mapping[str, str] | type[ResolveError]
    sys: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    platform: str = LINUX


_TREE = (
    Recipe(name="leaf", version="1", build="a_0"),
    Recipe(name="leaf", version="2", build="a_0", depends=("__glibc >=2.30",)),
    Recipe(name="twig", version="2", build="a_0", depends=("leaf <2",)),
    Recipe(name="fork", version="1", build="a_0", constrains=("leaf <2",)),
    Recipe(name="gpu", version="1", build="cuda_0", build_number=1, depends=("__cuda >=12",)),
    Recipe(name="gpu", version="1", build="cpu_0"),
    Recipe(name="mac", version="1", build="m_0", depends=("__osx >=12",)),
    Recipe(name="both", version="1", build="first_0"),
)
_OTHER = (
    Recipe(name="both", version="2", build="second_0"),
    Recipe(name="far", version="1", build="second_0"),
)
CASES = {
    "the newest version": CondaCase(("leaf",), {"leaf": "2"}, ("__glibc=2.35",)),
    "a virtual package bounds": CondaCase(("leaf",), {"leaf": "1"}, ("__glibc=2.28",)),
    "an older one that goes": CondaCase(
        ("leaf", "twig"), {"leaf": "1", "twig": "2"}, ("__glibc=2.35",)
    ),
    "what a package goes with": CondaCase(
        ("leaf", "fork"), {"fork": "1", "leaf": "1"}, ("__glibc=2.35",)
    ),
    "a conflict": CondaCase(("leaf >=2", "twig"), NoSolution, ("__glibc=2.35",)),
    "no such package": CondaCase(("nowhere",), UnknownPackage),
    "no such version": CondaCase(("leaf >=3",), NoSolution),
    "a build": CondaCase(("gpu==1=cpu_0",), {"gpu": "1 cpu_0"}, ("__cuda=12.4",)),
    "no GPU": CondaCase(("gpu",), {"gpu": "1 cpu_0"}),
    "a GPU": CondaCase(("gpu",), {"gpu": "1 cuda_0"}, ("__cuda=12.4",)),
    "the first channel decides": CondaCase(("both",), {"both": "1"}),
    "the newest of all channels": CondaCase(
        ("both",), {"both": "2"}, options={"channel_priority": "disabled"}
    ),
    "the second channel": CondaCase(("far",), {"far": "1"}),
    "another platform": CondaCase(("mac",), {"mac": "1"}, platform=MAC),
    "not for this platform": CondaCase(("mac",), NoSolution),
}


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The URLs of two channels."""
    root = tmp_path_factory.mktemp("tree")
    for name, recipes in (("first", _TREE), ("second", _OTHER)):
        records: dict[str, Any] = {}
        for recipe in recipes:
            records |= pack(recipe, root / name)
        write_channel(root / name, records)
    return (root / "first").as_uri(), (root / "second").as_uri()


def spec_of(*conda: str, channels: tuple[str, ...], **more: Any) -> EnvSpec:
    options = more.pop("options", {})
    return EnvSpec.make(
        requirements={"conda": conda, "sys": more.pop("sys", ())},
        python=more.pop("python", MINOR),
        sources=[Source.make("channel", url) for url in channels],
        options=Options.make(**options),
    )


class Asking:
    def __init__(self, worker: Worker, folder: Path) -> None:
        self.worker, self.folder = worker, folder

    def __call__(
        self, spec: EnvSpec, engine: str, platform: str = LINUX, **context: Any
    ) -> Resolution:
        own = ResolveContext(cache_dir=self.folder / "cache", conda_engine=engine, **context)
        return CondaResolver(self.worker).resolve(spec, [platform], own)[platform]


@pytest.fixture
def ask(worker: Worker, tmp_path: Path) -> Asking:
    return Asking(worker, tmp_path)


@every_engine
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_engine_answers_as_rattler_does(
    ask: Asking, engine: str, name: str, tree: tuple[str, str], channels: Channels
) -> None:
    case = CASES[name]
    spec = spec_of(
        *case.asked,
        channels=(*tree, channels.main.as_uri()),
        sys=case.sys,
        options=case.options,
    )
    if isinstance(case.found, type):
        for one in ("rattler", engine):
            with pytest.raises(case.found) as caught:
                ask(spec, one, case.platform)
            assert caught.type is case.found
        return
    ours, theirs = (ask(spec, one, case.platform) for one in ("rattler", engine))
    names = {
        one.name: f"{one.version} {one.build}" if " " in case.found[one.name] else one.version
        for one in theirs.packages
        if one.name in case.found
    }
    assert names == case.found
    described = [
        sorted((one.to_dict() for one in each.packages), key=lambda one: str(one["name"]))
        for each in (ours, theirs)
    ]
    assert described[0] == described[1]


def _table() -> str:
    """The cases by engine, as the README has them."""
    rows = [
        "| case | rattler | " + " | ".join(FAMILY) + " |",
        "|---" * (2 + len(FAMILY)) + "|",
    ]
    for name, case in CASES.items():
        if isinstance(case.found, type):
            found = f"`{case.found.__name__}`"
        else:
            found = ", ".join(f"{one} {version}" for one, version in case.found.items())
        rows.append(f"| {name} | {found} |" + " = |" * len(FAMILY))
    return "\n".join(rows)


def test_the_readme_has_the_cases() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text()
    own = text.partition("<!-- conda cases -->")[2].partition("<!-- /conda cases -->")[0]
    assert own.strip() == _table()


@every_engine
@pytest.mark.slow
def test_pypi_packages_stand_beside_its_choice(
    worker: Worker, tmp_path: Path, engine: str, channels: Channels
) -> None:
    with FakeIndex(make_wheel("top", "1", requires=["requests>=2"])) as index:
        spec = EnvSpec.make(
            requirements={"conda": ["requests"], "pypi": ["top"]},
            python="",
            sources=[
                Source.make("channel", channels.main.as_uri()),
                Source.make("index", index.url),
            ],
        )
        found = {
            one: MixedResolver(worker).resolve(
                spec, [HOST], ResolveContext(cache_dir=tmp_path / "cache", conda_engine=one)
            )[HOST]
            for one in ("rattler", engine)
        }
    assert {one.name for one in found[engine].packages} >= {"top", "requests", "python"}
    assert found[engine].python == found["rattler"].python


@every_engine
@pytest.mark.slow
def test_packages_stay_where_they_can(
    ask: Asking, engine: str, tree: tuple[str, str], channels: Channels
) -> None:
    urls = (*tree, channels.main.as_uri())
    newer = ("__glibc=2.35",)
    old = ask(spec_of("leaf <2", channels=urls, sys=newer), "rattler").packages
    gone = ask(spec_of("far", channels=urls, sys=newer), "rattler").packages
    for key in ("held", "preferred"):
        stay: dict[str, Any] = {key: {LINUX: [*old, *gone]}}
        kept = ask(spec_of("leaf", channels=urls, sys=newer), engine, **stay)
        # What nothing needs any more is not kept.
        assert {one.name: one.version for one in kept.packages if one.name in ("leaf", "far")} == {
            "leaf": "1"
        }
    with pytest.raises(NoSolution):
        ask(spec_of("leaf >=2", channels=urls, sys=newer), engine, held={LINUX: old})
    moved = ask(spec_of("leaf >=2", channels=urls, sys=newer), engine, preferred={LINUX: old})
    assert {one.name: one.version for one in moved.packages}["leaf"] == "2"


@pytest.mark.slow
def test_a_channel_that_a_requirement_names_is_read(
    ask: Asking, tmp_path: Path, tree: tuple[str, str], channels: Channels
) -> None:
    engine = str(write_standin(tmp_path / "bin", "micromamba"))
    spec = spec_of(f"{tree[1]}::far", channels=(tree[0], channels.main.as_uri()))
    found = {one.name: one for one in ask(spec, engine).packages}
    assert found == {one.name: one for one in ask(spec, "rattler").packages}
    assert found["far"].source == tree[1]


# What a `.condarc` says of channels, `ROOT` being where those of the tree are.
CONFIGURED = {
    "channel_alias": ("first", {"channel_alias": "ROOT"}),
    "custom_channels": ("first", {"custom_channels": {"first": "ROOT"}}),
    "default_channels": ("defaults", {"default_channels": ["ROOT/second", "ROOT/first"]}),
    "custom_multichannels": ("site", {"custom_multichannels": {"site": ["ROOT/first"]}}),
}


# Stand-ins know of two ways: one place, and several; and mamba's is micromamba's.
_CONFIGURED = [
    pytest.param(tuple(one.values), key, id=f"{one.id}-{key}", marks=one.marks)
    for one in _engines()
    for key in CONFIGURED
    if one.values[1]
    or (one.values[0] != "mamba" and key in ("custom_channels", "default_channels"))
]


def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    """Have a `.condarc` of that JSON, which YAML is."""
    path = tmp_path / ".condarc"
    path.write_text(text)
    # By its name alone, as from where the program's user is.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONDARC", path.name)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "key"), _CONFIGURED, indirect=["engine"])
def test_its_configuration_says_where_names_are(
    ask: Asking,
    *,
    engine: str,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    """No place of a name is asked but that; what is found is what is there, under that name."""
    name, configured = CONFIGURED[key]
    root = tree[0].rpartition("/")[0]
    configure(monkeypatch, tmp_path, json.dumps(configured).replace("ROOT", root))
    main = channels.main.as_uri()
    found = {one.name: one for one in ask(spec_of("twig", channels=(name, main)), engine).packages}
    ours = ask(spec_of("twig", channels=(tree[0], main)), "rattler").packages
    assert found["twig"].source == found["leaf"].source == name
    alike = [one.to_dict() | {"source": None} for one in (*found.values(), *ours)]
    assert sorted(map(str, alike[: len(found)])) == sorted(map(str, alike[len(found) :]))
    # What is not there is looked for there, too.
    with pytest.raises(UnknownPackage) as caught:
        ask(spec_of("nowhere", channels=(name, main)), engine)
    if Path(engine).name != "conda":
        assert f"looked in {root}" in str(caught.value.hint)


def test_the_forms_in_which_conda_shows_channels(tmp_path: Path) -> None:
    """Those of its own code: a place is host and path, and a path below no host is all name."""
    asked: list[list[str]] = []

    def parts(scheme: str, location: str, name: str) -> dict[str, Any]:
        return {
            "auth": "ada:s3cret",
            "location": location,
            "name": name,
            "scheme": scheme,
            "token": "x",
        }

    def look(arguments: Sequence[str], variables: Mapping[str, str]) -> dict[str, Any]:
        assert not variables
        asked.append([*arguments])
        return {
            "channel_alias": parts("https", "mirror.test:8443/conda", ""),
            "custom_channels": {"pkgs/main": parts("https", "repo.test", "pkgs/main"),
                                "team": parts("file", "/srv/channels", "team")},
            "custom_multichannels": {"defaults": [parts("https", "repo.test", "pkgs/main"),
                                                  parts("file", "", "srv/local")]},
        }  # fmt: skip

    named = ("defaults", "bioconda", "team/label/dev", "https://other.test/c")
    question = CondaQuestion.make(
        spec_of("leaf", channels=named), LINUX, ResolveContext(cache_dir=tmp_path),
        alias=CHANNEL_ALIAS, format_=".conda",
    )  # fmt: skip
    places = Places("conda", question, look)
    assert places.at().channels == {
        "https://repo.test/pkgs/main": "defaults",
        "file:///srv/local": "defaults",
        "https://mirror.test:8443/conda/bioconda": "bioconda",
        "file:///srv/channels/team/label/dev": "team/label/dev",
        "https://other.test/c": "https://other.test/c",
    }
    assert places.source("https://repo.test/pkgs/r") is None
    keys = ["channel_alias", "custom_channels", "custom_multichannels"]
    assert asked == [["config", "--show", *keys, "--json"]]


@pytest.mark.slow
def test_a_mirror_stands_for_a_channel(
    ask: Asking,
    *,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = str(write_standin(tmp_path / "bin", "micromamba"))
    mirrors = {"first": [tree[0], "http://gone.test/first"]}
    configure(monkeypatch, tmp_path, json.dumps({"mirrored_channels": mirrors}))
    found = ask(spec_of("leaf", channels=("first", channels.main.as_uri())), engine)
    leaf = next(one for one in found.packages if one.name == "leaf")
    assert (leaf.source, leaf.url) == ("first", f"{tree[0]}/noarch/{leaf.filename}")


@pytest.mark.slow
def test_an_alias_of_ours_decides(
    worker: Worker,
    *,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is said of the request, and so holds for who answers it."""
    engine = str(write_standin(tmp_path / "bin", "conda", tmp_path / "log"))
    configure(monkeypatch, tmp_path, json.dumps({"channel_alias": "http://gone.test"}))
    spec = spec_of("second::far", channels=("first", channels.main.as_uri()))
    resolver = CondaResolver(worker, channel_alias=tree[0].rpartition("/")[0])
    context = {
        one: ResolveContext(cache_dir=tmp_path / "cache", conda_engine=one)
        for one in ("rattler", engine)
    }
    ours, theirs = (resolver.resolve(spec, [LINUX], one)[LINUX] for one in context.values())
    assert {one.name: one for one in ours.packages} == {one.name: one for one in theirs.packages}
    told = Told(tmp_path / "log")
    places = [told.argv[at + 1] for at, one in enumerate(told.argv) if one == "--channel"]
    assert places == [tree[0], channels.main.as_uri(), tree[1]]
    assert f"{tree[1]}::far" in told.argv


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["micromamba", "conda"])
def test_a_name_in_a_requirement_is_its_own_too(
    ask: Asking,
    *,
    kind: str,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = str(write_standin(tmp_path / "bin", kind))
    alias = tree[0].rpartition("/")[0]
    configure(monkeypatch, tmp_path, json.dumps({"channel_alias": alias}))
    found = ask(spec_of("second::far", channels=("first", channels.main.as_uri())), engine)
    far = next(one for one in found.packages if one.name == "far")
    # The description has what it would have from anybody.
    assert (far.source, far.url) == (
        "https://conda.anaconda.org/second",
        f"{tree[1]}/noarch/{far.filename}",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("http://evil.test/c", "from http://evil.test/c, which is no channel of the request"),
        ("oci://evil.test/c", "from oci://evil.test/c, and what we can fetch lies at https"),
    ],
)
def test_a_place_that_no_name_has_is_refused(
    ask: Asking,
    *,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    said: str,
) -> None:
    alias = tree[0].rpartition("/")[0]
    configure(monkeypatch, tmp_path, json.dumps({"channel_alias": alias, "channels": [place]}))
    engine = changed(
        tmp_path, f"one |= {{'channel': {place!r}, 'url': {place!r} + '/noarch/' + one['fn']}}"
    )
    with pytest.raises(EngineFailed) as caught:
        ask(spec_of("leaf", channels=("first", channels.main.as_uri())), engine)
    assert said in str(caught.value)


class Told:
    """What a stand-in was given when it was last asked to solve."""

    def __init__(self, log: Path) -> None:
        starts = [json.loads(line) for line in log.read_text().splitlines()]
        last = [one for one in starts if "create" in one["argv"]][-1]
        self.argv: list[str] = last["argv"]
        self.env: dict[str, str] = last["env"]


@pytest.mark.parametrize("kind", FAMILY)
def test_its_configuration_is_what_it_finds_and_ours_is_not(
    ask: Asking,
    *,
    kind: str,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = write_standin(tmp_path / "bin", kind, tmp_path / "log")
    kept = {
        "HOME": str(tmp_path),
        "CONDARC": "/some/condarc",
        "MAMBARC": "/some/mambarc",
        "CONDA_SSL_VERIFY": "/some/certificates",
        "SITE_TOKEN": "of-its-plugin",
    }
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    for name in ("MFENV_STORE", "METAFLOW_SERVICE_AUTH_KEY", "CONDA_OVERRIDE_CUDA", "PYTHONPATH"):
        monkeypatch.setenv(name, "9.9")
    seen: list[str] = []
    spec = spec_of(
        "leaf~=1.0",
        channels=(*tree, channels.main.as_uri()),
        sys=("__glibc=2.31",),
        python=f"~={MINOR}.0",
    )
    ask(spec, str(engine), on_process=seen.append)
    told = Told(tmp_path / "log")
    # mamba 2.0 does not read `~=`.
    assert told.argv[-2:] == [f"python >={MINOR}.0,{MINOR}.*", "leaf>=1.0,1.*"]
    assert {name: told.env[name] for name in kept} == kept
    assert not {"MFENV_STORE", "METAFLOW_SERVICE_AUTH_KEY", "PYTHONPATH"} & told.env.keys()
    assert told.env["CONDA_SUBDIR"] == LINUX
    assert (told.env["CONDA_OVERRIDE_GLIBC"], told.env["CONDA_OVERRIDE_CUDA"]) == ("2.31", "")
    assert told.env["CONDA_OVERRIDE_ARCHSPEC"] == "x86_64"
    assert told.env["CONDA_CHANNEL_PRIORITY"] == told.env["MAMBA_CHANNEL_PRIORITY"] == "strict"
    places = [told.argv[at + 1] for at, one in enumerate(told.argv) if one == "--channel"]
    assert places == [*tree, channels.main.as_uri()]
    assert seen[-1] == f"{kind} create --dry-run {LINUX}"
    assert not Path(told.argv[told.argv.index("--prefix") + 1]).exists()


@pytest.mark.slow
def test_a_login_is_in_no_argument_and_no_answer(
    worker: Worker,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    root = Path(tree[0].removeprefix("file://"))
    ask = Asking(worker, tmp_path)
    with ChannelServer(root) as server:
        credentials = Credentials()
        credentials.add(server.url.replace("://", "://ada:s3cret word@"))
        spec = spec_of("leaf", channels=(server.url, channels.main.as_uri()))
        for kind in FAMILY:
            engine = str(write_standin(tmp_path / "bin", kind, tmp_path / "log"))
            found = ask(spec, engine, credentials=credentials)
            told = Told(tmp_path / "log")
            assert "s3cret" not in json.dumps(told.argv) + json.dumps(told.env) + caplog.text
            assert not Path(told.env["NETRC"]).exists()
            assert "s3cret" not in json.dumps([one.to_dict() for one in found.packages])
        # The first that heed `NETRC`.
        old = program(tmp_path / "old", "micromamba", "", "1.4.2")
        with pytest.raises(UnsupportedRequest, match=r"micromamba 1\.4\.2 takes from"):
            ask(spec, old, credentials=credentials)
        credentials = Credentials()
        plain = credentials.add(f"{server.url}/t/abcdefgh/c")
        with pytest.raises(UnsupportedRequest, match="has a token") as caught:
            ask(spec_of("leaf", channels=(plain,)), engine, credentials=credentials)
        assert "abcdefgh" not in str(caught.value)


def test_the_login_lies_in_a_file_of_this_user_alone(
    ask: Asking, tmp_path: Path, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "netrc-of-the-user"
    own.write_text("machine other.test login bob password hidden\n")
    monkeypatch.setenv("NETRC", str(own))
    engine = program(
        tmp_path / "bin",
        "conda",
        "import os, shutil; shutil.copy2(os.environ['NETRC'], sys.argv[0] + '.netrc')\n"
        "print('garbage')",
    )
    credentials = Credentials()
    credentials.add("http://ada:it%27s+%22x%22@channel.test/c")
    with pytest.raises(EngineFailed):
        ask(spec_of("leaf", channels=("http://channel.test/c",)), engine, credentials=credentials)
    from netrc import netrc

    copy = Path(f"{engine}.netrc")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    found = {host: (login, password) for host, (login, _, password) in netrc(copy).hosts.items()}
    assert found == {"channel.test": ("ada", 'it\'s+"x"'), "other.test": ("bob", "hidden")}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="netrc of this Python reads no quoted words")
@pytest.mark.parametrize("password", ["a b", '"a"', "#a", "a\\b", ""])
def test_a_login_that_must_be_quoted(tmp_path: Path, password: str) -> None:
    from netrc import netrc

    file = tmp_path / "netrc"
    file.write_text(f"machine host.test login ada password {_word(password)}\n")
    assert netrc(file).authenticators("host.test") == ("ada", "", password)


def program(folder: Path, name: str, text: str, version: str = "26.7.0") -> str:
    """A program that says its version, and whose text decides about the rest."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"if '--version' in sys.argv: print({version!r}); sys.exit()\n{text}\n"
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("print('hello')", "its answer is not JSON: hello"),
        ("print('{\"success\": tr')", "its answer ends early, after 15 characters"),
        (
            'print(\'{\\n "actions": {\\n  "LINK": [\\n   {"name": "leaf"}\'); sys.exit(3)',
            "its answer ends early, after 48 characters (exit code 3)",
        ),
        ("print(json.dumps({'fetch': 'x'}) + '\\n\\0'); print('{')", "its answer ends early"),
        ("pass", "its answer is not JSON: it says nothing"),
        ("sys.exit(139)", "its answer is not JSON: it says nothing (exit code 139)"),
        ("import os; os.kill(os.getpid(), 9)", "it says nothing (ended by signal 9)"),
        (
            "print(json.dumps({'success': True, 'actions': {}})); sys.exit(1)",
            "its answer is whole, and it does not say what failed (exit code 1)",
        ),
        ("print(json.dumps({'success': False, 'actions': {}}))", "does not say what failed"),
        (
            (
                "print(json.dumps({'exception_name': 'ToSError', 'message': 'not accepted for:\\n  - main',"
                " 'error': 'ToSError: not accepted for:\\n  - main\\nrun `conda tos accept`'}))"
            ),
            "failed: not accepted for: - main run `conda tos accept`",
        ),
        (
            "print(json.dumps({'exception_name': 'Odd', 'log_records': 5}))",
            "does not say what failed",
        ),
        (
            "sys.exit('Segmentation fault')",
            "its answer is not JSON: Segmentation fault (exit code 1)",
        ),
        ("print('[1]')", "its answer is not JSON"),
        ("print(json.dumps({'success': True, 'actions': {'LINK': [1]}}))", "has another form"),
        (
            "print(json.dumps({'exception_name': 'OddError', 'message': 'it is\\n\\nodd.'}))",
            "failed: it is",
        ),
        ("print(json.dumps({'success': True, 'actions': {}})); sys.exit('odd')", "failed: odd"),
        (
            "print(json.dumps({'success': False, 'log_records': [{'message': 'no root prefix'}]}))",
            "failed: no root prefix",
        ),
        ("import time; time.sleep(60)", "has not answered within 1 s"),
    ],
)
def test_an_answer_that_is_none_is_one_line(
    ask: Asking, *, tmp_path: Path, channels: Channels, kind: str, text: str, said: str
) -> None:
    engine = program(tmp_path / "bin", kind, text)
    patience = Patience(silence=0.02)
    with pytest.raises(EngineFailed) as caught:
        ask(spec_of("leaf", channels=(channels.main.as_uri(),)), engine, patience=patience)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "conda_resolver" in str(caught.value.hint)


@pytest.mark.parametrize(
    "text",
    [
        "sys.exit('critical libmamba Download error (7) Could not connect to server [URL]')",
        (
            "print(json.dumps({'success': False, 'log_records':"
            " [{'message': 'Could not resolve host for URL'}]}))"
        ),
        (
            "print(json.dumps({'exception_name': 'CondaHTTPError',"
            " 'message': 'HTTP 000 CONNECTION FAILED for url <URL>\\nElapsed: -'}))"
        ),
        (
            "print(json.dumps({'exception_name': 'UnavailableInvalidChannel',"
            " 'message': 'HTTP 503 BUSY for channel x <URL>'}))"
        ),
    ],
)
def test_a_channel_that_it_cannot_read_is_named(ask: Asking, tmp_path: Path, text: str) -> None:
    with ChannelServer(tmp_path) as server:
        gone = server.url
    engine = program(tmp_path / "bin", "conda", text.replace("URL", f"{gone}/noarch/repodata.json"))
    with pytest.raises(IndexUnreachable) as caught:
        ask(spec_of("leaf", channels=(gone,)), engine, patience=Patience(tries=1, silence=5))
    assert gone in caught.value.where


@pytest.mark.parametrize(
    ("engine", "version", "said"),
    [
        ("conda", None, "conda failed: it is not on PATH"),
        ("/nowhere/micromamba", None, "there is none at that path"),
        ("micromamba", "1.3.1", "is 1.3.1, and 1.4 is the oldest that will do"),
        ("conda", "22.9.0", "is 22.9.0, and 23.1 is the oldest that will do"),
        ("mamba", "none at all", "it does not say its version"),
        ("micromamba", "conda 4.14.0", "it says that it is conda 4.14.0"),
        ("mamba", "mamba 1.3.0\nconda 23.1.0", "is 1.3.0, and 1.4 is the oldest that will do"),
    ],
)
def test_a_program_that_will_not_do_is_named(
    ask: Asking,
    *,
    tmp_path: Path,
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    version: str | None,
    said: str,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if version:
        program(tmp_path / "bin", engine, "", version)
    with pytest.raises(EngineFailed) as caught:
        ask(spec_of("leaf", channels=(channels.main.as_uri(),)), engine)
    assert said in str(caught.value)
    assert "conda_resolver" in str(caught.value.hint)


def test_what_is_no_program_is_not_said_to_be_missing(ask: Asking, tmp_path: Path) -> None:
    (tmp_path / "mamba").mkdir()
    (tmp_path / "conda").write_text("#!/bin/sh\n")
    for name in ("mamba", "conda"):
        with pytest.raises(EngineFailed, match="no program that can be started"):
            ask(spec_of("leaf", channels=("file:///nowhere",)), str(tmp_path / name))


@pytest.mark.parametrize("place", ["bin/micromamba", "./bin/micromamba", None])
def test_a_relative_path_is_from_where_we_are(
    ask: Asking,
    *,
    tmp_path: Path,
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
    place: str | None,
) -> None:
    """That of the program, or of the folder on PATH that has it."""
    write_standin(tmp_path / "bin", "micromamba")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"bin{os.pathsep}{os.defpath}")
    found = ask(spec_of("six", channels=(channels.main.as_uri(),)), place or "micromamba")
    assert "six" in {one.name for one in found.packages}


def test_what_it_cannot_be_told_is_refused(
    ask: Asking, tmp_path: Path, tree: tuple[str, str]
) -> None:
    engine = str(write_standin(tmp_path / "bin", "micromamba"))
    for more, said in (
        ({"options": {"exclude_newer": "2026-01-01"}}, "cut-off date"),
        ({"sys": ("__rocm=6",)}, "cannot be told of `__rocm=6=0`"),
    ):
        with pytest.raises(UnsupportedRequest, match=said):
            ask(spec_of("leaf", channels=tree, **more), engine)
    with pytest.raises(UnsupportedRequest, match="is not called like a program"):
        ask(spec_of("leaf", channels=tree), str(tmp_path / "solver"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", ["pass", "one['url'] = one['url'].replace('localhost', 'LocalHost')"]
)
def test_hosts_in_capitals(
    ask: Asking, tmp_path: Path, tree: tuple[str, str], channels: Channels, change: str
) -> None:
    """Are the same, whoever writes them so."""
    with ChannelServer(Path(tree[0].removeprefix("file://"))) as server:
        url = server.url.replace("http://127.0.0.1", "HTTP://LocalHost")
        spec = spec_of("leaf", channels=(url, channels.main.as_uri()))
        found = [
            {one.name: one for one in ask(spec, engine).packages}["leaf"]
            for engine in ("rattler", changed(tmp_path, change))
        ]
    assert found[0] == found[1]
    assert found[0].source == url


@every_engine
@pytest.mark.slow
def test_a_package_that_is_asked_for_by_its_hash(
    ask: Asking, engine: str, tree: tuple[str, str], channels: Channels
) -> None:
    """Or by what else only its channel says of it."""
    place = f"{tree[0]}/noarch/leaf-1-a_0.conda"
    urls = (*tree, channels.main.as_uri())
    own = {one.name: one for one in ask(spec_of(place, channels=urls), "rattler").packages}["leaf"]
    for text in (
        f"{place}#{own.hashes.sha256}",
        f"{place}#{own.hashes.md5}",
        f"leaf[sha256={own.hashes.sha256}]",
    ):
        found = {one.name: one for one in ask(spec_of(text, channels=urls), engine).packages}
        assert found["leaf"] == own
    with pytest.raises(NoSolution):
        ask(spec_of(f"{place}#{'0' * 64}", channels=urls), engine)


@every_engine
@pytest.mark.slow
def test_what_only_a_record_says_is_told_as_the_build_that_is_meant(
    ask: Asking, engine: str, tree: tuple[str, str], channels: Channels
) -> None:
    """conda's libmamba solver refuses such keys by name, and old releases of mamba pass them over."""
    urls = (*tree, channels.main.as_uri())
    for text, build in (
        ("gpu[build_number='0']", "cpu_0"),
        ("gpu[version='>=1',build_number='>=1']", "cuda_0"),
    ):
        found = ask(spec_of(text, channels=urls, sys=("__cuda=12.4",)), engine)
        assert [one.build for one in found.packages if one.name == "gpu"] == [build]
    with pytest.raises(NoSolution) as caught:
        ask(spec_of("gpu[build_number='7']", channels=urls), engine)
    assert caught.type is NoSolution
    assert "gpu[build_number='7']" in str(caught.value)


@every_engine
@pytest.mark.slow
def test_what_should_stay_is_put_together_with_what_is_asked(
    ask: Asking, engine: str, tree: tuple[str, str], channels: Channels
) -> None:
    """conda fails where two requirements of one package say builds that are not the same."""
    urls = (*tree, channels.main.as_uri())
    here = ("__cuda=12.4",)
    old = ask(spec_of("gpu==1=cpu_0", channels=urls, sys=here), "rattler").packages
    for key in ("held", "preferred"):
        stay: dict[str, Any] = {key: {LINUX: old}}
        kept = ask(spec_of("gpu=1=c*", channels=urls, sys=here), engine, **stay)
        assert [one.build for one in kept.packages if one.name == "gpu"] == ["cpu_0"]
    with pytest.raises(NoSolution):
        ask(spec_of("gpu==1=cuda_0", channels=urls, sys=here), engine, held={LINUX: old})
    moved = ask(spec_of("gpu==1=cuda_0", channels=urls, sys=here), engine, preferred={LINUX: old})
    assert [one.build for one in moved.packages if one.name == "gpu"] == ["cuda_0"]
    with pytest.raises(NoSolution):
        ask(spec_of("gpu==1=cuda_0", "gpu==1=cpu_0", channels=urls, sys=here), engine)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "text", "error"),
    [
        # mamba 1 writes for a person, whatever is asked of it, and a little JSON at its end.
        (
            "leaf",
            (
                "print('Could not solve for environment specs\\nThe following package could not be"
                ' installed\\n└─ leaf >=3 does not exist.\\n\\n{\\n    "success": false\\n}\')'
            ),
            NoSolution,
        ),
        (
            "nowhere",
            "print('Encountered problems while solving:\\n  - nothing provides requested nowhere')",
            UnknownPackage,
        ),
        # conda says of all that does not go together that there is no such package.
        (
            "leaf >=2",
            (
                "print(json.dumps({'exception_name': 'PackagesNotFoundInChannelsError',"
                " 'packages': [\"leaf[version='>=2,==1']\"]}))"
            ),
            NoSolution,
        ),
        # mamba lets go of what names its channel and cannot be had, and says that all is well.
        (
            "leaf",
            (
                "print(json.dumps({'success': True, 'actions': {'LINK': [{'name': 'python',"
                " 'version': '1', 'build': '0', 'channel': 'x'}]}})); sys.exit(0)"
            ),
            NoSolution,
        ),
    ],
)
def test_no_solution_in_each_form(
    ask: Asking,
    *,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    asked: str,
    text: str,
    error: type[NoSolution],
) -> None:
    engine = program(tmp_path / "bin", "mamba", f"{text}; sys.exit(1)", "1.5.8")
    with pytest.raises(NoSolution) as caught:
        ask(spec_of(asked, channels=(*tree, channels.main.as_uri())), engine)
    assert caught.type is error
    assert asked.partition(" ")[0] in str(caught.value)


CHANGES = {
    "no sha256": "del one['sha256']",
    "no URL": "one['url'] = ''",
    # As some list what they take this machine to have beside it.
    "__glibc": (
        "answer['actions']['LINK'] = [*answer['actions']['LINK'], {'name': '__glibc', 'version':"
        " '2.28', 'build': '0', 'url': 'installed/__glibc', 'subdir': ''}]"
    ),
    "neither": "del one['sha256'], one['url']",
    "a hash behind": "one['url'] += '#' + '0' * 32",
    "a slash twice": "one['url'] = one['url'].replace('/noarch/', '//noarch/')",
    "one slash": "one['url'] = one['url'].replace('file:///', 'file:/')",
}


def changed(folder: Path, change: str, name: str = "leaf") -> str:
    """micromamba's stand-in, with a change in all that it says of a package."""
    inner = write_standin(folder / "inner", "micromamba")
    return program(
        folder / "bin",
        "micromamba",
        "import subprocess\n"
        f"done = subprocess.run([{str(inner)!r}, *sys.argv[1:]], capture_output=True, text=True)\n"
        "answer = json.loads(done.stdout)\n"
        "for key in ('LINK', 'FETCH') if 'actions' in answer else ():\n"
        "    for one in answer['actions'][key]:\n"
        f"        if one['name'] == {name!r}:\n"
        f"            {change}\n"
        "print('warning  libmamba is noisy')\nprint(json.dumps(answer))",
        "2.8.1",
    )


@pytest.mark.slow
def test_what_is_for_terminals_is_passed_over(
    ask: Asking, tmp_path: Path, tree: tuple[str, str], channels: Channels
) -> None:
    """Or says the encoding; what its configuration forces there stands before its answer."""
    spec = spec_of("leaf", channels=(*tree, channels.main.as_uri()))
    for before in ("\x1b[?25h\x1b[0m", "\ufeff", '{"progress": 1}\n\0'):
        engine = changed(tmp_path, "pass")
        said = Path(engine).read_text()
        said = said.replace("print('warning  libmamba is noisy')", f"print({before!r}, end='')")
        Path(engine).write_text(said)
        assert "leaf" in {one.name for one in ask(spec, engine).packages}
    # What a plugin writes stands behind it.
    # conda 24.11 says once more that all is well.
    for behind in ({"fetch": "x"}, {"success": True}):
        Path(engine).write_text(f"{Path(engine).read_text()}\nprint(json.dumps({behind}))\n")
        assert "leaf" in {one.name for one in ask(spec, engine).packages}
    engine = program(tmp_path / "bin", "conda", "sys.exit('\\x1b[31mno\\x1b[0m root')")
    with pytest.raises(EngineFailed, match="its answer is not JSON: no root"):
        ask(spec, engine)


@pytest.mark.parametrize(
    "answer",
    [
        {"success": False, "solver_problems": ["nothing provides leaf in SECRET"]},
        {"exception_name": "PackagesNotFoundInChannelsError", "packages": ["SECRET::leaf"]},
        {"exception_name": "OddError", "message": "SECRET"},
        # It is cut off where it is too long to be shown.
        {"success": True, "actions": {"LINK": [{"pad": "x" * 1920, "url": "SECRET"}, 1]}},
    ],
)
def test_a_secret_that_it_tells_is_shown_nowhere(
    ask: Asking, tmp_path: Path, tree: tuple[str, str], channels: Channels, answer: dict[str, Any]
) -> None:
    url = f"https://ada:{'s3cret' * 20}@host.test/t/s3cret-token/c"
    text = json.dumps(answer).replace("SECRET", url)
    engine = program(tmp_path / "bin", "micromamba", f"print({text!r})")
    with pytest.raises(ResolveError) as caught:
        ask(spec_of("leaf", channels=(tree[0], channels.main.as_uri())), engine)
    assert "s3cret" not in f"{caught.value} {caught.value.hint} {vars(caught.value)}"


@pytest.mark.slow
def test_what_is_added_to_python_is_not_there(
    ask: Asking, tmp_path: Path, tree: tuple[str, str], channels: Channels
) -> None:
    """conda-libmamba-solver 24.7.0 adds pip, whatever `add_pip_as_python_dependency` is."""
    spec = spec_of("leaf", channels=(*tree, channels.main.as_uri()))
    engine = changed(tmp_path, "one['depends'] += ['pip']", "python")
    ours, theirs = (ask(spec, one).packages for one in ("rattler", engine))
    assert {one.name: one for one in ours} == {one.name: one for one in theirs}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_record_lacks_comes_from_the_channel(
    ask: Asking, tmp_path: Path, tree: tuple[str, str], channels: Channels, change: str
) -> None:
    spec = spec_of("leaf", channels=(*tree, channels.main.as_uri()))
    ours = {one.name: one for one in ask(spec, "rattler").packages}
    theirs = {one.name: one for one in ask(spec, changed(tmp_path, CHANGES[change])).packages}
    assert theirs["leaf"] == ours["leaf"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ("one['url'] = 'http://evil.test/c/noarch/' + one['fn']", EngineFailed, "no channel of"),
        ("one['url'] = 'http://[x/c/noarch/' + one['fn']", EngineFailed, "no channel of"),
        ("del one['url']; one['build_string'] = one['build'] = 'x'", EngineFailed, "no channel does"),
        ("one['version'] = '0.5'", EngineFailed, "says that `leaf-1-a_0.conda` is leaf 0.5 a_0"),
        (
            "one |= {'version': '0.5', 'fn': 'x', 'url': one['url'].replace('leaf-1', 'leaf-0.5')}",
            RequirementsUnmet,
            "`leaf-0.5-a_0.conda` is not in file:",
        ),
        (
            "one['sha256'] = '0' * 64",
            RequirementsUnmet,
            "`leaf-1-a_0.conda` has the sha256 0{64}, and [0-9a-f]{64} in its channel",
        ),
        ("one['md5'] = '0' * 32", RequirementsUnmet, "has the md5 0{32}, and "),
        ("one['size'] = 1", RequirementsUnmet, "has the size 1, and "),
        ("one['build_number'] = -7", RequirementsUnmet, "has the build_number -7, and 0"),
        ("one['noarch'] = 'python'", RequirementsUnmet, "has the noarch python, and none in its channel"),
        (
            "one['depends'] = ['stem']",
            RequirementsUnmet,
            "`leaf-1-a_0.conda` needs `stem` here, and not in its channel",
        ),
        (
            "one['constrains'] = ['python <3']",
            RequirementsUnmet,
            "goes with `python <3` here, and not in its channel",
        ),
        *(
            (f"one[{key!r}] = {value!r}", EngineFailed, "has another form than is known")
            for key, value in {
                "build_number": "x",
                "size": "1",
                "depends": "python",
                "constrains": [1],
                "sha256": 7,
                "url": ["x"],
                "noarch": True,
                "version": 1,
                "purls": {},
            }.items()
        ),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_hold_is_refused(
    ask: Asking,
    *,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    change: str,
    error: type[ResolveError],
    said: str,
) -> None:
    spec = spec_of("leaf >=1", channels=(*tree, channels.main.as_uri()))
    with pytest.raises(error, match=said) as caught:
        ask(spec, changed(tmp_path, change))
    assert caught.value.hint


@pytest.mark.slow
def test_a_channel_that_only_the_tool_can_read_is_named(
    ask: Asking,
    *,
    tmp_path: Path,
    tree: tuple[str, str],
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has chosen, by a login of its own, and we cannot see whether that is in the channel."""
    root, _, name = tree[0].rpartition("/")
    configure(monkeypatch, tmp_path, json.dumps({"channel_alias": root}))
    with ChannelServer(Path(urlsplit(root).path), login=("ada", "s3cret")) as server:
        engine = changed(tmp_path, f"one['url'] = one['url'].replace({root!r}, {server.url!r})")
        with pytest.raises(IndexUnreachable) as caught:
            ask(spec_of("leaf", channels=(name, channels.main.as_uri())), engine)
    assert (caught.value.where, caught.value.status) == (f"{server.url}/{name}", 401)


@pytest.mark.slow
def test_what_a_package_needs_is_what_its_channel_says(
    ask: Asking, tmp_path: Path, tree: tuple[str, str], channels: Channels
) -> None:
    spec = spec_of("twig", channels=(*tree, channels.main.as_uri()))
    engine = changed(tmp_path, "one['depends'] = []", "twig")
    with pytest.raises(
        RequirementsUnmet, match=r"`twig-2-a_0\.conda` needs `leaf <2` in its channel"
    ):
        ask(spec, engine)
    # However it writes that.
    engine = changed(tmp_path, "one['depends'] = ['leaf  < 2']", "twig")
    assert {one.name for one in ask(spec, engine).packages} >= {"leaf", "twig"}


@pytest.mark.slow
def test_an_answer_to_another_question_is_refused(
    ask: Asking, tmp_path: Path, tree: tuple[str, str], channels: Channels
) -> None:
    """Each package is what its channel has, and they are not what was asked for."""
    channel = channels.main.as_uri()
    inner = write_standin(tmp_path / "inner", "micromamba")
    for change, asked, said in (
        ("argv = [one for one in argv if one != 'leaf>=2']; argv += ['leaf <2']", "leaf>=2",
         "`leaf>=2` is asked for, and there is leaf 1"),
        ("os.environ['CONDA_OVERRIDE_GLIBC'] = '2.99'", "leaf",
         r"leaf needs `__glibc >=2.30`, and there is __glibc 2\.28"),
    ):  # fmt: skip
        engine = program(
            tmp_path / "bin",
            "micromamba",
            f"import os\nargv = sys.argv[1:]\n{change}\n"
            f"os.execv({str(inner)!r}, [{str(inner)!r}, *argv])",
            "2.8.1",
        )
        with pytest.raises(RequirementsUnmet, match=said):
            ask(spec_of(asked, channels=(*tree, channel)), engine)


def _recorded(folder: Path, kind: str, name: str) -> str:
    """A program that prints what the real one did."""
    source = RECORDINGS / RECORDED[kind]
    code = 0 if name == "ok" else 1
    stderr = source / f"{name}.stderr"
    said = stderr.read_text() if stderr.exists() else ""
    return program(
        folder,
        kind,
        f"print(open({str(source / f'{name}.json')!r}).read())\n"
        f"sys.stderr.write({said!r})\nsys.exit({code})",
    )


def _channel_of(folder: Path, kind: str) -> Path:
    """A channel that says of the recorded packages what the real one did."""
    answer = json.loads((RECORDINGS / RECORDED[kind] / "ok.json").read_text())
    for subdir in (LINUX, "noarch"):
        records = {one["fn"]: one for one in answer["actions"]["FETCH"] if one["subdir"] == subdir}
        data = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": records}
        (folder / subdir).mkdir(parents=True)
        (folder / subdir / "repodata.json").write_text(json.dumps(data))
    return folder


needs_recordings = pytest.mark.skipif(not RECORDINGS.exists(), reason="no ../shared/data")
_RECORDED_SPECS = {
    "ok": ("rich", "requests"),
    "unsat": ("python_abi=3.12",),
    "missing": ("nosuchpackage",),
}


@needs_recordings
@pytest.mark.shared
@pytest.mark.parametrize("kind", RECORDED)
class TestRecordings:
    def test_an_answer(self, ask: Asking, tmp_path: Path, kind: str) -> None:
        engine = _recorded(tmp_path / "bin", kind, "ok")
        with ChannelServer(_channel_of(tmp_path / "channel", kind)) as server:
            program_ = Path(engine)
            said = program_.read_text()
            program_.write_text(
                said.replace(".read()", f".read().replace('http://channel.test', {server.url!r})")
            )
            spec = spec_of(
                *_RECORDED_SPECS["ok"],
                channels=(server.url,),
                sys=("__glibc=2.36",),
                python="3.11",
            )
            found = ask(spec, engine)
        assert found.python == "3.11.7"
        by_name = {one.name: one for one in found.packages}
        assert {"python", "rich", "requests", "tzdata"} <= by_name.keys()
        rich = by_name["rich"]
        assert rich.url == f"{server.url}/noarch/rich-13.7.0-pyhd8ed1ab_0.conda"
        assert rich.hashes.sha256
        assert rich.hashes.sha256.startswith("bbaac5e9")
        assert (rich.source, rich.subdir, rich.size) == (server.url, "noarch", 195247)
        assert rich.depends == ("markdown-it-py", "pygments", "python")

    @pytest.mark.parametrize("name", ["unsat", "missing"])
    def test_a_failure(self, ask: Asking, tmp_path: Path, kind: str, name: str) -> None:
        engine = _recorded(tmp_path / "bin", kind, name)
        spec = spec_of(*_RECORDED_SPECS[name], channels=("http://channel.test",), python="3.11")
        with pytest.raises(NoSolution) as caught:
            ask(spec, engine, patience=Patience(tries=1, silence=5))
        said = str(caught.value)
        if name == "unsat":
            assert "python_abi" in said
            assert ("\n" in said) == (kind == "conda")  # a tree
        else:
            # Of a name that no channel has, micromamba says nothing, and this channel cannot be read.
            assert ("nosuchpackage" in said) == (kind == "conda")

    @pytest.mark.slow
    def test_the_stand_in_speaks_alike(
        self, tmp_path: Path, kind: str, channels: Channels, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import subprocess

        engine = write_standin(tmp_path / "bin", kind)
        monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path))
        monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.36")
        options = ("--dry-run", "--json", "-y", "--override-channels", "-p", tmp_path / "p")
        base = (engine, "create", *options, "-c", channels.main.as_uri(), f"python={MINOR}")
        for name, specs in _RECORDED_SPECS.items():
            done = subprocess.run([*base, *specs], capture_output=True, text=True, check=False)
            mine = json.loads(done.stdout)
            real = json.loads((RECORDINGS / RECORDED[kind] / f"{name}.json").read_text())
            assert done.returncode == (0 if name == "ok" else 1)
            if name != "ok":
                shown = ("exception_name", "solver_problems", "success", "packages")
                assert {key for key in shown if key in mine} == {
                    key for key in shown if key in real
                }
                continue
            assert mine.keys() == real.keys()
            for action in ("LINK", "FETCH"):
                alike = [
                    {key for one in each["actions"][action] for key in one} for each in (mine, real)
                ]
                assert alike[0] == alike[1]


def test_it_ends_with_us(ask: Asking, tmp_path: Path, channels: Channels) -> None:
    """One of two platforms fails: the other's process is not waited for."""
    engine = program(
        tmp_path / "bin",
        "conda",
        "import os, time\n"
        f"if os.environ['CONDA_SUBDIR'] == '{MAC}': print('garbage'); sys.exit(1)\n"
        "time.sleep(120)",
    )
    spec = spec_of("leaf", channels=(channels.main.as_uri(),))
    own = ResolveContext(cache_dir=tmp_path / "cache", conda_engine=engine)
    started = os.times().elapsed
    with pytest.raises(EngineFailed, match="not JSON"):
        CondaResolver(ask.worker).resolve(spec, [MAC, LINUX], own)
    assert os.times().elapsed - started < 60
