"""What a run lays out on this machine for its tasks."""

from __future__ import annotations

import gc
import sys
from threading import Event
from typing import TYPE_CHECKING

import pytest
from metaflow import FlowSpec, step
from metaflow.metaflow_environment import MetaflowEnvironment
from metaflow.package import MetaflowPackage

from metaflow_extensions.mfenv import releases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = 60.0

# Metaflow leaves the compressor of a code package open, which Python 3.13 complains of.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <gzip:pytest.PytestUnraisableExceptionWarning"
)


class Small(FlowSpec):  # type: ignore[misc]  # Metaflow has no types
    @step  # type: ignore[untyped-decorator]
    def start(self) -> None:
        self.next(self.end)

    @step  # type: ignore[untyped-decorator]
    def end(self) -> None:
        pass


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    (tmp_path / "flow").mkdir()
    # Beside it, Metaflow looks for the code of the user.
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "flow" / "flow.py")])
    yield Small(use_cli=False)
    gc.collect()  # here, where it is left without a word


def begun(flow: Small) -> MetaflowPackage:
    return MetaflowPackage(flow, MetaflowEnvironment(flow), print)


@pytest.mark.slow
def test_no_task_waits_until_a_code_package_is_compressed(
    flow: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out, compress = Event(), MetaflowPackage._make

    def when_laid_out(package: MetaflowPackage) -> bytes:
        laid_out.wait(LONG)
        made: bytes = compress(package)
        return made

    monkeypatch.setattr(MetaflowPackage, "_make", when_laid_out)
    package = begun(flow)
    root = tmp_path / "root"
    releases.lay_out(package, str(root))
    assert package._create_thread.is_alive()
    assert (root / ".mf_code" / "metaflow" / "__init__.py").is_file()
    early = {str(path.relative_to(root)) for path in root.rglob("*")}
    laid_out.set()
    assert package.blob
    # All is there that is in a finished one.
    releases.lay_out(package, str(tmp_path / "later"))
    later = {str(path.relative_to(tmp_path / "later")) for path in (tmp_path / "later").rglob("*")}
    assert early == later
    assert ".mf_meta/INFO" in early


def test_a_code_package_that_cannot_be_made_says_why(
    flow: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(package: MetaflowPackage) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(MetaflowPackage, "_add_addl_files", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        releases.lay_out(begun(flow), str(tmp_path / "root"))
