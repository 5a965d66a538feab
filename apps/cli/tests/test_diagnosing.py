"""Checks that hang or fail in ways that nobody thought of."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from mfenv.diagnosing import checks
from mfenv.diagnosing.checks import Check, diagnose
from mfenv.diagnosing.findings import Finding, ok
from mfenv.diagnosing.subject import Subject
from mfenv.diagnosing.together import together
from mfenv.settings import Settings

if TYPE_CHECKING:
    import pytest


def test_jobs_run_at_the_same_time_and_are_not_waited_for_longer_than_they_may_take() -> None:
    never, both = threading.Event(), threading.Barrier(2, timeout=60)
    done: list[int] = []

    def meet() -> int:
        return both.wait() // 9 + 7

    def hang() -> int:
        never.wait()
        return 8

    started = time.monotonic()
    results = together([meet, hang, meet], 2.0, lambda: done.append(1))
    assert results == [7, None, 7]
    assert len(done) == 2
    assert time.monotonic() - started < 30
    never.set()
    assert together([], 1.0) == []


def test_a_check_that_hangs_or_has_a_defect_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()

    def hang(_: Subject) -> list[Finding]:
        never.wait()
        return []

    def fail(_: Subject) -> list[Finding]:
        raise ZeroDivisionError

    table = (
        Check("hangs", hang),
        Check("fails", fail),
        Check("works", lambda _: [ok("well")], ("settings",)),
    )
    monkeypatch.setattr(checks, "CHECKS", table)
    found = diagnose(Subject(Settings, timeout=2))
    never.set()
    assert [(name, finding.state) for name, finding in found] == [
        ("hangs", "failure"),
        ("fails", "failure"),
        ("works", "ok"),
    ]
    assert found[0][1].text == "not done within 2 seconds"
    assert found[0][1].hint == "`mfenv doctor --timeout 16` waits longer"
    assert "defect of mfenv" in (found[1][1].hint or "")
