"""The channels that other tests trust: what is in them is real, whole, and the same every time."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import requests
import zstandard

from .channel import Channels, ChannelServer, Entry, Recipe, cached, pack

PROBE = """
import ctypes, hashlib, json, os, sqlite3, ssl, sys, sysconfig, zlib
maps = [line.split()[-1] for line in open("/proc/self/maps") if "libpython" in line]
print(json.dumps([sys.prefix, sysconfig.get_path("purelib"), sorted(set(maps)), sys.path]))
"""


@pytest.fixture(scope="module")
def channels() -> Channels:
    return cached()


def unpack(package: Path, into: Path) -> None:
    with zipfile.ZipFile(package) as conda:
        name = next(one for one in conda.namelist() if one.startswith("pkg-"))
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(conda.read(name)))
        with tarfile.open(fileobj=data, mode="r|") as tar:
            # Older patch releases of Python have no filters; later ones want to be told of one.
            options: Any = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            for member in tar:
                tar.extract(member, into, **options)


def test_repodata_tells_the_truth_about_every_package(channels: Channels) -> None:
    for channel in (channels.main, channels.second):
        for index in channel.glob("*/repodata.json"):
            repodata = json.loads(index.read_text())
            records = {**repodata["packages"], **repodata["packages.conda"]}
            packed = zstandard.ZstdDecompressor().decompress(
                (index.parent / f"{index.name}.zst").read_bytes()
            )
            assert json.loads(packed) == repodata
            there = {path.name for path in index.parent.iterdir() if "repodata" not in path.name}
            assert set(records) == there
            for name, record in records.items():
                data = (index.parent / name).read_bytes()
                assert record["size"] == len(data)
                assert record["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.slow
def test_every_python_runs_from_where_it_is_put(channels: Channels, tmp_path: Path) -> None:
    packages = sorted(channels.main.glob("linux-64/python-3*.conda"))
    assert packages
    for number, package in enumerate(packages):
        prefix = tmp_path / str(number)
        unpack(package, prefix)
        done = subprocess.run(
            [prefix / "bin" / "python", "-I", "-c", PROBE],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.defpath},
        )
        root, purelib, libraries, path = json.loads(done.stdout)
        assert root == str(prefix)
        assert Path(purelib).parent.parent.parent == prefix
        assert Path(purelib).name == "site-packages"
        assert purelib in path
        assert all(Path(one).is_relative_to(prefix) for one in (*libraries, *path))


def test_packages_are_the_same_every_time(tmp_path: Path) -> None:
    recipe = Recipe(
        name="thing",
        version="1.0",
        files={
            "bin/thing": Entry(data=b"#!/bin/sh\n", executable=True),
            "thing": Entry(link="bin/thing"),
        },
        formats=(".conda", ".tar.bz2"),
    )
    assert pack(recipe, tmp_path / "a") == pack(recipe, tmp_path / "b")


def test_the_server_validates_resumes_refuses_and_fails_as_told(channels: Channels) -> None:
    with ChannelServer(channels.main, login=("ann", "pw")) as server:
        url = f"{server.url}/noarch/repodata.json"
        whole = (channels.main / "noarch" / "repodata.json").read_bytes()
        with requests.Session() as session:
            assert session.get(url).status_code == 401
            session.auth = ("ann", "pw")
            first = session.get(url)
            assert first.content == whole
            tag = {"If-None-Match": first.headers["ETag"]}
            assert session.get(url, headers=tag).status_code == 304
            part = session.get(url, headers={"Range": "bytes=10-"})
            assert (part.status_code, part.content) == (206, whole[10:])
            assert session.get(f"{server.url}/noarch/absent").status_code == 404
            server.faults["/noarch"] = "once:503"
            assert [session.get(url).status_code for _ in range(2)] == [503, 200]
            server.faults["/noarch"] = "truncate"
            with pytest.raises(requests.RequestException):
                session.get(url)
        assert server.requests["/noarch/repodata.json"] == 7
