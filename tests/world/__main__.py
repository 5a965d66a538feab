"""`hatch run world [PART]... [--seed N] [--count N] [--resume]`; see the package."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tests.world.asking import known
from tests.world.both import Both
from tests.world.flows import Flows
from tests.world.linked import LinkedPackages
from tests.world.machine import Machine
from tests.world.packages import Packages
from tests.world.records import Records
from tests.world.report import State, report

if TYPE_CHECKING:
    from tests.world.judging import Finding, Part

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
PARTS = ("pypi", "conda", "both", "link", "flow")
_SETTLED = timedelta(days=2)  # until then an index may still change what it has


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.world", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="the first number of each part")
    parser.add_argument("--count", type=int, default=100, help="how many of each part")
    parser.add_argument("--resume", action="store_true", help="what was judged stays as it is")
    parser.add_argument("--folder", type=Path, default=Path(".world"), help="state and caches")
    asked = parser.parse_args()
    for part in asked.parts:
        if part not in PARTS:
            parser.error(f"no part `{part}`; there are {', '.join(PARTS)}")
    folder: Path = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    state = State(folder / "state.jsonl", resume=asked.resume)
    parts = _parts(folder, asked.seed, resume=asked.resume)
    numbers = range(asked.start, asked.start + asked.count)
    for name in asked.parts or PARTS:
        part = parts.get(name)
        if part is None:
            print(f"{name}: there is no real data in ../shared/data", file=sys.stderr)
            continue
        for number in numbers:
            if number >= part.count or state.has(name, asked.seed, number):
                continue
            start = time.monotonic()
            judged = part.judge(number)
            seconds = time.monotonic() - start
            state.add(name, asked.seed, number, judged, seconds=seconds)
            worst = _worst(judged.findings)
            print(f"{name} {judged.asked}: {worst}, {seconds:.1f} s", file=sys.stderr, flush=True)
    print(report(state, folder / "report.json"))
    return int(any(one["verdict"] == "fault" for row in state.rows for one in row["findings"]))


def _parts(folder: Path, seed: int, *, resume: bool) -> dict[str, Part]:
    machine = Machine(folder)
    path = folder / "moment"
    if not resume or not path.exists():
        now = (datetime.now(timezone.utc) - _SETTLED).replace(microsecond=0)
        path.write_text(now.isoformat())
    listed = known()
    packages = Packages(machine, listed, seed, datetime.fromisoformat(path.read_text()))
    found: dict[str, Part] = {"pypi": packages, "flow": Flows(machine, packages, listed)}
    if DATA.is_dir():
        found["conda"] = Records(machine, DATA / "channels", seed)
        moment = f"{datetime.fromisoformat(path.read_text()):%Y-%m-%dT%H:%M:%SZ}"
        found["both"] = Both(machine, DATA, listed, seed, moment)
        found["link"] = LinkedPackages(machine, DATA / "packages")
    return found


def _worst(findings: list[Finding]) -> str:
    verdicts = {one.verdict for one in findings}
    return next(one for one in ("fault", "explained", "equal") if one in verdicts or not verdicts)


if __name__ == "__main__":
    sys.exit(main())
