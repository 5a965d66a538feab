"""Stand-ins for micromamba and conda, which no package index has: what they would print of a solve.

They take the arguments and variables that they are given in this repository, solve by py-rattler,
and answer in the forms that the recordings of the real ones have. Of what they are configured with
they heed where channels are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
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
    if argv[0] == "config" and "--show" in argv and "--json" in argv and kind == "conda":
        print(json.dumps(_shown()))
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
    if asked.command == "info" and kind != "conda":
        print(json.dumps(_info(kind)))
        return 0
    if not (asked.command == "create" and asked.dry_run and asked.json and asked.override_channels):
        print(f"this stand-in only does dry runs: {argv}", file=sys.stderr)
        return 2
    refused = _refused(asked.specs) if kind == "conda" else None
    answer, code = (refused, 1) if refused else asyncio.run(_solve(kind, asked))
    if code and kind != "conda":
        print("critical libmamba Could not solve for environment specs", file=sys.stderr)
    print(json.dumps(answer, indent=2))
    return code


def _refused(specs: list[str]) -> dict[str, Any] | None:
    """What conda says of requirements that its solvers do not read, or that it cannot put together."""
    builds: dict[str, str] = {}
    for spec in specs:
        keys = {match[1]: match[2] for match in re.finditer(r"(\w+)=['\"]([^'\"]*)", spec)}
        head = spec.rpartition("::")[2].partition("[")[0]
        if other := keys.keys() - {"version", "build", "channel", "subdir"}:
            return _error("InvalidMatchSpec", f"Invalid spec '{spec}': it tries {sorted(other)}")
        words = re.split(r"(?<=[\w*])={1,2}(?=[\w*])| +", head)
        build = keys.get("build") or next(iter(words[2:]), "")
        known = builds.setdefault(words[0], build) or build
        if build and build != known:
            both = f"{known!r}\n  - {build!r}"
            return _error("ValueError", f"Incompatible component merge:\n  - {both}")
        builds[words[0]] = known
    return None


def _error(name: str, text: str) -> dict[str, Any]:
    return {"exception_name": name, "error": repr(text), "message": text}


def _configured() -> dict[str, Any]:
    """What is in the files that two variables lead to: JSON, of all that YAML can be."""
    found: dict[str, Any] = {}
    for variable in ("CONDARC", "MAMBARC"):
        path = Path(os.environ.get(variable) or os.devnull)
        if path.is_file():
            found |= json.loads(path.read_text())
    return found


def _places(kind: str, channel: str) -> list[str]:
    """The URLs of a channel by the configuration, the first mirror alone."""
    configured = _configured()
    if "://" in channel:
        scheme, _, place = channel.rstrip("/").partition("://")
        host, slash, path = place.partition("/")
        return [f"{scheme.lower()}://{host.lower()}{slash}{path}"]
    several = {
        "defaults": configured.get("default_channels", ["https://repo.anaconda.com/pkgs/main"]),
        **configured.get("custom_multichannels", {}),
    }
    if channel in several:
        return [url for one in several[channel] for url in _places(kind, one)]
    mirrors = configured.get("mirrored_channels", {}) if kind != "conda" else {}
    if channel in mirrors:
        return [mirrors[channel][0]]
    own = configured.get("custom_channels", {}).get(channel)
    return [f"{own or configured.get('channel_alias', 'https://conda.anaconda.org')}/{channel}"]


def _info(kind: str) -> dict[str, Any]:
    """What micromamba says of itself, which of its channels does not show their mirrors."""
    platform = _platform()
    channels = [
        *filter(None, os.environ.get("CONDA_CHANNELS", "").split(",")),
        *_configured().get("channels", []),
    ]
    urls = [url for channel in channels for url in _places("conda", channel)]
    return {
        f"{kind} version": VERSIONS[kind],
        "platform": platform,
        "channels": [f"{url}/{subdir}" for url in urls for subdir in (platform, "noarch")],
    }


def _shown() -> dict[str, Any]:
    """What conda shows of its configuration: channels by their parts."""

    def parts(url: str, name: str | None = None) -> dict[str, Any]:
        scheme, _, place = url.rstrip("/").partition("://")
        location, _, last = place.rpartition("/") if name is None else (place, "", name)
        return {"scheme": scheme, "auth": None, "location": location, "token": None, "name": last}

    configured = _configured()
    several = {"defaults", *configured.get("custom_multichannels", {})}
    return {
        "channel_alias": parts(configured.get("channel_alias", "https://conda.anaconda.org"), ""),
        "custom_channels": {
            name: parts(url, name) for name, url in configured.get("custom_channels", {}).items()
        },
        "custom_multichannels": {
            name: [parts(url) for url in _places("conda", name)] for name in several
        },
    }


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
    # Each place is called as its channel is, but for those of one that has several.
    names = {
        url: channel if len(places) == 1 else url
        for channel in reversed(asked.channel)
        for places in [_places(kind, channel)]
        for url in reversed(places)
    }
    try:
        records = await rattler.solve(
            [rattler.Channel(url) for url in reversed(names)],
            [rattler.MatchSpec(_placed(kind, spec)) for spec in asked.specs],
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
    described = [_described(kind, record, names) for record in records]
    links = described if kind != "conda" else [_link(record, names) for record in records]
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


def _placed(kind: str, spec: str) -> str:
    channel, mark, rest = spec.rpartition("::")
    return f"{_places(kind, channel)[0]}::{rest}" if mark else rest


def _described(kind: str, record: Any, names: dict[str, str]) -> dict[str, Any]:
    known = json.loads(record.to_json())
    channel = record.channel.rstrip("/")
    one = {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "build_number": record.build_number,
        "channel": f"{channel}/{record.subdir}" if kind == "conda" else names[channel],
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


def _link(record: Any, names: dict[str, str]) -> dict[str, Any]:
    """What conda says of a package that it links: not where it is, nor its hashes."""
    channel = record.channel.rstrip("/")
    return {
        "base_url": channel,
        "build_number": record.build_number,
        "build_string": str(record.build),
        "channel": "" if "://" in names[channel] else names[channel],
        "dist_name": f"{record.name.normalized}-{record.version}-{record.build}",
        "name": record.name.normalized,
        "platform": str(record.subdir),
        "version": str(record.version),
    }
