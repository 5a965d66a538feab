"""The file of settings to begin with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mfenv.errors import InvalidRequest
from mfenv.settings import ALL_SETTINGS, Settings
from mfenv.template import template, write

if TYPE_CHECKING:
    from pathlib import Path

NAMES = list(ALL_SETTINGS)
LINES = [line[1:] for line in template().splitlines() if re.match("#[a-z]", line)]


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_every_setting_is_there_once() -> None:
    assert [line.partition(" = ")[0] for line in LINES] == NAMES
    text = " ".join(template().replace("\n# ", " ").split())
    assert [name for name, setting in ALL_SETTINGS.items() if setting.help not in text] == []


@pytest.mark.parametrize("line", LINES, ids=NAMES)
def test_a_line_without_its_mark_says_the_default(line: str, tmp_path: Path) -> None:
    path, _ = write(tmp_path)
    path.write_text(path.read_text().replace(f"\n#{line}\n", f"\n{line}\n"))
    found = Settings.load(environ={}, directory=tmp_path)
    assert found == Settings()
    assert list(found.origins) == [line.partition(" = ")[0]]


def test_all_lines_together_say_the_defaults(tmp_path: Path) -> None:
    path, _ = write(tmp_path)
    assert Settings.load(environ={}, directory=tmp_path).origins == {}
    path.write_text(re.sub("(?m)^#(?=[a-z])", "", path.read_text()))
    found = Settings.load(environ={}, directory=tmp_path)
    assert found == Settings()
    assert list(found.origins) == NAMES


@pytest.mark.parametrize("name", ["mfenv.toml", "pyproject.toml"])
def test_what_is_there_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("[tool.mfenv]\n" if name == "pyproject.toml" else "")
    with pytest.raises(InvalidRequest, match=name):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mfenv.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidRequest, match="is there already"):
        write(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_is_hidden_is_named(tmp_path: Path) -> None:
    (tmp_path / "mfenv.toml").write_text("pre = true\n")
    (tmp_path / "in").mkdir()
    assert write(tmp_path / "in") == (tmp_path / "in/mfenv.toml", tmp_path / "mfenv.toml")
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    (tmp_path / "mfenv.toml").unlink()
    assert write(tmp_path) == (tmp_path / "mfenv.toml", None)
