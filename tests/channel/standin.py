"""Stand-ins for micromamba and conda, which no package index has: what they would print of a solve.

They take the arguments and variables that they are given in this repository, solve by py-rattler,
and answer in the forms that the recordings of the real ones have.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["main", "write_standin"]

VERSIONS = {"micromamba": "2.8.1", "mamba": "2.8.1", "conda": "26.7.0"}
ROOT = Path(__file__).parent.parent.parent
_OVERRIDES = {
    "CONDA_OVERRIDE_GLIBC": "__glibc",
    "CONDA_OVERRIDE_LINUX": "__linux",
    "CONDA_OVERRIDE_OSX": "__osx",
    "CONDA_OVERRIDE_CUDA": "__cuda",
}


def write_standin(folder: Path, kind: str, log: Path | None = None) -> Path:
    """Write a program of that name; `log` gets a line of JSON for each start, of what it was given."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / kind
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.channel.standin import main\nmain({kind!r}, {str(log) if log else None!r})\n"
    )
    path.chmod(0o755)
    return path


def main(kind: str, log: str | None) -> None:
    """Answer as the program of that name does, and end hard, as py-rattler may crash at the end."""
    if log:
        with Path(log).open("a") as file:
            file.write(json.dumps({"argv": sys.argv, "env": dict(os.environ)}) + "\n")
    code = _run(kind, sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(kind: str, argv: list[str]) -> int:
    if "--version" in argv:
        print(VERSIONS[kind] if kind != "conda" else f"conda {VERSIONS[kind]}")
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("-c", "--channel", action="append", default=[])
    parser.add_argument("-p", "--prefix")
    parser.add_argument("-n", "--name")
    for flag in ("--override-channels", "--dry-run", "--json", "--offline"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-y", "--yes", action="store_true")
    parser.add_argument("specs", nargs="*")
    asked = parser.parse_intermixed_args(argv)
    if asked.command == "info":
        print(json.dumps(_info(kind)))
        return 0
    if not (asked.command == "create" and asked.dry_run and asked.json and asked.override_channels):
        print(f"this stand-in only does dry runs: {argv}", file=sys.stderr)
        return 2
    answer, code = asyncio.run(_solve(kind, asked))
    if code and kind != "conda":
        print("critical libmamba Could not solve for environment specs", file=sys.stderr)
    print(json.dumps(answer, indent=2))
    return code


def _info(kind: str) -> dict[str, Any]:
    platform = _platform()
    if kind == "conda":
        return {
            "platform": platform,
            "conda_version": VERSIONS[kind],
            "channels": [],
            "virtual_pkgs": [["__unix", "0", "0"]],
        }
    return {f"{kind} version": VERSIONS[kind], "platform": platform, "channels": []}


def _platform() -> str:
    import rattler

    return os.environ.get("CONDA_SUBDIR") or str(rattler.Platform.current())


def _virtual(platform: str) -> list[Any]:
    import rattler

    given = {"__unix": ("0", "0")}
    for variable, name in _OVERRIDES.items():
        if os.environ.get(variable):
            given[name] = os.environ[variable], "0"
    if os.environ.get("CONDA_OVERRIDE_ARCHSPEC"):
        given["__archspec"] = "1", os.environ["CONDA_OVERRIDE_ARCHSPEC"]
    if platform.startswith("linux"):
        given.setdefault("__linux", ("6.1", "0"))
    return [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
        )
        for name, (version, build) in given.items()
    ]


async def _solve(kind: str, asked: argparse.Namespace) -> tuple[dict[str, Any], int]:
    import rattler
    from rattler.exceptions import SolverError

    platform = _platform()
    own = os.environ.get("CONDA_CHANNEL_PRIORITY" if kind == "conda" else "MAMBA_CHANNEL_PRIORITY")
    priority = {
        "strict": rattler.ChannelPriority.Strict,
        "disabled": rattler.ChannelPriority.Disabled,
    }.get(own or "", rattler.ChannelPriority.Flexible)
    gateway = rattler.Gateway(cache_dir=Path(os.environ["CONDA_PKGS_DIRS"]) / "standin")
    try:
        records = await rattler.solve(
            [rattler.Channel(url) for url in asked.channel],
            [rattler.MatchSpec(spec) for spec in asked.specs],
            gateway=gateway,
            platforms=[rattler.Subdir(platform), rattler.Subdir("noarch")],
            virtual_packages=_virtual(platform),
            channel_priority=priority,
        )
    except SolverError as error:
        return _failure(kind, str(error)), 1
    except Exception as error:  # noqa: BLE001 - whatever it is, such a program says it in JSON
        name = "CondaHTTPError" if kind == "conda" else "mamba"
        return {"success": False, "exception_name": name, "message": str(error)}, 1
    described = [_described(kind, record) for record in records]
    links = described if kind != "conda" else [_link(record) for record in records]
    actions = {"FETCH": described, "LINK": links, "PREFIX": asked.prefix}
    return {"success": True, "dry_run": True, "prefix": asked.prefix, "actions": actions}, 0


def _failure(kind: str, text: str) -> dict[str, Any]:
    missing = "No candidates were found for " in text
    if kind != "conda":
        # The real one does not say what it lacks.
        return {
            "solver_problems": ["unsupported request" if missing else text.replace("\n", " ")],
            "success": False,
        }
    if missing:
        name = text.partition("No candidates were found for ")[2].split()[0].rstrip(".")
        said = f"The following packages are not available from current channels:\n\n  - {name}\n"
        return {
            "exception_name": "PackagesNotFoundInChannelsError",
            "message": said,
            "error": f"PackagesNotFoundInChannelsError: {said}",
            "packages": [name],
        }
    return {
        "exception_name": "RattlerUnsatisfiableError",
        "message": text,
        "error": f"RattlerUnsatisfiableError: {text}",
    }


def _described(kind: str, record: Any) -> dict[str, Any]:
    known = json.loads(record.to_json())
    channel = record.channel.rstrip("/")
    one = {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "build_number": record.build_number,
        "channel": f"{channel}/{record.subdir}" if kind == "conda" else channel,
        "subdir": str(record.subdir),
        "fn": record.file_name,
        "md5": record.md5.hex() if record.md5 else None,
        "sha256": record.sha256.hex() if record.sha256 else None,
        "url": record.url,
        "depends": list(record.depends),
        "constrains": list(record.constrains),
        "license": record.license or "",
        "timestamp": 0,
        "size": record.size,
    }
    # What repodata does not say, such as of the virtual packages that conda-lock makes a channel of,
    # is not there.
    one = {key: value for key, value in one.items() if value is not None}
    if known.get("noarch"):
        one["noarch"] = known["noarch"]
    if kind == "conda":
        more = {"legacy_bz2_size": None, "arch": record.arch, "platform": record.platform}
        if known.get("noarch"):
            more["package_type"] = f"noarch_{known['noarch']}"
        return one | more
    return one | {"build_string": str(record.build), "track_features": ""}


def _link(record: Any) -> dict[str, Any]:
    """What conda says of a package that it links: not where it is, nor its hashes."""
    return {
        "base_url": record.channel.rstrip("/"),
        "build_number": record.build_number,
        "build_string": str(record.build),
        "channel": "",
        "dist_name": f"{record.name.normalized}-{record.version}-{record.build}",
        "name": record.name.normalized,
        "platform": str(record.subdir),
        "version": str(record.version),
    }
