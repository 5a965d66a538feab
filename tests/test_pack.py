"""Environments that are packed here and used where there is neither a store nor mfenv."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .helpers import COMMAND, Done, failure, finish, private_mounts, unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable

    from .helpers import Machine

pytestmark = pytest.mark.slow

GREETER = ("--conda", "greeter", "--pypi", "app")
SCRIPT = "bin/mfenv-unpack"
# What `create` knows and an archive does not: where the cache is, and when it was made.
OF_CREATE = ("extracted_package_dir", "package_tarball_full_path", "link")
OURS = re.compile(r"\.mfenv.*|bin/mfenv-unpack|conda-meta/history|(.*/)?__pycache__/.*")


def packed(machine: Machine, *asked: str, name: str = "env.tar.gz") -> Path:
    machine.ok("resolve", *asked, "--alias", "a:v1")
    return machine.work / machine.ok("pack", "a:v1", "-o", name)


def by_tar(archive: Path, prefix: Path) -> None:
    prefix.mkdir(parents=True)
    subprocess.run(["tar", "-xf", archive, "-C", prefix], check=True)


def set_up(prefix: Path, path: str = os.defpath, script: Path | None = None) -> Done:
    environ = {"PATH": path, "LANG": "C.UTF-8"}
    done = subprocess.run(
        [script or prefix / SCRIPT], capture_output=True, text=True, env=environ, check=False
    )
    return Done(status=done.returncode, out=done.stdout, err=done.stderr)


def said(prefix: Path, *words: str) -> str:
    done = subprocess.run([prefix / words[0], *words[1:]], capture_output=True, check=True)
    return done.stdout.decode().strip()


def tree(prefix: Path) -> dict[str, Any]:
    """What is in an environment, by path: bytes, whether they run, and where links lead."""
    found: dict[str, Any] = {}
    for path in sorted(prefix.rglob("*")):
        name = str(path.relative_to(prefix))
        if OURS.fullmatch(name) or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif name.startswith("conda-meta/") and name.endswith(".json"):
            document = json.loads(path.read_text())
            found[name] = {key: document[key] for key in document if key not in OF_CREATE}
        else:
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def bare(root: Path, prefix: Path) -> None:
    """A root with sh, tar, gzip and the libraries that they and an environment load.

    And with `cat`, which a program of the environment runs.
    """
    programs = ["/bin/sh", *(shutil.which(name) or "" for name in ("tar", "gzip", "cat"))]
    loaded = [*programs, *map(str, prefix.rglob("*.so")), str(prefix / "bin/python")]
    listed = subprocess.run(["ldd", *loaded], capture_output=True, text=True, check=False).stdout
    libraries = set(re.findall(r"(?:=> |^\t)(/[^ ]+) \(0x", listed, re.MULTILINE))
    for path in [*programs, *libraries]:
        if Path(path).is_relative_to(prefix):
            continue
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(path), target)
    for folder in ("bin", "dev"):
        (root / folder).mkdir(exist_ok=True)
    (root / "dev/null").touch()
    for program in programs:
        if not (root / "bin" / Path(program).name).exists():
            shutil.copy(os.path.realpath(program), root / "bin" / Path(program).name)


@pytest.mark.skipif(not private_mounts(), reason="this user may not change the root of a process")
def test_a_machine_with_a_shell_and_tar_alone(conda: Machine, tmp_path: Path) -> None:
    archive = packed(conda, *GREETER)
    here = Path(conda.ok("create", "a:v1"))
    root = tmp_path / "machine"
    bare(root, here)
    shutil.copy(archive, root / "env.tar.gz")
    (root / "srv/envs/one").mkdir(parents=True)
    # The channel's Python is one of this machine, and looks for its library where that lies; that of
    # a real channel looks beside itself.
    script = (
        "set -e; cd /srv/envs/one; tar -xf /env.tar.gz; bin/mfenv-unpack; bin/mfenv-unpack;"
        " bin/greeter; bin/hello > /dev/null; export LD_LIBRARY_PATH=/srv/envs/one/lib;"
        " bin/python -c 'import app, dep; print(dep.__file__)'"
    )
    done = subprocess.run(
        [
            "unshare",
            "--map-root-user",
            shutil.which("chroot") or "chroot",
            root,
            "/bin/sh",
            "-c",
            script,
        ],
        capture_output=True,
        text=True,
        env={"PATH": "/bin:/usr/bin", "LC_ALL": "C"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, again, *rest = done.stdout.splitlines()
    assert (first, again) == (
        "the prefix is `/srv/envs/one` now",
        "the prefix is `/srv/envs/one`, as it was",
    )
    assert rest[0] == "hello from /srv/envs/one"
    assert rest[-1].startswith("/srv/envs/one/lib/python3")
    assert not list(root.rglob("*mfenv-0*"))


@pytest.mark.parametrize("length", [0, 160])
def test_it_is_what_create_makes(conda: Machine, tmp_path: Path, length: int) -> None:
    """By tar and the script, by `mfenv unpack`, and moved there from elsewhere: the same files."""
    archive = packed(conda, *GREETER)
    prefix = tmp_path / "env".ljust(max(3, length - len(str(tmp_path))), "_")
    conda.ok("create", "a:v1", "--prefix", prefix)
    expected, compiled = tree(prefix), {*prefix.rglob("*.pyc")}
    assert {"bin/greeter", "bin/hello", "conda-meta/frozen"} <= expected.keys()
    conda.ok("rm", prefix)
    by_tar(archive, prefix)
    assert set_up(prefix) == Done(status=0, out=f"the prefix is `{prefix}` now\n", err="")
    assert tree(prefix) == expected
    assert {*prefix.rglob("*.pyc")} == compiled  # what the package of Python brings
    assert said(prefix, "bin/greeter").splitlines()[0] == f"hello from {prefix}"
    elsewhere = tmp_path / "moved"
    prefix.rename(elsewhere)
    assert set_up(elsewhere).out == f"the prefix is `{elsewhere}` now, and was `{prefix}`\n"
    assert said(elsewhere, "bin/greeter").splitlines()[0] == f"hello from {elsewhere}"
    assert str(prefix).encode() not in b"".join(
        one[0] for one in tree(elsewhere).values() if isinstance(one, tuple)
    )
    elsewhere.rename(prefix)
    assert set_up(prefix).status == 0
    assert tree(prefix) == expected
    shutil.rmtree(prefix)
    assert conda.json("unpack", archive, "--prefix", prefix)["prefix"] == str(prefix)
    assert tree(prefix) == expected
    assert set_up(prefix).out == f"the prefix is `{prefix}`, as it was\n"
    assert tree(prefix) == expected
    assert str(prefix) in conda.ok("list")
    conda.ok("cache", "verify")
    conda.ok("rm", prefix)
    assert not prefix.exists()


def test_the_same_environment_gives_the_same_bytes(
    conda: Machine, machines: Callable[[str], Machine]
) -> None:
    other = machines("other")
    digests = set()
    for ending in ("tar.gz", "tar.zst"):
        first = packed(conda, *GREETER, name=f"env.{ending}")
        # From the store alone, in another home, some time later.
        second = other.work / other.ok("pack", "a:v1", "-o", f"other.{ending}")
        assert first.read_bytes() == second.read_bytes()
        with_json = other.json("pack", "a:v1", "-o", f"other.{ending}", "--force", "--local-only")
        digest = hashlib.sha256(first.read_bytes()).hexdigest()
        assert (with_json["sha256"], with_json["size"]) == (digest, first.stat().st_size)
        assert with_json["needs"] is None
        digests.add(digest)
    assert len(digests) == 2
    text = b"".join(path.read_bytes() for path in contents(first, conda.root / "looked").values())
    assert str(conda.root).encode() not in text


def contents(archive: Path, folder: Path) -> dict[str, Path]:
    by_tar(archive, folder)
    return {str(path.relative_to(folder)): path for path in folder.rglob("*.json")}


def test_from_a_lock_file(conda: Machine) -> None:
    archive = packed(conda, *GREETER)
    conda.ok("lock", *GREETER)
    conda.ok("pack", "--lock", "mfenv.lock", "-o", "locked.tar.gz")
    one, other = (tree_of(path) for path in (archive, conda.work / "locked.tar.gz"))
    assert one == other


def tree_of(archive: Path) -> dict[str, str]:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(".mfenv-pack/manifest.json")
        assert file
        files = dict(json.load(file)["files"])
    files.pop(".mfenv-pack/environment.json")
    return files


def test_another_platform(conda: Machine, tmp_path: Path) -> None:
    both = ("--platform", "linux-64", "--platform", "linux-aarch64")
    conda.ok("resolve", "--conda", "greeter", *both, "--alias", "a:v1")
    machine = os.uname().machine
    foreign = "linux-64" if machine == "aarch64" else "linux-aarch64"
    conda.ok("pack", "a:v1", "-o", "env.tar.gz", "--platform", foreign)
    archive = conda.work / "env.tar.gz"
    assert f"for {foreign} cannot be made on" in conda.fails("unpack", archive, "-p", "env")
    assert not (conda.work / "env").exists()
    by_tar(archive, tmp_path / "env")
    before = tree(tmp_path / "env")
    done = set_up(tmp_path / "env", f"{Path(sys.executable).parent}:{os.defpath}")
    assert (done.status, done.out) == (1, "")
    assert f"it is for {foreign}, and this machine is linux {machine}" in done.err
    assert tree(tmp_path / "env") == before
    assert "Give --platform once" in conda.fails(
        *("pack", "a:v1", "-o", "two.tar.gz", *both), status=2
    ).replace("give", "Give")


def test_a_python_of_the_machine(machine: Machine, tmp_path: Path) -> None:
    archive = packed(machine, "--pypi", "app")
    python = Path(os.path.realpath(Path(machine.ok("create", "a:v1")) / "bin/python"))
    minor = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    needs = machine.json("pack", "a:v1", "-o", "again.tar.gz")["needs"]
    assert needs == f"Python {minor}"
    prefix = tmp_path / "env"
    machine.ok("create", "a:v1", "--prefix", prefix)
    expected = tree(prefix)
    machine.ok("rm", prefix)
    by_tar(archive, prefix)
    empty = tmp_path / "none"
    empty.mkdir()
    done = set_up(prefix, str(empty))
    assert (done.status, done.out) == (1, "")
    assert f"there is no {needs} on PATH\nhint: " in done.err
    # Others come first, and are passed over.
    for name in ("python3", "python"):
        (empty / name).symlink_to("/bin/false")
    (empty / f"python{minor}").symlink_to(python)
    assert set_up(prefix, str(empty)).out == f"the prefix is `{prefix}` now\n"
    assert tree(prefix).keys() == expected.keys()
    assert said(prefix, "bin/python", "-c", "import app, sys; print(sys.prefix)") == str(prefix)
    prefix.rename(tmp_path / "a place")
    assert set_up(tmp_path / "a place", str(empty)).status == 0
    where = said(tmp_path / "a place", "bin/python", "-c", "import app, sys; print(sys.prefix)")
    assert where == str(tmp_path / "a place")
    machine.ok("unpack", archive, "--prefix", prefix)
    assert tree(prefix) == expected


def test_where_an_archive_is_not_right(conda: Machine) -> None:
    archive = packed(conda, "--conda", "greeter")
    data = archive.read_bytes()
    state = conda.rows()
    for at in (0, 1, 10, len(data) // 3, len(data) - 9, len(data) - 1):
        conda.file("cut.tar.gz", "")
        (conda.work / "cut.tar.gz").write_bytes(data[:at])
        told = conda.fails("unpack", "cut.tar.gz")
        assert "`cut.tar.gz` is refused: it " in told
        assert re.search("\nhint: .*fetch or copy it again", told)
    plain = gzip.decompress(data)
    at = plain.index(b"hello from")
    changed = plain[:at] + b"HELLO" + plain[at + 5 :]
    (conda.work / "other.tar.gz").write_bytes(gzip.compress(changed, 1))
    told = conda.fails("unpack", "other.tar.gz", "--prefix", "n1/n2/env")
    assert not (conda.work / "n1").exists()
    assert "which is not the file that its manifest lists\nhint: fetch or copy it again" in told
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as made:
        made.addfile(tarfile.TarInfo("bin/python"))
    (conda.work / "mine.tar.gz").write_bytes(gzip.compress(tar.getvalue()))
    told = conda.fails("unpack", "mine.tar.gz")
    assert "is no environment that `mfenv pack` made\nhint: name a file that `mfenv pack`" in told
    conda.file("text.tar.gz", "not at all")
    assert "neither a `.tar.zst` nor a `.tar.gz`" in conda.fails("unpack", "text.tar.gz")
    assert "no such file" in conda.fails("unpack", "none.tar.gz")
    shutil.copy(archive, conda.work / "text")
    assert "say where with `--prefix DIR`" in conda.fails("unpack", "text")
    (conda.work / "behind.tar.gz").write_bytes(data + b"garbage")
    assert "`behind.tar.gz` is refused: it cannot be" in conda.fails("unpack", "behind.tar.gz")
    for none in (".", "-"):
        assert "name a file that `mfenv pack` wrote" in conda.fails("unpack", none)
        assert "name a file that `mfenv pack` wrote" in conda.fails("unpack", none, "-p", "env")
    for words in (("unpack", archive, "-p", "/"), ("create", "a:v1", "--prefix", "/", "--force")):
        told = conda.fails(*words)
        assert "`/`: is no place for an environment\nhint: choose a directory below it" in told
    full = conda.work / "full"
    full.mkdir()
    (full / "mine").touch()
    told = conda.fails("unpack", archive, "-p", full)
    assert "exists already\nhint: choose a directory that is not there, or is empty" in told
    assert [path.name for path in full.iterdir()] == ["mine"]
    assert conda.rows() == state
    assert [path.name for path in conda.work.iterdir() if path.is_dir()] == ["full"]
    empty = conda.work / "empty"
    empty.mkdir()
    link = conda.work / "link"
    link.symlink_to("empty")
    told = conda.fails("unpack", archive, "-p", link)
    assert f"hint: name the directory itself: `{empty}`" in told
    conda.ok("unpack", archive, "-p", empty)
    assert (empty / "bin/greeter").exists()


def test_where_it_cannot_be_written(conda: Machine) -> None:
    packed(conda, "--conda", "greeter")
    assert "`env.tar.gz` exists already" in conda.fails("pack", "a:v1", "-o", "env.tar.gz")
    assert "how it is compressed" in conda.fails("pack", "a:v1", "-o", "env.zip")
    assert "is no directory" in conda.fails("pack", "a:v1", "-o", "none/env.tar.gz")
    (conda.work / "folder.tar.gz").mkdir()
    told = conda.fails("pack", "a:v1", "-o", "folder.tar.gz", "--force")
    assert "`folder.tar.gz` is a directory\nhint: name a file: `-o folder.tar.gz/env" in told
    folder = conda.work / "read"
    folder.mkdir(mode=0o555)
    before = unprivileged()
    words = ("pack", "a:v1", "-o", "read/env.tar.gz")
    assert "permission denied" in conda.fails(*words, before=before)
    prefix = conda.root / "elsewhere"
    by_tar(conda.work / "env.tar.gz", prefix)
    manifest = json.loads((prefix / ".mfenv-pack/manifest.json").read_text())
    kept = (prefix / manifest["holders"][0][0]).parent
    kept.chmod(0o555)
    script = finish(conda.spawn("/bin/sh", "-c", f'{before}; exec "$0"', prefix / SCRIPT))
    kept.chmod(0o755)
    assert (script.status, script.out) == (1, "")
    assert "is not set up: permission denied: `" in script.err
    assert set_up(prefix).status == 0
    words = ("unpack", "env.tar.gz", "-p", "read/env")
    assert "permission denied" in conda.fails(*words, before=before)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not private_mounts(), reason="this user may not mount anything")
@pytest.mark.parametrize("words", ["pack a:v1 -o @/env.tar.zst", "unpack env.tar.gz -p @/env"])
def test_a_full_disk(conda: Machine, words: str) -> None:
    packed(conda, "--conda", "greeter")
    disk = conda.root / "disk"
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=2m none "$DISK"; "$@"; status=$?; ls -A "$DISK" >&2; exit $status'
    )
    conda.environ["DISK"] = str(disk)
    words = words.replace("@", str(disk))
    command = ("unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", COMMAND)
    done = finish(conda.spawn(*command, *words.split()))
    told = failure(done)
    assert f"disk full: `{disk}" in told
    assert "env" not in done.err.splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_while_it_works(conda: Machine, number: signal.Signals) -> None:
    """Whatever moment it is, there is all of it or nothing, and the next does it."""
    archive = packed(conda, "--conda", "greeter")
    work = conda.root / "out"
    work.mkdir()
    for words in (
        ("pack", "a:v1", "-o", work / "env.tar.gz"),
        ("unpack", archive, "-p", work / "env"),
    ):
        started = time.monotonic()
        conda.ok(*words)
        whole = time.monotonic() - started
        hits = 0
        for part in range(1, 9):
            for path in work.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            process = conda.start(*words)
            time.sleep(whole * part / 9)
            process.send_signal(number)
            done = finish(process)
            hits += done.status != 0
            names = {path.name for path in work.iterdir() if not path.name.startswith(".")}
            assert bool(names) or done.status != 0
        assert hits
        if not names:
            conda.ok(*words)
        # What the killed one left beside it is gone.
        assert [path.name for path in work.iterdir()] == [Path(words[-1]).name]
    assert said(work / "env", "bin/greeter").splitlines()[0] == f"hello from {work / 'env'}"


def test_a_path_that_is_too_long(conda: Machine, tmp_path: Path) -> None:
    archive = packed(conda, "--conda", "greeter")
    long = tmp_path / ("x" * 120) / ("y" * 120) / "env"
    assert "its path is too long for `" in conda.fails("unpack", archive, "--prefix", long)
    assert not long.exists()
    by_tar(archive, long)
    before = tree(long)
    done = set_up(long)
    assert done.status == 1
    assert "its path is too long for `" in done.err
    assert tree(long) == before


def test_what_was_interrupted_and_what_somebody_changed_is_led_on(
    conda: Machine, tmp_path: Path
) -> None:
    archive = packed(conda, *GREETER)
    one, other, fresh = tmp_path / "first", tmp_path / "other", tmp_path / "fresh"
    by_tar(archive, fresh)
    assert set_up(fresh).status == 0
    expected = tree(fresh)
    fresh.rename(other)
    by_tar(archive, one)
    manifest = json.loads((one / ".mfenv-pack/manifest.json").read_text())
    later = [path for path, *_ in manifest["holders"]][2:]
    before = {path: (one / path).read_bytes() for path in later}
    assert set_up(one).status == 0
    # As it is where it was killed behind the first two of its files.
    for path, content in before.items():
        (one / path).write_bytes(content)
    state = one / ".mfenv-pack/prefix.json"
    state.write_text(json.dumps({"prefixes": [str(one), "/before"]}))
    one.rename(fresh)
    assert set_up(fresh).out == f"the prefix is `{fresh}` now\n"
    assert tree(fresh) == expected
    script = fresh / "bin/greeter"
    script.write_text(script.read_text() + f"# mine: {fresh}\n")
    (fresh / "bin/python3").unlink()
    fresh.rename(one)
    done = set_up(one)
    note = "note: `bin/greeter` was changed, and is led there as it is\n"
    assert (done.status, done.err) == (0, note)
    assert (one / "bin/greeter").read_text().endswith(f"# mine: {one}\n")
    assert said(one, "bin/greeter").splitlines()[0] == f"hello from {one}"


def test_what_somebody_changed_and_added_is_led_once_whatever_happens(
    conda: Machine, tmp_path: Path
) -> None:
    """To a place whose name begins with that of the one before, and stopped halfway there."""
    one, two = tmp_path / "env", tmp_path / "env2"
    by_tar(packed(conda, *GREETER), one)
    assert set_up(one).status == 0
    script, later = one / "bin/greeter", one / "bin/later"
    text = script.read_text()
    script.write_text(f"{text}# mine: {one}, and beside it {one}-data\n")
    later.write_text(f"#!{one}/bin/greeter\n")  # as pip writes what it installs
    later.chmod(0o755)
    expected = text.replace(str(one), str(two)) + f"# mine: {two}, and beside it {one}-data\n"
    one.rename(two)
    # Its records come after the files.
    manifest = json.loads((two / ".mfenv-pack/manifest.json").read_text())
    records = {(two / path).parent for path in manifest["records"]}
    for path in records:
        path.chmod(0o555)
    before = unprivileged()
    words = ("/bin/sh", "-c", f'{before}; exec "$0"', two / SCRIPT)
    assert finish(conda.spawn(*words)).status == 1
    for path in records:
        path.chmod(0o755)
    assert (two / "bin/greeter").read_text() == expected
    done = set_up(two)
    assert done.status == 0
    assert "note: `bin/greeter` was changed, and is led there as it is\n" in done.err
    assert "note: `bin/later` came later, and is led there as it is\n" in done.err
    assert (two / "bin/greeter").read_text() == expected
    assert said(two, "bin/later").splitlines()[0] == f"hello from {two}"
    link = tmp_path / "folder/link"
    link.parent.mkdir()
    link.symlink_to("../env2/bin/mfenv-unpack")
    done = set_up(two, script=link)
    assert (done.status, done.out) == (0, f"the prefix is `{two}`, as it was\n")


@pytest.mark.parametrize("python", ["conda", "machine"])
def test_it_has_nothing_to_do_where_nobody_can_write(
    request: pytest.FixtureRequest, tmp_path: Path, python: str
) -> None:
    """As in a container, whose entry point runs it, or in a directory of somebody else."""
    before = unprivileged()
    machine: Machine = request.getfixturevalue(python)
    prefix = tmp_path / "env"
    by_tar(packed(machine, "--pypi", "app"), prefix)
    interpreter = Path(machine.ok("create", "a:v1")) / "bin/python"
    path = f"{Path(os.path.realpath(interpreter)).parent}:{os.defpath}"
    assert set_up(prefix, path).status == 0
    expected = tree(prefix)
    folders = [prefix, *(one for one in prefix.rglob("*") if one.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    words = ("/bin/sh", "-c", f'PATH={path}; {before}; exec "$0"', prefix / SCRIPT)
    done = finish(machine.spawn(*words))
    for folder in folders:
        folder.chmod(0o755)
    assert (done.status, done.out) == (0, f"the prefix is `{prefix}`, as it was\n"), done.err
    assert tree(prefix) == expected


def test_its_script_is_interrupted(conda: Machine, tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    by_tar(packed(conda, "--conda", "greeter"), prefix)
    record = next(prefix.glob("conda-meta/greeter-*.json"))
    content = record.read_bytes()
    record.unlink()
    os.mkfifo(record)
    process = conda.spawn(prefix / SCRIPT)
    # Open when the other end is: now it waits for what to read.
    with record.open("wb"):
        process.send_signal(signal.SIGINT)
        done = finish(process)
    said_last = f"error: `{prefix}` is not set up: interrupted\nhint: run it again: it goes on\n"
    assert (done.status, done.out, done.err) == (130, "", said_last)
    record.unlink()
    record.write_bytes(content)
    assert set_up(prefix).status == 0
    assert said(prefix, "bin/greeter").splitlines()[0] == f"hello from {prefix}"


def test_where_it_is_damaged_its_script_says_which_file(conda: Machine, tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    by_tar(packed(conda, "--conda", "greeter"), prefix)
    record = next(prefix.glob("conda-meta/greeter-*.json"))
    for path in (record, prefix / ".mfenv-pack/manifest.json"):
        kept = path.read_bytes()
        path.write_bytes(b"")
        done = set_up(prefix)
        name = path.relative_to(prefix)
        text = f"error: `{prefix}` is not set up: `{name}` cannot be read: unpack the archive again"
        assert (done.status, done.out, done.err) == (1, "", f"{text}\n")
        path.write_bytes(kept)
    assert set_up(prefix).status == 0
    (prefix / ".mfenv-pack/manifest.json").unlink()
    done = set_up(prefix)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert f"`{prefix}` is no environment" in done.err
