from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import zstandard

from resolvers._kept import Kept, write_whole

if TYPE_CHECKING:
    from pathlib import Path

# The engine is only ever loaded into a process that ends without cleaning up.
_UNPACK = """
import os, resource, sys
from pathlib import Path
from types import SimpleNamespace
from resolvers._conda_repodata import Repodata
cache, channel = map(Path, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Repodata._plain(SimpleNamespace(_cache=cache), "file:///channel", channel)
except OSError as error:
    sys.stdout.write(os.strerror(error.errno))
    sys.stdout.flush()
os._exit(0)
"""


def test_a_file_is_written_with_its_mode(tmp_path: Path) -> None:
    write_whole(tmp_path / "program", "#!/bin/sh\nexit 3\n", mode=0o755)
    assert subprocess.run([tmp_path / "program"], check=False).returncode == 3
    write_whole(tmp_path / "document", "{}")
    assert (tmp_path / "document").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken.json").mkdir()
    with pytest.raises(IsADirectoryError):
        Kept(tmp_path, 1).keep("taken", {"a": 1})
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "page", "\ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.json"]


def test_repodata_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    channel, cache = tmp_path / "noarch", tmp_path / "cache"
    channel.mkdir()
    packed = zstandard.ZstdCompressor().compress(b" " * 100_000)
    (channel / "repodata.json.zst").write_bytes(packed)
    command = [sys.executable, "-c", _UNPACK, str(cache), str(channel)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "File too large"
    assert list((cache / "expanded").iterdir()) == []
