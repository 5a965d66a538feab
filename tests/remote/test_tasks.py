"""Tasks on other machines, by the very commands that Metaflow gives to them.

A machine is a process tree with an empty directory, a clean environment, the object store as its
only network, and nothing of the launching environment: see `tests.nodes`.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import nodes
from tests.nodes.batch import Batch
from tests.nodes.kubernetes import Kubernetes

from .flows import PLAIN, REMOTE, SHADOWED
from .helpers import Container

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from .helpers import Cloud

pytestmark = [pytest.mark.network, pytest.mark.slow]
PYTHONS = {
    path.parts[-3].rpartition(".")[0]: path
    for path in sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))
}


@pytest.fixture(scope="session")
def start(cloud: Cloud) -> Container:
    """The container of the first step, as Argo Workflows gets it."""
    return cloud.of_argo(REMOTE, "start")


def test_a_run_through_batch(cloud: Cloud) -> None:
    share = cloud.root / "share"

    def start(job: str, command: list[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        # Tasks on one machine share what they have fetched, four of one step at once too.
        return cloud.start(Container(tuple(command), environ), job, MFENV_HOME=str(share))

    with Batch(start) as batch:
        cloud.launch(REMOTE, "run", "--with", "batch", AWS_ENDPOINT_URL_BATCH=batch.endpoint)
    assert len(batch.jobs) == 7
    seen, info, inside = cloud.artifacts("RemoteFlow", "start", "seen", "info", "inside")
    prefix, colours, idna, place = seen
    assert prefix.startswith(str(share / "envs"))
    assert inside == prefix
    assert (colours, idna) == ("2.0", "3.7")
    assert place.startswith(prefix)
    assert info[:16] in prefix
    (every,) = cloud.artifacts("RemoteFlow", "join", "all")
    assert len(every) == 4
    assert all(one == every[0] for one in every)
    assert every[0][1] == "3.7"
    assert cloud.artifacts("RemoteFlow", "end", "outside") == [str(cloud.image)]
    # Each package came from the store once, whatever the number of tasks.
    archives = [one.name for one in (share / "cache" / "archives").rglob("*.whl")]
    assert len(archives) == len(set(archives))


def test_a_run_through_kubernetes(cloud: Cloud) -> None:
    pytest.importorskip("kubernetes")

    def start(job: str, command: list[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return cloud.start(Container(tuple(command), environ), job)

    with Kubernetes(start) as kubernetes:
        config = cloud.root / "kubeconfig"
        config.write_text(kubernetes.config)
        cloud.launch(PLAIN, "run", "--with", "kubernetes", KUBECONFIG=str(config))
    assert len(kubernetes.jobs) == 2
    assert "with idna 3.7" in cloud.node.log(next(iter(kubernetes.jobs)))


def test_a_container_of_step_functions(cloud: Cloud) -> None:
    with Batch(cloud.start) as batch:
        container = cloud.of_step_functions(PLAIN, "start", batch.endpoint)
    assert batch.jobs == {}
    assert "with idna 3.7" in cloud.run(container).ok().log


def test_a_container_of_airflow(cloud: Cloud) -> None:
    assert "with idna 3.7" in cloud.run(cloud.of_airflow(PLAIN, "start")).ok().log


def test_modules_beside_a_flow_are_its_own_and_no_others_there(own_cloud: Cloud) -> None:
    names = "envid mfenv pkgcache reqparse resolvers click packaging rich yaml container"
    for name in names.split():
        (own_cloud.root / "flows" / f"{name}.py").write_text("MINE = True\n")
    container = own_cloud.of_argo(SHADOWED.format(names=names), "start")
    log = own_cloud.run(container).ok().log
    assert "unharmed in" in log
    assert "with idna 3.7" in log


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_images_may_have_any_python_that_mfenv_knows(
    cloud: Cloud, start: Container, version: str, tmp_path: Path
) -> None:
    if version not in PYTHONS:
        pytest.skip(f"there is no Python {version}")
    ended = cloud.run(start, nodes.image(tmp_path / "image", PYTHONS[version])).ok()
    assert "ready in" in ended.log
    assert "in the step" in ended.log


def test_an_image_that_is_too_old_is_named(cloud: Cloud, start: Container, tmp_path: Path) -> None:
    if "3.8" not in PYTHONS:
        pytest.skip("there is no Python 3.8")
    said = cloud.run(start, nodes.image(tmp_path / "old", PYTHONS["3.8"])).said()
    assert "this image has Python 3.8, and creating environments needs 3.10 or newer" in said


def test_a_container_that_was_killed_while_creating_can_run_again(
    cloud: Cloud, start: Container, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    for number, sign in enumerate(("runtime", "cache/archives", "envs")):
        process = cloud.start(start, f"killed-{tmp_path.name}-{number}", MFENV_HOME=str(home))
        with process:
            deadline = time.monotonic() + 600
            while not any(home.glob(f"{sign}/*")) and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    ended = cloud.run(start, MFENV_HOME=str(home)).ok()
    assert "in the step" in ended.log


def test_what_is_tampered_with_or_lost_in_the_store_is_named(own_cloud: Cloud) -> None:
    cloud, container = own_cloud, own_cloud.of_argo(REMOTE, "start")
    store = cloud.objects(f"{cloud.root.name}/conda_env/mfenv/")
    for part, message in (
        ("/mfenv.zip", "mfenv.zip` in the store is damaged"),
        ("/colours-2.0-", "colours-2.0-pyh0_0.conda"),
    ):
        (key,) = [one for one in store if part in one]
        old = store[key]
        store[key] = old[:-1] + b"?"
        assert message in cloud.run(container).said()
        store[key] = old
    (code,) = [one for one in store if "/mfenv.zip" in one]
    del store[code]
    assert "cannot be fetched from the store" in cloud.run(container).said()
    # What was lost comes back with the next run that is sent away.
    cloud.run(cloud.of_argo(REMOTE, "start")).ok()
