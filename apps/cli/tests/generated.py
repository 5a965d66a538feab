"""Generated environments, and those of real lock files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from envid import EnvSpec, Package, ResolvedEnv, Source
from envid.packages import BuiltFrom
from envid.platforms import PLATFORMS
from reqparse import parse_file

SHARED = Path(__file__).parents[4] / "shared" / "data"
INDEX = "https://index.test/simple"
CHANNEL = "https://channel.test/main"
CONDA_NAMES = ("_libgcc_mutex", "openssl", "python", "r-base", "zope.interface")
NAMES = ("a-b", "one", "two", "zope")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def wheel(name: str, version: str, kind: str, platform: str) -> Package:
    """A wheel: pure, for a platform, asked for by its URL, or built from an sdist."""
    tag = platform.replace("-", "_") if kind == "own" else "any"
    filename = f"{name.replace('-', '_')}-{version}-py3-none-{tag}.whl"
    url = f"https://files.test/{filename}"
    sdist = f"https://files.test/{name.replace('-', '_')}-{version}.tar.gz"
    origin = BuiltFrom(kind="sdist", url=sdist, sha256=digest(sdist))
    return Package.make(
        kind="pypi",
        name=name,
        version=version,
        filename=filename,
        url=sdist if kind == "built" else url,
        sha256=digest(filename),
        size=len(filename),
        source=None if kind == "direct" else INDEX,
        built_from=origin if kind == "built" else None,
    )


def conda(name: str, version: str, build: str, subdir: str, **said: Any) -> Package:
    """A conda package of a channel, which says one hash or both."""
    filename = f"{name}-{version}-{build}.{said.pop('ending')}"
    hashes = said.pop("hashes")
    return Package.make(
        kind="conda",
        name=name,
        version=version,
        build=build,
        subdir=subdir,
        filename=filename,
        url=f"{CHANNEL}/{subdir}/{filename}",
        sha256=digest(filename) if "sha256" in hashes else None,
        md5=digest(filename)[:32] if "md5" in hashes else None,
        source=CHANNEL,
        **said,
    )


@st.composite
def whole(draw: st.DrawFn) -> tuple[ResolvedEnv, ...]:
    """Environments of conda packages, Python among them, and of PyPI packages."""
    platforms = draw(st.lists(st.sampled_from(PLATFORMS), min_size=1, unique=True))
    hashes = draw(st.sampled_from([("md5",), ("sha256",), ("sha256", "md5"), ("md5", "sha256")]))

    def of_conda(name: str, platform: str) -> Package:
        return conda(
            name,
            "3.11.7" if name == "python" else draw(st.sampled_from(["1.0", "1!2.0a_b", "7"])),
            draw(st.sampled_from(["0", "pyhd8_1", "h1.2_3"])),
            draw(st.sampled_from([platform, "noarch"])),
            ending=draw(st.sampled_from(["conda", "tar.bz2"])),
            hashes=hashes,
            size=draw(st.sampled_from([None, 0, 7])),
            depends=draw(st.lists(st.sampled_from(CONDA_NAMES), unique=True)),
        )

    kinds = st.sampled_from(["pure", "own", "direct", "built"])
    found = {}
    for platform in platforms:
        names = draw(st.sets(st.sampled_from(CONDA_NAMES))) | {"python"}
        wheels = draw(st.dictionaries(st.sampled_from(NAMES), kinds))
        packages = [of_conda(name, platform) for name in sorted(names)]
        packages += [wheel(name, "1.0", kind, platform) for name, kind in wheels.items()]
        found[platform] = ("3.11.7", packages)
    spec = EnvSpec.make(
        requirements={"pypi": NAMES},
        python="3.11",
        sources=[Source.make("index", INDEX), Source.make("channel", CHANNEL)],
    )
    return ResolvedEnv.co_resolve(spec, found, resolved_by="me")


@st.composite
def environments(draw: st.DrawFn) -> tuple[ResolvedEnv, ...]:
    versions = st.sampled_from(["1.0", "2.0rc1", "1!3.0+local.1"])
    kinds = st.sampled_from(["pure", "own", "direct", "built"])
    found = st.dictionaries(st.sampled_from(NAMES), st.tuples(versions, kinds), min_size=1)
    platforms = draw(st.lists(st.sampled_from(PLATFORMS), min_size=1, unique=True))
    resolved = {
        platform: (
            "3.11.7",
            [wheel(name, *chosen, platform) for name, chosen in draw(found).items()],
        )
        for platform in platforms
    }
    spec = EnvSpec.make(
        requirements={"pypi": NAMES}, python="3.11", sources=[Source.make("index", INDEX)]
    )
    return ResolvedEnv.co_resolve(spec, resolved, resolved_by="me")


def of_lock(path: Path) -> tuple[ResolvedEnv, ...]:
    """The environments that a real lock file describes: of its first group, for our platforms."""
    said = parse_file(path)
    groups = tuple(group for package in said.packages for group in package.groups)
    found: dict[str, dict[tuple[str, str], Package]] = {}
    for package in said.packages:
        hashes = dict(text.split(":") for a in package.artifacts[:1] for text in a.hashes)
        (artifact, *_) = package.artifacts
        if package.groups[:1] != groups[:1] or not hashes or not artifact.url:
            continue
        for platform in set(package.platforms or ()) & set(PLATFORMS):
            of_conda = package.category == "conda"
            parts = artifact.url.rsplit("/", 2)
            made = Package.make(
                kind=package.category,
                name=package.name,
                version=package.version or "",
                build=package.build,
                subdir=parts[1] if of_conda else None,
                filename=artifact.filename,
                url=artifact.url,
                sha256=hashes.get("sha256"),
                md5=hashes.get("md5"),
                size=artifact.size,
                source=parts[0] if of_conda else INDEX,
            )
            found.setdefault(platform, {})[made.kind, made.name] = made
    spec = EnvSpec.make(
        requirements={"conda": ["a"]},
        python="",
        sources=[Source.make(s.kind, s.url) for s in said.sources if s.kind == "channel"],
    )
    return ResolvedEnv.co_resolve(
        spec,
        {platform: ("3.11.7", held.values()) for platform, held in found.items()},
        resolved_by="me",
    )
