"""py-rattler called directly, in a process that ends hard, since its engine can crash one that does not.

Reads a question as JSON from standard input: `solve` gives the URLs of what is chosen, `install`
links archives into a prefix.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import rattler
from rattler.exceptions import SolverError
from rattler.package_streaming import extract


async def solve(question: dict[str, Any]) -> dict[str, Any]:
    virtual = [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
        )
        for name, version, build in question["virtual"]
    ]
    try:
        found = await rattler.solve(
            question["channels"],
            [rattler.MatchSpec(one) for one in question["specs"]],
            platforms=[question["platform"], "noarch"],
            virtual_packages=virtual,
        )
    except SolverError as error:
        return {"error": str(error)}
    return {"urls": sorted(one.url for one in found)}


async def install(question: dict[str, Any]) -> dict[str, Any]:
    records = []
    with tempfile.TemporaryDirectory() as work:
        for archive in map(Path, question["archives"]):
            folder = Path(work) / archive.name
            sha256, md5 = extract(archive, folder)
            record = rattler.PackageRecord.from_index_json(
                folder / "info/index.json", archive.stat().st_size, sha256.hex(), md5.hex()
            )
            url = archive.as_uri()
            records.append(
                rattler.RepoDataRecord(record, archive.name, url, str(archive.parent.as_uri()))
            )
        await rattler.install(
            records,
            question["prefix"],
            cache_dir=Path(work) / "cache",
            platform=rattler.Subdir(question["platform"]),
            show_progress=False,
        )
    return {}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps(asyncio.run({"solve": solve, "install": install}[sys.argv[1]](asked))))
    sys.stdout.flush()
    os._exit(0)
