"""Every code block of the site runs, and says what its page shows."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envid.platforms import host_platform
from resolvers.testing import Distribution, FakeIndex, make_wheel

from .channel import ChannelServer, Entry, Recipe, cached, pack, write_channel
from .emulators import running, why_not
from .pages import Block, Desk, blocks, commands_of, said_as_shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {str(path.relative_to(DOCS)): path.read_text() for path in sorted(DOCS.rglob("*.md"))}
RUN = [
    pytest.param(name, marks=pytest.mark.slow)
    for name, text in PAGES.items()
    if any(block.kind in ("console", "python") for block in blocks(text))
]
FEW = 10

pytestmark = pytest.mark.skipif(
    host_platform() != "linux-64", reason="the pages show what is said on linux-64"
)


def module(name: str, version: str, *depends: str) -> Recipe:
    """A conda package of one module."""
    info = f"site-packages/{name}-{version}.dist-info"
    texts = {
        f"site-packages/{name}.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/RECORD": f"{name}.py,,\n{name}-{version}.dist-info/METADATA,,\n",
    }
    return Recipe(
        name=name,
        version=version,
        build="pyh0_0",
        noarch="python",
        depends=("python", *depends),
        files={path: Entry(data=text.encode()) for path, text in texts.items()},
    )


def public() -> list[Distribution]:
    """What the public index of the pages offers."""
    return [
        make_wheel("rich", "13.9.4", requires=["markdown-it-py>=2.2", "pygments>=2.13,<3"]),
        make_wheel("rich", "14.1.0", requires=["markdown-it-py>=2.2", "pygments>=2.13,<3"]),
        make_wheel("markdown-it-py", "4.0.0", requires=["mdurl~=0.1"]),
        make_wheel("mdurl", "0.1.2"),
        make_wheel("pygments", "2.19.2"),
        make_wheel("numpy", "1.26.4", module="__version__ = '1.26.4'\n"),
        make_wheel("numpy", "2.2.6", module="__version__ = '2.2.6'\n"),
        make_wheel("pandas", "2.2.3", requires=["numpy>=1.23"], module="__version__ = '2.2.3'\n"),
        make_wheel("pandas", "2.3.3", requires=["numpy>=1.23"], module="__version__ = '2.3.3'\n"),
        make_wheel("pytest", "8.4.2", requires=["iniconfig>=1", "pluggy<2,>=1.5"]),
        make_wheel("iniconfig", "2.1.0"),
        make_wheel("pluggy", "1.6.0"),
        make_wheel("requests", "2.32.5", module=_REQUESTS),
        make_wheel("pip", "25.2"),
        make_wheel("ipykernel", "6.30.1", module=_KERNEL),
    ]


# As much of them as Metaflow and Jupyter ask for.
_REQUESTS = """
class Session:
    def mount(self, *arguments):
        pass

class adapters:
    class HTTPAdapter:
        def __init__(self, **options):
            pass
"""
_KERNEL = ""


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is at `conda-forge`: the channel of the tests, and packages of well-known names."""
    main, root = cached().main, tmp_path_factory.mktemp("channels")
    channel = root / "conda-forge"
    records = {}
    for repodata in main.glob("*/repodata.json"):
        document = json.loads(repodata.read_text())
        subdir = repodata.parent.name
        (channel / subdir).mkdir(parents=True)
        for name, record in (document["packages"] | document["packages.conda"]).items():
            (channel / subdir / name).symlink_to(repodata.parent / name)
            records[f"{subdir}/{name}"] = record
    for recipe in (
        module("numpy", "1.26.4"),
        module("numpy", "2.2.6"),
        module("gdal", "3.9.3", "numpy >=1.23"),
    ):
        records |= pack(recipe, channel)
    write_channel(channel, records)
    return root


@pytest.fixture(scope="session")
def servers(forge: Path) -> Iterator[Mapping[str, str]]:
    """The servers of the pages by the URLs that these show."""
    own = make_wheel("team-tools", "1.4.0", requires=["rich"], module="__version__ = '1.4.0'\n")
    with (
        ChannelServer(forge) as channels,
        FakeIndex(*public()) as index,
        FakeIndex(own, login=("ada", "correct-horse")) as private,
    ):
        for one in public():
            version = one.filename.split("-")[1]
            index.serve(f"pypi/{one.name}/{version}/json", json.dumps({"vulnerabilities": []}))
        yield {
            "https://conda.anaconda.org": channels.origin,
            "https://pypi.org": index.origin,
            "https://packages.example.com": private.origin,
            "machine packages.example.com": "machine 127.0.0.1",
        }


