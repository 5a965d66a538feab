"""`metaflow environment` as people run it, on a machine of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from envid.platforms import host_platform
from resolvers.testing import make_wheel

from .channel import ChannelServer, cached
from .emulators import KINDS, running, why_not
from .helpers import METAFLOW, Machine, finish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolvers.testing import FakeIndex

    from .helpers import Done

pytestmark = pytest.mark.slow

SECRET = "geheim-4711"
if not METAFLOW.exists():
    pytest.skip("there is no Metaflow", allow_module_level=True)

FLOW = """
from metaflow import FlowSpec, pypi, step

class OldFlow(FlowSpec):
    @pypi(packages={"app": "1.0"})
    @step
    def start(self):
        import dep
        self.version = dep.version
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    OldFlow()
"""


# What Metaflow sets up of it when it is imported; a local run sends no request.
REQUESTS = """
class Session:
    def mount(self, prefix, adapter): pass

class adapters:
    class HTTPAdapter:
        def __init__(self, **options): pass
"""


class User(Machine):
    """A user of Metaflow; its commands are those of `metaflow environment`."""

    command = (METAFLOW, "environment")

    def __init__(self, root: Path, index: FakeIndex, store: Path) -> None:
        super().__init__(root, index, store)
        self.environ |= {"USER": "ada", "METAFLOW_CONDA_SKIP_METAFLOW_DEPS": "1"}
        self.environ["METAFLOW_DEFAULT_DATASTORE"] = "local"
        # Their index has no pip, nor have most of them a reason to ask for it.
        self.environ["METAFLOW_MFENV_SEED"] = "0"

    def flow(self, text: str, *words: str) -> Done:
        path = self.file("flow.py", text)
        done = self.metaflow(path, *words)
        assert done.status == 0, done.out + done.err
        return done


@pytest.fixture
def user(tmp_path: Path, index: FakeIndex) -> User:
    return User(tmp_path / "one", index, tmp_path / "store")


@pytest.fixture
def run(user: User, index: FakeIndex) -> str:
    """The pathspec of a step that ran in an environment."""
    index.add(make_wheel("requests", "2.31.0", module=REQUESTS))
    del user.environ["METAFLOW_CONDA_SKIP_METAFLOW_DEPS"]
    user.flow(FLOW, "--environment=pypi", "--datastore=local", "run", "--run-id-file", "run")
    return f"OldFlow/{(user.work / 'run').read_text().strip()}/start"


def env_id(document: Mapping[str, Any]) -> str:
    return f"{document['req_id']}:{document['full_id']}"


def test_it_works_under_the_default_configuration(user: User) -> None:
    for name in ("MFENV_STORE", "METAFLOW_DEFAULT_DATASTORE", "USER"):
        del user.environ[name]
    assert "Usage: metaflow environment [OPTIONS] COMMAND" in user.ok("--help")
    assert "--arch" in user.ok("show", "--help")
    assert user.ok("list", "--json") == '{\n  "environments": []\n}'


def test_the_main_job(user: User) -> None:
    named = user.ok("resolve", "--pypi", "app", "--arch", host_platform(), "--alias", "team/a:v1")
    (shown,) = user.json("show", "team/a:v1", "--arch", host_platform())["environments"]
    assert env_id(shown) == named
    prefix = user.ok("create", "team/a:v1", "--name", "here", "--no-force")
    assert user.ok("create", "team/a:v1", "--name", "here", "--exist-ok") == prefix
    assert (
        user.ok("run", "here", "--", "python", "-c", "import app; print('--', 'fine')") == "-- fine"
    )
    user.ok("alias", "team/a:v1", "team/b")
    assert {row["aliases"][1] for row in user.json("list")["environments"]} == {"team/b:latest"}
    user.ok("rm", "here")
    assert not Path(prefix).exists()


def test_what_goes_wrong_is_a_line_and_a_hint(user: User) -> None:
    assert "`metaflow environment list` shows" in user.fails("show", "nothing")
    assert "there is no step `No/1/start`" in user.fails("show", "--pathspec", "No/1/start")
    assert "`bogus` is not one of" in user.fails("--datastore", "bogus", "list", status=2)
    assert "there is no command `bogus`" in user.fails("bogus", status=2)
    assert "did you mean `metaflow environment rm`?" in user.fails("-v", "delete", status=2)
    assert "--metadata" in user.fails("--metadata", "nowhere", "list", status=2)
    assert "--using or --using-pathspec" in user.fails(
        *("resolve", "--using", "a", "--using-pathspec", "F/1/s"), status=2
    )
    other = "osx-64" if host_platform() != "osx-64" else "linux-64"
    assert "cannot be created on" in user.fails("create", "a:v1", "--arch", other)


def test_runs_are_looked_up_where_there_are_none_yet(user: User) -> None:
    assert user.json("--metadata", "local", "list") == {"environments": []}
    said = user.fails("--metadata", "local", "show", "--pathspec", "No/1/start")
    assert "there is no step `No/1/start`" in said
    assert "Could not find directory" in user.fails(
        "--metadata", "local@/nowhere", "list", status=2
    )


def test_the_status_and_the_end_of_a_program_are_passed_on(user: User) -> None:
    user.ok("resolve", "--pypi", "app", "--alias", "team/a:v1")
    assert user.run("run", "team/a:v1", "--", "sh", "-c", "exit 7").status == 7
    for number, to_all in ((signal.SIGINT, True), (signal.SIGTERM, False)):
        sleeping = (
            "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL);"
            " open('started', 'w').close(); time.sleep(100)"
        )
        process = subprocess.Popen(
            [METAFLOW, "environment", "run", "team/a:v1", "--", "python", "-c", sleeping],
            env=user.environ,
            cwd=user.work,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not (user.work / "started").exists():
            assert process.poll() is None
            time.sleep(0.05)
        (user.work / "started").unlink()
        os.kill(-process.pid if to_all else process.pid, number)
        assert process.wait(300) == 128 + number


def test_quiet_says_nothing_but_data(user: User) -> None:
    done = user.run("--quiet", "resolve", "--pypi", "app")
    assert done.status == 0
    assert len(done.out.strip()) == 81
    banner, *rest = done.err.strip().splitlines()
    assert banner.startswith("Metaflow (")
    assert rest == []


def test_metaflows_own_needs_are_part_of_it_unless_refused(user: User, index: FakeIndex) -> None:
    index.add(make_wheel("requests", "2.31.0"))
    del user.environ["METAFLOW_CONDA_SKIP_METAFLOW_DEPS"]

    def packages(*words: str) -> set[str]:
        (env,) = user.json("resolve", "--pypi", "app", *words)["environments"]
        return {package["name"] for package in env["packages"]}

    assert packages() == {"app", "dep", "requests"}
    assert packages("--skip-metaflow-deps") == {"app", "dep"}


def test_locks_are_imported(user: User, index: FakeIndex) -> None:
    index.add(make_wheel("requests", "2.31.0"))
    wheel = make_wheel("other", "1.0")
    lock = user.file("requirements.txt", f"other==1.0 --hash=sha256:{wheel.sha256}\n")
    del user.environ["METAFLOW_CONDA_SKIP_METAFLOW_DEPS"]
    done = user.run("import", lock, "--alias", "team/lock:v1")
    assert done.status == 0, done.err
    # What Metaflow needs is not added to a lock, and not passed over either.
    assert "Metaflow itself: `requests>=2.21.0` is not in the lock" in done.err
    assert user.ok("resolve", "--lockfile", lock) == done.out.strip()
    (env,) = user.json("show", "team/lock:v1")["environments"]
    assert [package["name"] for package in env["packages"]] == ["other"]


def test_the_store_is_where_metaflow_has_it(user: User, tmp_path: Path) -> None:
    del user.environ["MFENV_STORE"]
    user.environ["METAFLOW_DATASTORE_SYSROOT_LOCAL"] = str(tmp_path / "root")
    user.ok("resolve", "--pypi", "app")
    assert (tmp_path / "root" / "conda_env" / "mfenv" / "layout.json").exists()
    user.ok("--conda-root", str(tmp_path / "other"), "resolve", "--pypi", "dep")
    assert (tmp_path / "other" / "mfenv" / "layout.json").exists()
    user.ok("--datastore", "s3", "list")


def test_a_step_names_its_environment(user: User, run: str) -> None:
    (shown,) = user.json("show", "--pathspec", run)["environments"]
    assert {package["name"] for package in shown["packages"]} == {"app", "dep", "requests"}
    assert user.json("--metadata", "local", "show", f"step:{run}")["environments"] == [shown]
    user.ok("alias", "--pathspec", run, "team/old:v1")
    assert user.json("show", "team/old:v1")["environments"] == [shown]
    user.ok("resolve", "--using-pathspec", run, "--pypi", "other", "--alias", "team/new:v1")
    (derived,) = user.json("show", "team/new:v1")["environments"]
    names = {package["name"] for package in derived["packages"]}
    assert names == {"app", "dep", "other", "requests"}
    again = user.json("resolve", "--from-pathspec", run)["environments"]
    assert [env_id(one) for one in again] == [env_id(shown)]
    assert "there is no step" in user.fails("show", "--pathspec", run.replace("start", "middle"))


def test_the_code_of_a_step_runs_again_in_a_directory(user: User, run: str) -> None:
    place = user.work / "again"
    user.ok("create", "--pathspec", run, "--into-dir", place)
    done = subprocess.run(
        [place / "__conda_python", "-c", "import app, metaflow; print(metaflow.__file__)"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(place), "PATH": os.defpath, "HOME": str(user.user)},
        check=False,
    )
    assert done.stdout.strip() == str(place / "metaflow" / "__init__.py"), done.stderr
    shell = f'. {place}/metaflow_setup.sh; python -c "import app, metaflow"'
    assert subprocess.run(["sh", "-c", shell], env=user.environ, check=False).returncode == 0
    assert "is not empty" in user.fails("create", "--pathspec", run, "--into-dir", place)
    user.ok("create", "--pathspec", run, "--into-dir", place, "--force")
    mine = user.work / "mine"
    mine.mkdir()
    (mine / "file").write_text("mine")
    assert "is not empty" in user.fails("create", f"step:{run}", "--into-dir", mine, "--force")
    assert (mine / "file").read_text() == "mine"
    assert [path.name for path in user.work.glob(".mfenv-*")] == []


def test_a_notebook_finds_the_code(user: User, run: str, index: FakeIndex) -> None:
    index.add(make_wheel("ipykernel", "7.0"))
    place = user.work / "again"
    user.ok("create", "--pathspec", run, "--into-dir", place, "--install-notebook")
    (spec,) = (user.user / ".local/share/jupyter/kernels").glob("*/kernel.json")
    kernel = json.loads(spec.read_text())
    assert kernel["display_name"].startswith("Metaflow step:OldFlow/")
    assert kernel["env"]["PYTHONPATH"] == str(place)


def test_the_code_package_of_a_step_is_unpacked(user: User, index: FakeIndex) -> None:
    index.add(make_wheel("requests", "2.31.0", module=REQUESTS))
    del user.environ["METAFLOW_CONDA_SKIP_METAFLOW_DEPS"]
    user.environ["METAFLOW_FEAT_ALWAYS_UPLOAD_CODE_PACKAGE"] = "1"
    user.flow(FLOW, "--environment=pypi", "--datastore=local", "run", "--run-id-file", "run")
    # The package is uploaded while the first step runs, and is known to the tasks after that.
    pathspec = f"OldFlow/{(user.work / 'run').read_text().strip()}/end"
    place = user.work / "again"
    user.ok("create", "--pathspec", pathspec, "--into-dir", place)
    assert (place / "flow.py").read_text() == FLOW
    shell = f'. {place}/metaflow_setup.sh; cd {place}; python -c "import flow, metaflow as m; print(m.__file__)"'
    done = subprocess.run(
        ["sh", "-c", shell], env=user.environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith(str(place)), done.stderr


MANY = """
from metaflow import FlowSpec, named_env, pypi, step

