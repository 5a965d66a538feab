"""Archives of environments: honest ones, and those that somebody made to do harm."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from envid.platforms import PLATFORMS, platform_of
from pkgcache.archives.records import PackageLimits
from pkgcache.errors import BadArchive, PrefixError, PrefixExists, TargetExists
from pkgcache.local.cache import PackageCache
from pkgcache.prefixes import _placeholder, _setting
from pkgcache.prefixes._setting import CannotSet, set_prefix
from pkgcache.prefixes.packing import pack_env
from pkgcache.prefixes.prefix import check_prefix, read_marker
from pkgcache.prefixes.unpacking import unpack_env
from pkgcache.progress import NoProgress

from .conda_helpers import PLACEHOLDER, Conda, Entry, env_of, package_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from envid.resolved import ResolvedEnv

OLD = PLACEHOLDER.encode()
PYTHON = Conda(
    name="python",
    version="3.11.7",
    files={
        "bin/python3.11": Entry(b"#!/bin/sh\n", mode=0o755),
        "bin/python": Entry(link="python3.11"),
        "lib/lib.so.1": Entry(b"\0" + OLD + b"/a:" + OLD + b"/b\0\0end", prefix="binary"),
        "lib/lib.so": Entry(link="lib.so.1"),
        "bin/tool": Entry(b"#!" + OLD + b"/bin/python3.11 -x\nhere\n", mode=0o755, prefix="text"),
        # What stands for the prefix by chance cannot be told from it afterwards.
        "share/odd": Entry(OLD + b" /srv/here\0", prefix="text"),
    },
)
NOARCH = Conda(
    name="pure",
    noarch="python",
    depends=("python",),
    files={"site-packages/pure.py": b"def main(): ...\n"},
    entry_points=("pure = pure:main",),
)


def nowhere(_: ResolvedEnv) -> Path:
    raise AssertionError("it brings a Python")


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache(tmp_path / "cache")


@pytest.fixture
def env(cache: PackageCache) -> ResolvedEnv:
    packages = []
    for one in (PYTHON, NOARCH):
        data = one.conda()
        package = package_of(one, data, ".conda")
        cache.add(data, package.filename)
        packages.append(package)
    return env_of(*packages)


@pytest.fixture
def archive(cache: PackageCache, env: ResolvedEnv, tmp_path: Path) -> Path:
    return pack_env(env, tmp_path / "env.tar.gz", cache=cache).path


def tree(root: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(root)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in root.rglob("*")
        if (path.is_symlink() or path.is_file()) and not path.name.startswith(".mfenv")
    }


def test_the_smallest_environment(cache: PackageCache, env: ResolvedEnv, tmp_path: Path) -> None:
    for ending in (".tar.gz", ".tar.zst"):
        packed = pack_env(env, tmp_path / f"env{ending}", cache=cache)
        assert hashlib.sha256(packed.path.read_bytes()).hexdigest() == packed.sha256
        prefix = tmp_path / ending
        found = unpack_env(packed.path, prefix, cache=cache, find_python=nowhere)
        assert found.env_id == read_marker(prefix) == env.env_id
        assert check_prefix(prefix) == ()
        own = str(prefix).encode()
        assert (prefix / "bin/tool").read_bytes() == b"#!" + own + b"/bin/python3.11 -x\nhere\n"
        binary = (prefix / "lib/lib.so").read_bytes()
        assert binary.startswith(b"\0" + own + b"/a:" + own + b"/b\0")
        assert (len(binary), binary[-3:]) == (2 * len(OLD) + 11, b"end")
        assert packed.files == len(tree(prefix)) - 1  # that says to where it was set
        with pytest.raises(TargetExists):
            pack_env(env, packed.path, cache=cache)
        with pytest.raises(IsADirectoryError):
            pack_env(env, tmp_path, cache=cache, force=True)
        with pytest.raises(PrefixExists):
            unpack_env(packed.path, prefix, cache=cache, find_python=nowhere)


def test_its_prefix_is_set_again_and_again(
    archive: Path, cache: PackageCache, tmp_path: Path
) -> None:
    """Whatever the places are, those in the files among them: as if it was set once."""
    places = [tmp_path / "a", Path("/srv/here"), tmp_path / ("b" * 150), Path("/x"), tmp_path / "a"]
    unpack_env(archive, tmp_path / "env", cache=cache, find_python=nowhere)
    manifest = json.loads((tmp_path / "env" / _setting.MANIFEST).read_text())
    for place in places:
        assert set_prefix(str(tmp_path / "env"), str(place), manifest) == []
        for path, placeholder, mode, digest in manifest["holders"]:
            content = (tmp_path / "env" / path).read_bytes()
            assert hashlib.sha256(content).hexdigest() != digest
            fresh = original(archive, path)
            assert content == _placeholder.replaced(fresh, placeholder, str(place).encode(), mode)
        for record in manifest["records"]:
            paths = json.loads((tmp_path / "env" / record).read_text())["paths_data"]["paths"]
            for entry in paths:
                if "sha256_in_prefix" in entry:
                    data = (tmp_path / "env" / entry["_path"]).read_bytes()
                    assert entry["sha256_in_prefix"] == hashlib.sha256(data).hexdigest()
    before = tree(tmp_path / "env")
    with pytest.raises(CannotSet):
        set_prefix(str(tmp_path / "env"), "/" + "y" * 300, manifest)
    with pytest.raises(CannotSet):
        set_prefix(str(tmp_path / "env"), "/a:b", manifest)
    assert tree(tmp_path / "env") == before


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("#!/a/e/bin/x\n", "text", "#!/a/e2/bin/x\n"),
        ("at '/a/e':/a/e;/a/e\n", "text", "at '/a/e2':/a/e2;/a/e2\n"),
        (
            "In /a/e. -I/a/e/include file:///a/e/x",
            "text",
            "In /a/e2. -I/a/e2/include file:///a/e2/x",
        ),
        ("/a/e-data /a/e.old /a/e_x /a/ee /a/e~", "text", "/a/e-data /a/e.old /a/e_x /a/ee /a/e~"),
        ("/b/a/e/x ./a/e/x ~/a/e/x", "text", "/b/a/e/x ./a/e/x ~/a/e/x"),
        ("/a/e2/x /a/e/x", "text", "/a/e2/x /a/e2/x"),
        ("1/a/before/x\0\0/a/e-data\0", "binary", "1/a/e2/x\0\0\0\0\0\0/a/e-data\0"),
    ],
)
def test_what_somebody_changed_is_led_once(text: str, mode: Any, expected: str) -> None:
    before = ["/a/before", "/a/e", "/a/e2"]
    led = _placeholder.led(text.encode(), before, "/a/e2", mode).decode()
    assert led == expected
    assert _placeholder.led(led.encode(), before, "/a/e2", mode).decode() == expected


def test_into_itself_it_is_led_once() -> None:
    first = _placeholder.led(b"/a/e/x", ["/a/e"], "/a/e/e", "text")
    assert first == b"/a/e/e/x"
    assert _placeholder.led(first, ["/a/e/e", "/a/e"], "/a/e/e", "text") == first
    with pytest.raises(_placeholder.NoRoom):
        _placeholder.led(b"/a/e/x\0", ["/a/e"], "/a/e2", "binary")


@pytest.mark.parametrize("minor", ["3.8", "3.13"])
def test_the_oldest_and_the_newest_python_of_a_machine(
    archive: Path, cache: PackageCache, tmp_path: Path, minor: str
) -> None:
    pythons = sorted(Path.home().glob(f".pyenv/versions/{minor}.*/bin/python"))
    if not pythons:
        pytest.skip(f"there is no Python {minor} of pyenv")
    prefix, programs = tmp_path / "env", tmp_path / "programs"
    unpack_env(archive, prefix, cache=cache, find_python=nowhere)
    expected = tree(prefix)
    shutil.rmtree(prefix)
    with tarfile.open(archive) as tar:
        tar.extractall(prefix, filter="fully_trusted")
    own = prefix / "bin/python3.11"
    own.rename(tmp_path / "own")
    programs.mkdir()
    (programs / "python3").symlink_to(pythons[0])
    done = subprocess.run(
        ["/bin/sh", prefix / "bin/mfenv-unpack"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"the prefix is `{prefix}` now\n", "")
    (tmp_path / "own").rename(own)
    assert tree(prefix) == expected


def original(archive: Path, path: str) -> bytes:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(path)
        assert file
        return file.read()


def remade(
    archive: Path, change: Callable[[str, tarfile.TarInfo, bytes], Any], *extra: tarfile.TarInfo
) -> Path:
    """The archive with other members; `change` gives the content of each, None for not at all."""
    made = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=made, mode="w") as new:
        for member in old:
            file = old.extractfile(member) if member.isfile() else None
            content = change(member.name, member, file.read() if file else b"")
            if content is not None:
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
                if member.name == ".mfenv-pack/environment.json":
                    for one in extra:
                        new.addfile(one, io.BytesIO(b"x" * one.size))
    target = archive.with_name("other.tar.gz")
    target.write_bytes(gzip.compress(made.getvalue(), 1))
    return target


def refused(archive: Path, cache: PackageCache, **more: Any) -> str:
    place = archive.parent / "place" / "env"
    with pytest.raises((BadArchive, PrefixError)) as caught:
        unpack_env(archive, place, cache=cache, find_python=nowhere, **more)
    assert not place.parent.exists()
    return str(caught.value)


def same(_: str, __: tarfile.TarInfo, content: bytes) -> bytes:
    return content


def special(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([special("../out")], "leads out of the folder"),
        ([special("/out")], "is absolute"),
        ([special("lib/../../out")], "leads out of the folder"),
        ([special("a", tarfile.SYMTYPE, "/etc")], "has the symbolic link `a` to '/etc'"),
        ([special("a", tarfile.SYMTYPE, "../..")], "leads out of the prefix"),
        ([special("a", tarfile.SYMTYPE, "b"), special("a/x")], "another file's name"),
        ([special("a", tarfile.LNKTYPE, "bin/tool")], "has the hard link `a`"),
        ([special("a", tarfile.CHRTYPE)], "has a device"),
        ([special("a", tarfile.FIFOTYPE)], "has a fifo"),
        ([special("a"), special("a")], "has the name `a` twice"),
        ([special("a"), special("a/b")], "another file's name"),
        ([special(".mfenv.json")], "belongs to the environment"),
        ([special(".mfenv-files.json")], "belongs to the environment"),
        ([special(".mfenv-pack/prefix.json")], "belongs to the environment"),
        ([special(".mfenv-pack/kept/1")], "belongs to the environment"),
        ([special(".mfenv-pack/lib2", tarfile.SYMTYPE, "../bin")], "belongs to the environment"),
        ([special("mine")], "has also `mine`"),
    ],
)
def test_members_that_do_harm(
    archive: Path, cache: PackageCache, members: list[tarfile.TarInfo], said: str
) -> None:
    assert said in refused(remade(archive, same, *members), cache)


def manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
    def changed(name: str, _: tarfile.TarInfo, content: bytes) -> bytes:
        if name != _setting.MANIFEST:
            return content
        document = json.loads(content)
        change(document)
        document["sha256"] = _setting.manifest_digest(document)
        return json.dumps(document).encode()

    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda name, _, data: None if name == "bin/tool" else data, "lacks `bin/tool`"),
        (lambda name, _, data: data[:-1] + b"X" if name == "bin/tool" else data, "not the file"),
        (lambda name, _, data: None if "manifest" in name else data, "has no manifest"),
        (lambda name, _, data: b"[]" if "manifest" in name else data, "has no manifest"),
        (lambda name, _, data: b"{" if "manifest" in name else data, "has no manifest"),
        (lambda name, _, data: None if "environment" in name else data, "no environment that"),
        (lambda name, _, data: b"{}" if "environment" in name else data, "a description that"),
        (lambda name, _, data: data.replace(b'["lib', b'["lob', 1), "has no manifest"),
        (manifest(lambda one: one.update(schema_version=2)), "unknown version 2"),
        (manifest(lambda one: one.update(full_id="0" * 40)), "of another environment"),
        (manifest(lambda one: one.update(glibc=[999, 1])), "needs glibc 999.1"),
        (manifest(lambda one: one.update(glibc="2.28")), "has no manifest"),
        (manifest(lambda one: one["holders"][0].__setitem__(0, "../x")), "has no manifest"),
        (manifest(lambda one: one["holders"][0].__setitem__(0, "bin/python")), "has no manifest"),
        (manifest(lambda one: one["holders"][0].__setitem__(1, "/")), "has no manifest"),
        (manifest(lambda one: one["holders"][0].__setitem__(2, "other")), "has no manifest"),
        (manifest(lambda one: one["records"].append("../x")), "has no manifest"),
        (
            manifest(lambda one: one["records"].append("bin/tool")),
            "`bin/tool`, which cannot be read",
        ),
    ],
)
def test_contents_that_are_not_right(
    archive: Path, cache: PackageCache, change: Any, said: str
) -> None:
    assert said in refused(remade(archive, change), cache)


def lied(
    change: Callable[[str, bytes], bytes | None], extra: dict[str, bytes] | None = None
) -> Callable[..., Any]:
    """Changes files, and what the manifest says of them: as who wants it to be believed."""
    digests: dict[str, str | None] = {}

    def changed(name: str, _: tarfile.TarInfo, content: bytes) -> Any:
        if name != _setting.MANIFEST:
            new = change(name, content)
            if new != content:
                digests[name] = None if new is None else hashlib.sha256(new).hexdigest()
            return new
        document = json.loads(content)
        for path, data in (extra or {}).items():
            digests[path] = hashlib.sha256(data).hexdigest()
        for path, digest in digests.items():
            if digest:
                document["files"][path] = digest
            else:
                del document["files"][path]
        document["sha256"] = _setting.manifest_digest(document)
        return json.dumps(document).encode()

    return changed


PURE = "lib/python3.11/site-packages/pure.py"
EVIL = b"def main(): print('EVIL')\n"


def evil(path: str = PURE, *, record: bool = False) -> Callable[[str, bytes], bytes | None]:
    """A module that is another one; with `record`, the record of its package says so, too."""

    def change(name: str, content: bytes) -> bytes | None:
        if name == path:
            return EVIL
        if record and name.startswith("conda-meta/pure"):
            old = hashlib.sha256(b"def main(): ...\n").hexdigest().encode()
            assert old in content
            return content.replace(old, hashlib.sha256(EVIL).hexdigest().encode())
        return content

    return change


def test_what_is_not_of_the_packages_is_refused_whatever_the_manifest_says(
    archive: Path, cache: PackageCache, tmp_path: Path
) -> None:
    elsewhere = PackageCache(tmp_path / "other cache")
    pth = special("lib/python3.11/site-packages/evil.pth")
    pth.size = 1
    link = special("lib/python3.11/site-packages/os.py", tarfile.SYMTYPE, "pure.py")
    other = remade(archive, lied(evil()))
    for one in (cache, elsewhere):
        assert "is not the file that its package lists" in refused(other, one)
    added = remade(archive, lied(lambda _, data: data, {pth.name: b"x"}), pth)
    for one in (cache, elsewhere):
        assert "evil.pth`, which is of none of its packages" in refused(added, one)
    # The packages know better.
    believed = remade(archive, lied(evil(record=True)))
    assert "is not the file of its package" in refused(believed, cache)
    linked = remade(archive, same, link)
    assert "os.py`, which is of none of its packages" in refused(linked, cache)
    moved = remade(archive, same)
    with tarfile.open(moved) as tar:
        assert tar.getmember("bin/python").linkname == "python3.11"

    def elsewhere_led(name: str, member: tarfile.TarInfo, content: bytes) -> bytes:
        if name == "bin/python":
            member.linkname = "tool"
        return content

    assert "leads elsewhere" in refused(remade(archive, elsewhere_led), cache)
    lacking = remade(archive, lied(lambda name, data: None if name == PURE else data))
    assert f"lacks `{PURE}`" in refused(lacking, cache)
    more = manifest(lambda one: one["holders"].pop())
    assert "does not fit its packages" in refused(remade(archive, more), cache)


def test_who_has_none_of_the_packages_is_told_that_the_archive_is_believed(
    archive: Path, tmp_path: Path
) -> None:
    believed = remade(archive, lied(evil(record=True)))
    notes: list[str] = []

    class Noted(NoProgress):
        def note(self, text: str) -> None:
            notes.append(text)

    elsewhere = PackageCache(tmp_path / "other cache")
    for one, expected in ((archive, b"def main(): ...\n"), (believed, EVIL)):
        prefix = tmp_path / one.name.partition(".")[0]
        unpack_env(one, prefix, cache=elsewhere, find_python=nowhere, progress=Noted())
        assert (prefix / PURE).read_bytes() == expected
        assert "take it from somebody whom you trust" in notes.pop()
    assert notes == []


def test_the_script_and_its_code_are_not_those_of_the_archive(
    archive: Path, cache: PackageCache, tmp_path: Path
) -> None:
    unpack_env(archive, tmp_path / "env", cache=cache, find_python=nowhere)
    expected = tree(tmp_path / "env")
    stray = special(".mfenv-pack/lib/json.py")
    stray.size = 1

    def change(name: str, data: bytes) -> bytes:
        code = name.startswith(".mfenv-pack/lib/") and name != stray.name
        return b"#!/bin/sh\necho EVIL\n" if code or name == "bin/mfenv-unpack" else data

    other = remade(archive, lied(change, {stray.name: b"x"}), stray)
    (tmp_path / "env").rename(tmp_path / "first")
    unpack_env(other, tmp_path / "env", cache=cache, find_python=nowhere)
    found = tree(tmp_path / "env")
    del found[_setting.MANIFEST], expected[_setting.MANIFEST]
    assert found == expected
    assert (tmp_path / "env/bin/mfenv-unpack").stat().st_mode & 0o100


@pytest.mark.slow
def test_bombs(archive: Path, cache: PackageCache) -> None:
    large = special("large")
    large.size = 80 << 20
    assert "unpacks to more than" in refused(remade(archive, same, large), cache)
    few = PackageLimits(files=5)
    assert "has more than 5 files" in refused(archive, cache, limits=few)
    few_and_large = PackageLimits(files=1000, size=100 << 20)
    endless = archive.with_name("endless.tar.gz")
    endless.write_bytes(gzip.compress(gzip.decompress(archive.read_bytes()) + bytes(80 << 20), 1))
    assert "more than its files can need" in refused(endless, cache, limits=few_and_large)


@pytest.mark.parametrize("ending", [".tar.gz", ".tar.zst"])
def test_cut_anywhere(cache: PackageCache, env: ResolvedEnv, tmp_path: Path, ending: str) -> None:
    archive = pack_env(env, tmp_path / f"whole{ending}", cache=cache).path
    data = archive.read_bytes()
    cut = tmp_path / f"cut{ending}"
    # Behind that there is but a checksum of what the manifest has digests of.
    last = len(data) - 9
    for at in {*range(0, last, max(1, last // 25)), last}:
        cut.write_bytes(data[:at])
        assert "`cut" in refused(cut, cache)


@pytest.mark.slow
def test_flipped_bits(cache: PackageCache, archive: Path) -> None:
    plain = gzip.decompress(archive.read_bytes())
    flipped = archive.with_name("flipped.tar.gz")
    expected: dict[str, bytes | str] = {}
    place = archive.parent / "place" / "env"
    with tarfile.open(archive) as tar:
        script = tar.getmember("bin/mfenv-unpack")
    padding = script.offset_data + script.size
    assert plain[padding] == 0
    for at in {*range(0, len(plain), len(plain) // 60), padding}:
        changed = bytearray(plain)
        changed[at] ^= 1
        flipped.write_bytes(gzip.compress(bytes(changed), 1))
        try:
            unpack_env(flipped, place, cache=cache, find_python=nowhere)
        except (BadArchive, PrefixError):
            assert not place.parent.exists() or list(place.parent.iterdir()) == []
            continue
        # In what nobody reads, such as the padding.
        expected = expected or tree(place)
        assert tree(place) == expected
        place.rename(archive.parent / f"done-{at}")
    assert expected


def test_damage_in_the_cache_is_not_packed(
    cache: PackageCache, env: ResolvedEnv, tmp_path: Path
) -> None:
    target = tmp_path / "env.tar.gz"
    tree_of = cache.unpacked_conda(next(one for one in env.packages if one.name == "python")).tree
    path = tree_of / "bin/python3.11"
    status = path.stat()
    path.chmod(0o755)
    path.write_bytes(b"#!/bin/SH\n")
    path.chmod(status.st_mode)
    pack_env(env, target, cache=cache)
    # It was seen, and unpacked again.
    assert original(target, "bin/python3.11") == b"#!/bin/sh\n"


def test_an_archive_of_another_kind(cache: PackageCache, archive: Path) -> None:
    plain = gzip.decompress(archive.read_bytes())
    other = archive.with_name("window.tar.zst")
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=30)
    engine = zstandard.ZstdCompressor(compression_params=parameters)
    with other.open("wb") as file, engine.stream_writer(file, closefd=False) as stream:
        stream.write(plain)
    assert "asks for too much memory" in refused(other, cache)
    other.write_bytes(plain)
    assert "neither a `.tar.zst` nor a `.tar.gz`" in refused(other, cache)


def test_machines_are_those_of_the_table_that_is_not_there() -> None:
    machines = _setting._PLATFORMS
    assert {name: platform_of(*machine) for name, machine in machines.items()} == {
        name: name for name in PLATFORMS
    }
