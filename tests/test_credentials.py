"""Every credential that a user can have, each another text: in memory, and nowhere else."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resolvers.testing import FakeIndex, make_wheel

from .channel import ChannelServer, cached
from .helpers import distributions, files, finish

if TYPE_CHECKING:
    from .helpers import Machine

PLACES = ("url", "netrc", "token", "query", "store", "cloud")


@pytest.fixture
def planted() -> dict[str, str]:
    """A secret for each place."""
    return {place: f"{place}{secrets.token_hex(8)}" for place in PLACES}


class Witness:
    """Collects what commands say, and the titles of all processes while they run."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.said: dict[str, str] = {}
        self.titles: set[str] = set()

    def run(self, *words: str, status: int = 0, **environ: str) -> str:
        process = self._machine.start(*words, env=environ)
        while process.poll() is None:
            self._watch()
        done = finish(process)
        self.said[" ".join(words)] = done.out + done.err
        assert done.status == status, done.err
        return done.out.strip()

    def _watch(self) -> None:
        for path in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "comm"):
                try:
                    text = (path / name).read_bytes()
                except OSError:
                    continue
                self.titles.add(text.replace(b"\0", b" ").decode(errors="replace"))


def test_no_credential_is_anywhere(machine: Machine, planted: dict[str, str]) -> None:
    url, netrc, token, query, _, cloud = planted.values()
    extra = make_wheel("extra", "1.0", module="x = 3\n")
    with (
        FakeIndex(*distributions(), login=("ann", url)) as index,
        FakeIndex(extra, login=("bob", netrc)) as second,
        ChannelServer(cached().root, token=token) as channel,
    ):
        # The user's own files, which are the only ones that may hold any.
        mine = {
            machine.user / ".netrc": f"machine 127.0.0.1 login bob password {netrc}\n",
            machine.work / "mfenv.toml": f'channels = ["{channel.url}/t/{token}/main"]\n',
            machine.work
            / "requirements.txt": f"--find-links {index.origin}/x?token={query}\napp\n",
        }
        for path, text in mine.items():
            path.write_text(text)
            path.chmod(0o600)
        machine.environ |= {
            "AWS_SECRET_ACCESS_KEY": cloud,
            "AZURE_STORAGE_KEY": cloud,
            "MFENV_EXTRA_INDEX_URL": second.url,
            "MFENV_INDEX_URL": index.url.replace("://", f"://ann:{url}@"),
            "MFENV_PYTHON_PROVIDER": "conda",
        }
        witness = Witness(machine)
        pypi = ("--pypi", "app", "--pypi", "extra")
        witness.run("resolve", "--conda", "greeter", *pypi, "--alias", "team/a:v1")
        assert second.requests[f"/files/{extra.filename}"]
        for words in (["show", "team/a:v1", "--json"], ["list", "--json"], ["config", "--json"]):
            witness.run(*words)
        machine.environ["MFENV_STORE"] = ""  # everything from where it first came from
        for path in files(machine.home / "cache"):
            path.unlink()
        witness.run("create", "team/a:v1", "--name", "e")
        assert "hello from" in witness.run("run", "e", "--", "greeter")
        # What fails says more, and with its traceback most.
        wrong = f"{second.origin}/t/{token}/none".replace("://", f"://bob:{netrc}@")
        failing: list[list[Any]] = [
            ["resolve", "--pypi", "nothing-there"],
            ["resolve", "--pypi", "app", "--index-url", wrong],
            ["resolve", "--conda", "greeter", "--channel", f"{channel.url}/t/{token}/none"],
            ["resolve", "-r", "requirements.txt"],
            ["resolve", "--pypi", f"app @ {index.origin}/x/app-1.0-py3-none-any.whl?token={query}"],
        ]
        for words in failing:
            witness.run(*words, status=1)
            witness.run(*words, "--force", status=1, MFENV_DEBUG="1")
        for start in (
            "s3://{}@bucket/x",
            "az://{}@a/b",
            "gs://{}@b",
            "ftp://{}@h",
            "file://{}@h/x",
        ):
            for end in ("", "?sas={}&endpoint=http://{}@127.0.0.1:9"):
                store = (start + end).replace("{}", f"ann:{planted['store']}")
                witness.run("show", "none/x:v1", status=1, MFENV_STORE=store)
                # What is no store is refused when settings are read, by every command.
                refused = start.startswith("ftp:")
                witness.run("config", status=int(refused), MFENV_STORE=store)
    # What a user types is in the title of the command, and the user's own affair.
    titles = {
        title
        for title in witness.titles
        if not {"mfenv", "resolve"} <= set(re.split(r"[ /]", title))
    }
    assert any("pip compile" in title for title in titles)
    for name, secret in planted.items():
        assert [key for key, text in witness.said.items() if secret in text] == [], name
        assert [title for title in titles if secret in title] == [], name
        held = [
            path
            for root in (machine.root, machine.store)
            for path in files(root)
            if path not in mine and secret.encode() in path.read_bytes()
        ]
        assert held == [], name