class ManyFlow(FlowSpec):
    @pypi(packages={"app": ">=1"})
    @step
    def start(self):
        self.next(self.off)

    @pypi(disabled=True)
    @step
    def off(self):
        self.next(self.late)

    @named_env(name="team/late", fetch_at_exec=True)
    @step
    def late(self):
        self.next(self.end)

    @pypi(packages={"dep": ""})
    @step
    def end(self):
        pass

if __name__ == "__main__":
    ManyFlow()
"""
"""A flow whose steps ask for environments in every way."""


def many(user: User, *words: str) -> Any:
    user.flow(
        MANY,
        *("--environment=conda", "--datastore=local", "environment"),
        *(*words, "--output", "found.json"),
    )
    return json.loads((user.work / "found.json").read_text())


def test_the_environments_of_a_flow_are_shown_and_resolved(user: User) -> None:
    shown = many(user, "show")
    assert shown["off"]["is_disabled"]
    assert shown["late"]["is_fetch_at_exec"]
    assert shown["late"]["from_env_name"] == "team/late"
    assert shown["start"]["requested_packages"]["pypi"] == {"app": ">=1"}
    assert shown["start"]["requested_sources"] == {"pypi": [user.environ["MFENV_INDEX_URL"]]}
    assert (shown["start"]["env_id"], shown["start"]["error"]) == (None, None)

    resolved = many(user, "resolve", "start", "--alias", "team/start:v1")
    one = resolved["start"][host_platform()]
    assert list(resolved) == ["start"]
    assert one["newly_resolved"]
    assert one["req_id"] == shown["start"]["requested_hash"]
    assert not many(user, "resolve", "start")["start"][host_platform()]["newly_resolved"]
    assert user.json("show", "team/start:v1")["environments"] == [one["env"]]
    assert one["env"]["origins"]["pypi"]["app>=1"] == "@pypi of step `start`"

    user.ok("create", "team/start:v1")
    after = many(user, "show", "--local-only")
    assert after["start"]["env"] == one["env"]
    assert len(after["start"]["prefixes"]) == 1
    assert after["end"]["env"] is None


def test_an_alias_is_for_one_environment(user: User) -> None:
    user.file("flow.py", MANY)
    words = (
        "--environment=conda",
        "--datastore=local",
        "environment",
        "resolve",
        "--alias",
        "a:v1",
    )
    done = user.metaflow("flow.py", *words, "start", "end")
    assert done.status == 1
    assert "an alias is for one environment, and these steps have 2: start; end" in done.err
    done = user.metaflow("flow.py", *words, "middle")
    assert "There is no step middle; there are" in done.err
    done = user.metaflow("flow.py", "environment", "show")
    assert done.status == 1
    assert "--environment=conda" in done.err


RUNNER = """
import json, sys
from metaflow import FlowAPI

