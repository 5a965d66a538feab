"""PyPI packages, asked of mfenv's command."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.world.asking import make
from tests.world.judging import Judge, Judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from tests.world.asking import Ask, Known
    from tests.world.judging import Finding
    from tests.world.machine import Machine

__all__ = ["Packages"]


class Packages:
    """Random requests for the packages of the list; what is published after `now` is not seen."""

    def __init__(
        self, machine: Machine, packages: Mapping[str, Known], seed: int, now: datetime
    ) -> None:
        self._packages, self._seed, self._now = packages, seed, now
        self._pythons = list(machine.pythons)
        self._judge = Judge(machine=machine, packages=packages, resolve=machine.resolve)

    @property
    def count(self) -> int:
        return sys.maxsize

    def ask(self, number: int) -> Ask:
        """The request of that number."""
        return make(
            self._seed, number, packages=self._packages, pythons=self._pythons, now=self._now
        )

    def judge(self, number: int) -> Judged:
        """Ask, and judge the answer; a fault is looked for in ever smaller requests."""
        ask = self.ask(number)
        findings = self._judge.judge(ask)
        smallest = ask
        if checks := _faults(findings):
            smallest = self._smallest(ask, checks)
        return Judged(asked=str(ask), findings=findings, smallest=str(smallest))

    def _smallest(self, ask: Ask, checks: set[str]) -> Ask:
        for smaller in _smaller(ask):
            if checks & _faults(self._judge.judge(smaller)):
                return self._smallest(smaller, checks)
        return ask


def _smaller(ask: Ask) -> Iterator[Ask]:
    if len(ask.platforms) > 1:
        yield from (replace(ask, platforms=(one,)) for one in ask.platforms)
    if len(ask.requirements) > 1:
        for one in ask.requirements:
            rest = tuple(text for text in ask.requirements if text != one)
            yield replace(ask, requirements=rest)


def _faults(findings: list[Finding]) -> set[str]:
    return {one.check for one in findings if one.verdict == "fault"}