def a_desk(
    root: Path, servers: Mapping[str, str], environ: Mapping[str, str] | None = None
) -> Desk:
    """A desk at which the usual channel and index are those of the tests."""
    desk = Desk(root, servers, environ or {})
    config = desk.home / ".config" / "mfenv" / "mfenv.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f'channel_alias = "{servers["https://conda.anaconda.org"]}"\n'
        f'index_url = "{servers["https://pypi.org"]}/simple"\n'
    )
    return desk


def lines_of(page: list[Block]) -> Iterator[tuple[Block, int, tuple[str, ...], str | None]]:
    """What is done in turn: its block and line, what is typed or written, what is shown."""
    for number, block in enumerate(page):
        if block.kind == "file":
            yield block, block.line, (block.name, block.text), ""
        elif block.kind == "python":
            after = page[number + 1] if number + 1 < len(page) else block
            shown = after.text if after.kind == "text" else None
            name = f".block-{number}.py"
            yield block, block.line, (name, block.text), ""
            yield block, block.line, (f"python {name}",), shown
        elif block.kind == "console":
            for one in commands_of(block):
                yield block, one.line, (one.typed,), one.shown or None


@pytest.mark.parametrize("name", RUN)
def test_a_page_runs(name: str, servers: Mapping[str, str], tmp_path: Path) -> None:
    page = blocks(PAGES[name])
    with ExitStack() as stack:
        environ: dict[str, str] = {}
        if "s3://" in PAGES[name]:
            if reason := why_not("s3"):
                pytest.skip(reason)
            service = stack.enter_context(running("s3"))
            environ |= {**service.environ, "AWS_ENDPOINT_URL": service.endpoint}
        desk = a_desk(tmp_path, servers, environ)
        doing = list(lines_of(page))
        answers = desk.type([line for _, _, line, _ in doing])
    for (_, number, line, shown), (said, status) in zip(doing, answers, strict=True):
        at = f"{name}:{number}: {line[0]}\n{said}"
        fails = any(one.startswith("error: ") for one in (shown or "").splitlines())
        assert (status != 0) == fails, at
        assert shown is None or said_as_shown(said, shown), f"{at}\n-- is shown as:\n{shown}"


@pytest.mark.slow
def test_the_python_of_the_readme_runs(servers: Mapping[str, str], tmp_path: Path) -> None:
    readme = (DOCS.parent / "apps" / "cli" / "README.md").read_text()
    (block,) = (one for one in blocks(readme) if one.kind == "python")
    desk = a_desk(tmp_path, servers)
    (written, _), (said, status) = desk.type([("program.py", block.text), ("python program.py",)])
    assert (written, status) == ("", 0), said
    full_id, prefix = said.split()
    assert len(full_id) == 40
    assert prefix.startswith("/home/ada/")


def test_every_block_is_of_a_kind_that_is_known() -> None:
    for name, text in PAGES.items():
        for block in blocks(text):
            known = ("console", "file", "python", "text", "untested")
            assert block.kind in known, f"{name}:{block.line}: {block.kind}"


def test_few_blocks_are_not_tested() -> None:
    found = [
        (name, block.line)
        for name, text in PAGES.items()
        for block in blocks(text)
        if block.kind == "untested"
    ]
    assert len(found) <= FEW, found


@pytest.mark.parametrize(
    ("said", "shown", "same"),
    [
        ("a\n", "a", True),
        ("a\nb\n", "a", False),
        ("a\n", "b", False),
        ("a\nb\nc\n", "a\n...\nc", True),
        ("a\nc\n", "a\n...\nc", True),
        ("waiting for `127.0.0.1`\na\n", "a", True),
        ("resolve took 1.2 s\na 0b5d1f2c on Python 3.10.2", "a 6434416a on Python 3.13.0", True),
        ("rich 13.9.4", "rich 14.1.0", False),
    ],
)
def test_what_is_said_is_compared_with_what_is_shown(said: str, shown: str, same: bool) -> None:
    assert said_as_shown(said, shown) is same
