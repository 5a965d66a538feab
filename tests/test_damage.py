"""What is on the disk is not what mfenv wrote there: named, healed, and in nobody else's way."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mfenv.environments import Environments
from mfenv.errors import DamagedPrefix
from mfenv.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from .helpers import Machine


def one(prefix: Path, pattern: str) -> Path:
    return next(iter(sorted(prefix.glob(pattern))))


def replaced(path: Path, *, size: int | None = None) -> None:
    """Another file in the place of `path`, of its size where none is given."""
    beside = path.with_name("beside")
    beside.write_bytes(bytes(path.stat().st_size if size is None else size))
    beside.chmod(path.stat().st_mode)
    beside.replace(path)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a module is gone": ("lib/python3*/site-packages/app.py", Path.unlink),
    "a module is cut": ("lib/python3*/site-packages/app.py", lambda path: replaced(path, size=3)),
    "a module is another": ("lib/python3*/site-packages/app.py", replaced),
    "a module is a pipe": ("lib/python3*/site-packages/app.py", pipe),
    "a package is gone": ("lib/python3*/site-packages/dep-*.dist-info", shutil.rmtree),
    "a record is gone": ("lib/python3*/site-packages/dep-*.dist-info/RECORD", Path.unlink),
    "a program is gone": ("bin/hello", Path.unlink),
    "a program is none any more": ("bin/hello", lambda path: path.chmod(0o644)),
    "the interpreter is gone": ("bin/python", Path.unlink),
    "the interpreter leads nowhere": ("bin/python", dangling),
    "the list is gone": (".mfenv-files.json", Path.unlink),
    "the list is garbage": (".mfenv-files.json", lambda path: replaced(path, size=9)),
    "the list is a pipe": (".mfenv-files.json", pipe),
}


def test_a_damaged_environment_is_not_used(machine: Machine) -> None:
    """A look at each file finds it, whoever is about to use it, and a command makes it again."""
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    named, own = Path(machine.ok("create", "a", "--name", "e")), Path(machine.ok("create", "a"))
    placed = machine.work / "it's here"
    machine.ok("create", "a", "--prefix", placed)
    settings = Settings(home=str(machine.home), local_only=True)
    with Environments(settings) as environments:

        def force(prefix: Path) -> None:
            environments.create(
                "a",
                as_name="e" if prefix == named else None,
                prefix=placed if prefix == placed else None,
                force=True,
            )

        uses: list[tuple[Path, Callable[[], object]]] = [
            (named, lambda: environments.prefix_for("e")),
            (named, lambda: environments.create("a", as_name="e", exist_ok=True)),
            (own, lambda: environments.prefix_for("a")),
            (placed, lambda: environments.create("a", prefix=placed, exist_ok=True)),
        ]
        for number, (name, (pattern, damage)) in enumerate(DAMAGE.items()):
            prefix, use = uses[number % len(uses)]
            use()
            damage(one(prefix, pattern))
            with pytest.raises(DamagedPrefix) as caught:
                use()
            assert caught.value.path == str(prefix), name
            force(prefix)
            use()
    commands: list[tuple[Path, tuple[str | Path, ...]]] = [
        (named, ("run", "e", "--", "true")),
        (own, ("run", "a", "--", "true")),
        (placed, ("create", "a", "--prefix", placed, "--exist-ok")),
    ]
    for prefix, words in commands:
        (prefix / "bin/hello").unlink()
        said = machine.fails(*words)
        assert f"`{prefix}` is not what it was created as: `bin/hello` is gone" in said
        again = said.rpartition("hint: `")[2].partition("`")[0]
        assert machine.ok(*shlex.split(again)[1:]) == str(prefix)
        machine.ok(*words)


def test_what_programs_leave_behind_is_no_damage(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    prefix = Path(machine.ok("create", "a", "--name", "e"))
    for command in (("python", "-m", "compileall", "-q", str(prefix / "lib")), ("python", "-V")):
        machine.ok("run", "e", "--", *command)
    for folder in prefix.rglob("__pycache__"):
        shutil.rmtree(folder)
    (prefix / "more").write_text("from a user")
    for path in prefix.rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    machine.ok("run", "e", "--", "true")
