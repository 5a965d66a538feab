"""conda-lock in the place of the joint solve: it runs for real, over a stand-in for conda."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.channel import Channels, cached
from tests.channel.standin import write_standin

from envid.platforms import host_platform
from envid.spec import EnvSpec, Options, Source
from mfenv.importing.conda_lock import pins_of
from pkgcache.web.credentials import Credentials
from pkgcache.web.patience import Patience
from pkgcache.worker import Worker
from resolvers._conda_lock_asked import asked_of_conda
from resolvers.conda_lock import CondaLockResolver
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
from resolvers.testing import FakeIndex, make_project, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolvers.pinned import Pins
    from resolvers.request import Resolution

HOST = host_platform()
FOREIGN = "osx-arm64" if HOST != "osx-arm64" else "linux-64"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"

# That of this Python, which the tests ask for; what else may be on PATH is of any age.
CONDA_LOCK = Path(sys.executable).with_name("conda-lock")
needs_conda_lock = pytest.mark.skipif(not CONDA_LOCK.exists(), reason=f"there is no `{CONDA_LOCK}`")


@pytest.fixture(scope="module")
def channels() -> Channels:
    return cached()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as found:
        yield found


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeIndex]:
    folder = tmp_path_factory.mktemp("sdists")
    with FakeIndex(
        make_wheel("top", "1", requires=["requests>=2", "low; sys_platform != 'win32'"]),
        make_wheel("low", "1"),
        make_wheel("low", "2"),
        # conda-lock looks for what conda has on the index as well, and wants it in that version.
        make_wheel("requests", "2.32.3"),
        make_wheel("requests", "99"),
        make_wheel("bad", "1", requires=["requests<1"]),
        make_sdist(folder, "crafted", "3", requires=["low"]),
    ) as found:
        yield found


class Asking:
    def __init__(self, worker: Worker, folder: Path, channels: Channels, index: FakeIndex) -> None:
        self.worker, self.folder, self.channels, self.index = worker, folder, channels, index
        self.started: list[str] = []

    def spec(self, conda: list[str], pypi: list[str], **more: Any) -> EnvSpec:
        options = more.pop("options", {})
        return EnvSpec.make(
            requirements={"conda": conda, "pypi": pypi},
            python=more.pop("python", MINOR),
            sources=[
                Source.make("channel", self.channels.main.as_uri()),
                Source.make("index", more.pop("index", self.index.url)),
            ],
            options=Options.make(**options),
            **more,
        )

    def context(self, **context: Any) -> ResolveContext:
        return ResolveContext(
            cache_dir=self.folder / "cache", on_process=self.started.append, **context
        )

    def read(self, path: Path, platform: str) -> Pins:
        return pins_of(path, platform, Credentials())

    def __call__(self, spec: EnvSpec, *platforms: str, **context: Any) -> dict[str, Resolution]:
        resolver = CondaLockResolver(self.worker, self.read)
        return resolver.resolve(spec, platforms or (HOST,), self.context(**context))


@pytest.fixture
def ask(
    worker: Worker,
    tmp_path: Path,
    channels: Channels,
    index: FakeIndex,
    monkeypatch: pytest.MonkeyPatch,
) -> Asking:
    """Asks conda-lock, over a stand-in that comes first on PATH."""
    write_standin(tmp_path / "bin", "micromamba", tmp_path / "log")
    folders = (str(tmp_path / "bin"), str(CONDA_LOCK.parent), os.environ["PATH"])
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return Asking(worker, tmp_path, channels, index)


def described(found: dict[str, Resolution]) -> dict[str, list[Any]]:
    return {
        platform: sorted((one.to_dict() for one in each.packages), key=lambda one: str(one["name"]))
        for platform, each in found.items()
    }


@needs_conda_lock
@pytest.mark.slow
class TestCondaLock:
    def test_the_same_request_has_the_same_description(self, ask: Asking) -> None:
        spec = ask.spec(["rich", "requests"], ["top", "low<2; python_version >= '3'"])
        theirs = ask(spec, HOST, FOREIGN)
        ours = MixedResolver(ask.worker).resolve(spec, [HOST, FOREIGN], ask.context())
        assert described(theirs) == described(ours)
        assert {one.name: one.version for one in theirs[FOREIGN].packages}["low"] == "1"
        assert f"conda-lock {HOST}" in ask.started
        # The one that was found first was run, for both platforms, and told of nothing of ours.
        starts = [json.loads(line) for line in (ask.folder / "log").read_text().splitlines()]
        solves = [one for one in starts if "create" in one["argv"]]
        assert [one["env"]["CONDA_SUBDIR"] for one in solves] == [HOST, FOREIGN]

    def test_names_of_channels_are_where_the_tool_has_them(
        self, ask: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        main = ask.channels.main
        config = tmp_path / ".condarc"
        places = {"default_channels": [main.as_uri()], "channel_alias": main.parent.as_uri()}
        config.write_text(json.dumps(places))
        # By its name alone, as from where the program's user is.
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("CONDARC", config.name)
        plain = ask.spec(["rich", "requests"], ["low"])
        ours = MixedResolver(ask.worker).resolve(plain, [HOST], ask.context())
        others = [source for source in plain.sources if source.kind != "channel"]
        for name, rich in (("defaults", "rich"), (main.name, f"{main.name}::rich")):
            spec = replace(
                plain,
                sources=(Source.make("channel", name), *others),
                requirements={**plain.requirements, "conda": (rich, "requests")},
            )
            found = ask(spec)[HOST].packages
            assert {one.source for one in found if one.kind == "conda"} == {name}
            alike = [
                sorted(str(one.to_dict() | {"source": None}) for one in packages)
                for packages in (found, ours[HOST].packages)
            ]
            assert alike[0] == alike[1]

    def test_requirements_of_one_package_hold_together(self, ask: Asking) -> None:
        """Of several, conda-lock takes the last."""
        spec = ask.spec(
            ["requests <99", "requests", "python >=3"], ["low<2", "low>=0", "top", "top[no]"]
        )
        found = ask(spec)[HOST]
        assert {one.name: one.version for one in found.packages}["low"] == "1"
        written = asked_of_conda(
            ["a >=1,<3", "a!=2", "a=1.2", "a 1.5", "a ~=1.0", "b=1=0", "c", "c"]
        )
        assert [*written] == ["a >=1,<3,!=2,1.2.*,==1.5,~=1.0", "b=1=0", "c"]
        with pytest.raises(UnsupportedRequest, match="there are `rich<99` and `rich=1=0`"):
            ask(ask.spec(["rich=1=0", "rich<99"], ["low"]))
        with pytest.raises(UnsupportedRequest, match=r"there are `low @ https:.*` and `low>1`"):
            ask(ask.spec(["rich"], ["low>1", "low @ https://example.org/low-1-py3-none-any.whl"]))

    def test_it_runs_the_tool_that_is_named(self, ask: Asking, tmp_path: Path) -> None:
        conda = write_standin(tmp_path / "other", "conda", tmp_path / "log")
        found = ask(ask.spec(["rich"], ["low"]), conda_engine=str(conda))
        assert {one.name: one.version for one in found[HOST].packages}["low"] == "2"
        starts = [json.loads(line)["argv"] for line in (tmp_path / "log").read_text().splitlines()]
        assert {Path(words[0]).name for words in starts} == {"conda"}

    def test_all_platforms_have_one_python(self, ask: Asking) -> None:
        found = ask(ask.spec(["rich"], ["low"], python=">=3.10"), HOST, FOREIGN)
        assert len({each.python for each in found.values()}) == 1

    def test_what_has_no_wheel_is_built_by_us(self, ask: Asking, tmp_path: Path) -> None:
        tree = make_project(tmp_path / "tree", "d", "3")
        for arguments in (
            ("init", "-q", "-b", "main"),
            ("add", "."),
            ("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "x"),
        ):
            subprocess.run(["git", "-C", tree, *arguments], check=True)
        found = ask(ask.spec(["rich"], ["crafted", f"d @ git+{tree.as_uri()}@main"]))[HOST]
        built = {one.name: one.built_from for one in found.packages if one.built_from}
        assert {name: one.kind for name, one in built.items()} == {"crafted": "sdist", "d": "vcs"}
        assert sorted(one.filename for one in found.artifacts) == [
            "crafted-3-py3-none-any.whl",
            "d-3-py3-none-any.whl",
        ]

    @pytest.mark.parametrize(
        ("conda", "pypi", "error", "said"),
        [
            (["nosuch"], ["low"], UnknownPackage, "there is no nosuch"),
            (["rich>=99"], ["low"], NoSolution, "there is no rich>=99"),
            (["rich"], ["low>=3"], NoSolution, "low .* which doesn't match any versions"),
            (["rich", "requests"], ["bad"], NoSolution, r"bad \(1\) depends on requests \(<1\)"),
            (["idna"], ["idna"], NoSolution, r"finds no `idna` \(?[0-9.]+\)? on the index"),
        ],
    )
    def test_a_failure_says_why(
        self,
        ask: Asking,
        *,
        conda: list[str],
        pypi: list[str],
        error: type[ResolveError],
        said: str,
    ) -> None:
        with pytest.raises(error, match=said) as caught:
            ask(ask.spec(conda, pypi))
        assert caught.type is error
        assert "\n" not in str(caught.value)

    def test_a_lock_that_does_not_hold_is_refused(self, ask: Asking) -> None:
        class Wrong(Asking):
            def read(self, path: Path, platform: str) -> Pins:
                import yaml

                lock = yaml.safe_load(path.read_text())
                lock["package"] = [one for one in lock["package"] if one["name"] != "low"]
                path.write_text(yaml.safe_dump(lock))
                return super().read(path, platform)

        wrong = Wrong(ask.worker, ask.folder, ask.channels, ask.index)
        with pytest.raises(RequirementsUnmet, match="`low` 2 is needed, and the lock has none"):
            wrong(wrong.spec(["rich", "requests"], ["top"]))

    def test_what_it_cannot_be_told_is_refused_by_name(self, ask: Asking) -> None:
        digest = "0" * 64
        for more, said in (
            ({"options": {"prereleases": True}}, "pre-releases cannot be asked"),
            ({"options": {"exclude_newer": "2026-01-01"}}, "a cut-off date cannot be asked"),
            ({"pypi": [f"low --hash=sha256:{digest}"]}, "`low` is asked for by its content"),
            ({"pypi": [f"low @ file:low#sha256={digest}"]}, "is asked for by its content"),
        ):
            pypi: list[str] = more.pop("pypi", ["low"])  # type: ignore[assignment]  # as it is above
            with pytest.raises(UnsupportedRequest, match=said) as caught:
                ask(ask.spec(["rich"], pypi, **more))
            assert "`mixed_resolver`" in str(caught.value.hint)
        credentials = Credentials()
        credentials.add(ask.index.url.replace("://", "://ada:s3cret@"))
        with pytest.raises(UnsupportedRequest, match="has a login") as caught:
            ask(ask.spec(["rich"], ["low"]), credentials=credentials)
        assert "s3cret" not in str(caught.value)
        with pytest.raises(UnsupportedRequest, match="without the network"):
            ask(ask.spec(["rich"], ["low"]), offline=True)

    def test_it_needs_a_tool_of_the_family(
        self, ask: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alone = tmp_path / "alone"
        alone.mkdir()
        (alone / "conda-lock").symlink_to(CONDA_LOCK)
        monkeypatch.setenv("PATH", str(alone))
        with pytest.raises(EngineFailed, match="none of these is on PATH") as caught:
            ask(ask.spec(["rich"], ["low"]))
        assert "`conda_resolver`" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "it is not on PATH"),
        ("echo conda-lock, version 1.4.0", "is 1.4.0, and 4.0 is the oldest"),
        (
            'case "$*" in *--version*) echo conda-lock, version 4.0.3;; *) echo odd >&2; exit 1;; esac',
            "conda-lock failed: odd",
        ),
    ],
)
def test_a_conda_lock_that_will_not_do_is_named(
    ask: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, said: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if text:
        program = tmp_path / "bin/conda-lock"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    with pytest.raises(EngineFailed) as caught:
        ask(ask.spec(["rich"], ["low"]))
    assert said in str(caught.value)
    assert "`mixed_resolver`" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("answer", "stderr", "error", "said"),
    [
        (
            {"exception_name": "CondaHTTPError", "message": "HTTP 403 FORBIDDEN for url <URL>"},
            "",
            IndexUnreachable,
            "403",
        ),
        (
            {"success": False},
            "critical libmamba Download error (7) Could not connect to server [URL]\n",
            IndexUnreachable,
            "channel.invalid",
        ),
        (
            {"success": False, "solver_problems": ["package a-1-0 requires b, and c"]},
            "critical libmamba Could not solve for environment specs\n",
            NoSolution,
            "linux-64: package a-1-0 requires b, and c$",
        ),
        (
            {"exception_name": "CondaToSNonInteractiveError", "message": "not accepted"},
            "",
            EngineFailed,
            r"failed: not accepted \(exit code 1\)$",
        ),
        (None, "mamba: command line broken\n", EngineFailed, "its answer is not JSON: mamba: comm"),
    ],
)
def test_what_the_tool_that_it_runs_says_is_read(
    ask: Asking,
    tmp_path: Path,
    *,
    answer: dict[str, Any] | None,
    stderr: str,
    error: type[ResolveError],
    said: str,
) -> None:
    """In the form of conda-lock 4, which writes it between words of its own: not all is a conflict."""
    shown = f"    STDOUT:\n{json.dumps(answer, indent=2)}\n" if answer else ""
    shown += f"    STDERR:\n{stderr}\n" if stderr else ""
    text = (
        f"Could not lock the environment for platform {HOST}\n{answer}\n    Command: ['x']\n{shown}"
        "Traceback (most recent call last):\n  File x\n"
        "subprocess.CalledProcessError: Command 'x' returned non-zero exit status 1.\n"
    ).replace("URL", "http://channel.invalid/noarch/repodata.json")
    program = tmp_path / "bin/conda-lock"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nif '--version' in sys.argv:\n"
        f"    print('conda-lock, version 4.0.3'); sys.exit()\nsys.exit({text!r})\n"
    )
    program.chmod(0o755)
    with pytest.raises(error, match=said) as caught:
        ask(ask.spec(["rich"], ["low"]), patience=Patience(tries=1, silence=5))
    assert caught.type is error
    if error is EngineFailed:
        assert "`mixed_resolver`" in str(caught.value.hint)