with FlowAPI("flow.py", environment="conda", datastore="local", show_output=False) as runner:
    before = runner.environment().show("start")["start"]
    found = runner.environment().resolve("start", alias="team/start:v1")["start"]
    after = runner.environment().show("start", local_only=True)["start"]
    try:
        runner.environment().show("middle")
    except RuntimeError as error:
        refused = str(error)
    try:
        runner.environment().show(timeout=0.01)
    except RuntimeError as error:
        late = str(error)
    everything = runner.environment().resolve()
((platform, (env, new)),) = found.items()
print(json.dumps({
    "before": before.env, "hash": before.requested_hash, "new": new, "env_id": env.env_id,
    "same": after.env.to_dict() == env.to_dict(), "type": env.env_type, "archs": env.co_resolved_archs,
    "packages": [(one.package_name, one.package_version) for one in env.packages],
    "deps": [str(one) for one in env.deps if one.category == "pypi"],
    "sources": [one.category for one in env.sources], "when": env.resolved_on.isoformat(),
    "arch": env.env_id.arch, "refused": refused, "late": late, "all": list(everything),
}, default=str))
"""


def test_pip_is_asked_for_unless_a_setting_says_otherwise(user: User, index: FakeIndex) -> None:
    del user.environ["METAFLOW_MFENV_SEED"]
    assert "`pip` is left out" in user.run("resolve", "--pypi", "app").err
    index.add(*(make_wheel(name, "90") for name in ("pip", "setuptools", "wheel")))
    assert many(user, "show")["start"]["requested_packages"]["pypi"]["pip"] == ""
    names = [
        one["name"] for one in user.json("resolve", "--pypi", "dep")["environments"][0]["packages"]
    ]
    assert "pip" in names
    names = [
        one["name"]
        for one in user.json("resolve", "--pypi", "dep", "--no-seed")["environments"][0]["packages"]
    ]
    assert names == ["dep"]


def test_a_runner_knows_the_environments_of_its_flow(user: User) -> None:
    user.file("flow.py", MANY)
    done = finish(user.spawn(sys.executable, user.file("ask.py", RUNNER)))
    assert done.status == 0, done.err
    found = json.loads(done.out.splitlines()[-1])
    assert (found["before"], found["new"], found["same"]) == (None, True, True)
    assert found["env_id"][0] == found["hash"]
    assert found["packages"] == [["app", "1.0"], ["dep", "2.0"]]
    assert (found["type"], found["deps"]) == ("pypi-only", ["pypi::app>=1"])
    assert (found["arch"], found["archs"]) == (host_platform(), [host_platform()])
    assert found["sources"] == ["pypi"]
    assert found["when"].endswith("+00:00")
    assert "There is no step middle" in found["refused"]
    assert "took more than 0.01 s" in found["late"]
    assert sorted(found["all"]) == ["end", "start"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_datastores_of_a_team_have_its_store(
    user: User, tmp_path: Path, index: FakeIndex, kind: str
) -> None:
    if reason := why_not(kind):
        pytest.skip(reason)
    with running(kind) as service:
        parts = urlsplit(service.url("metaflow"))
        root = {
            "s3": f"s3://{parts.netloc}/metaflow",
            "azure": parts.path.strip("/"),
            "gs": f"gs://{parts.netloc}/metaflow?{parts.query}",
        }
        endpoint = parse_qs(parts.query)["endpoint"][0]
        datastore = kind.replace("gcs", "gs")
        settings = {
            **service.environ,
            "METAFLOW_S3_ENDPOINT_URL": endpoint,
            "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT": endpoint,
            f"METAFLOW_CONDA_{datastore.upper()}ROOT": root[datastore],
            "METAFLOW_DEFAULT_DATASTORE": datastore,
        }
        colleague = User(tmp_path / "two", index, tmp_path / "unused")
        for one in (user, colleague):
            one.environ |= settings
            del one.environ["MFENV_STORE"]
        named = user.ok("resolve", "--pypi", "app", "--alias", "team/a:v1")
        (shown,) = colleague.json("get", "team/a:v1")["environments"]
        assert env_id(shown) == named
        assert "/metaflow/mfenv" in colleague.json("config")["store"]["value"]


def test_the_logins_of_metaflows_configuration_are_used(user: User, tmp_path: Path) -> None:
    with ChannelServer(cached().main, login=("ann", SECRET)) as server:
        user.environ |= {"MFENV_CHANNELS": server.url, "MFENV_PYTHON_PROVIDER": "conda"}
        words = ("resolve", "--conda", "greeter", "--alias", "team/a:v1")
        assert "401" in user.fails(*words)
        logins = json.dumps({server.url: ["ann", SECRET]})
        user.environ["METAFLOW_CONDA_SRCS_AUTH_INFO"] = logins
        user.ok(*words)
        user.ok("create", "team/a:v1")
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert [text for text in texts if SECRET.encode() in text] == []


def test_metaflows_configuration_files_count(user: User) -> None:
    folder = user.user / ".metaflowconfig"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps(
            {
                "METAFLOW_CONDA_USE_REMOTE_LATEST": ":any:",
                "METAFLOW_CONDA_CHANNELS": ["a", "b"],
                "METAFLOW_MFENV_DOWNLOADS": "3",
            }
        )
    )
    (folder / "config_other.json").write_text('{"METAFLOW_MFENV_DOWNLOADS": "4"}')
    found = user.json("config")
    assert found["use_remote_latest"]["value"] == ["anyone"]
    assert found["channels"] == {"value": ["a", "b"], "origin": "METAFLOW_CONDA_CHANNELS"}
    assert found["downloads"] == {"value": 3, "origin": "METAFLOW_MFENV_DOWNLOADS"}
    user.environ["METAFLOW_PROFILE"] = "other"
    assert user.json("config")["downloads"]["value"] == 4
    user.environ["METAFLOW_CONDA_PREFERRED_FORMAT"] = "zip"
    assert "METAFLOW_CONDA_PREFERRED_FORMAT: `zip` is no format" in user.fails("config")
