"""What was judged, kept line by line, and told at the end."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.world.judging import Judged

__all__ = ["State", "report"]


class State:
    """The judgements of all runs on one file; what is there need not be judged again."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        self._rows: dict[tuple[str, int, int], dict[str, Any]] = {}
        if resume and path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                self._rows[row["part"], row["seed"], row["number"]] = row
        else:
            path.write_text("")

    def has(self, part: str, seed: int, number: int) -> bool:
        return (part, seed, number) in self._rows

    def add(
        self,
        part: str,
        seed: int,
        number: int,
        judged: Judged,
        *,
        seconds: float,
    ) -> None:
        """Keep a judgement."""
        row = {
            "part": part,
            "seed": seed,
            "number": number,
            **asdict(judged),
            "seconds": round(seconds, 1),
        }
        self._rows[part, seed, number] = row
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [self._rows[key] for key in sorted(self._rows)]


def report(state: State, path: Path) -> str:
    """Write all of it as JSON to `path`; a table, what is explained, and what is a fault."""
    rows = state.rows
    counts: Counter[tuple[str, str, str]] = Counter(
        (row["part"], one["check"], one["verdict"]) for row in rows for one in row["findings"]
    )
    checks = sorted({(part, check) for part, check, _ in counts})
    verdicts = ("equal", "explained", "fault")
    lines = [f"{'part':10}{'check':10}" + "".join(f"{one:>11}" for one in verdicts)]
    lines += [
        f"{part:10}{check:10}" + "".join(f"{counts[part, check, one]:>11}" for one in verdicts)
        for part, check in checks
    ]
    for verdict in ("explained", "fault"):
        told = [
            f"  {row['part']} {row['asked']}: {one['why']}"
            + (
                f"\n    smallest: {row['smallest']}"
                if row["smallest"] not in ("", row["asked"])
                else ""
            )
            for row in rows
            for one in row["findings"]
            if one["verdict"] == verdict
        ]
        lines += [f"\n{verdict}:", *told] if told else []
    document = {
        "requests": len(rows),
        "counts": [
            {"part": part, "check": check, "verdict": verdict, "count": count}
            for (part, check, verdict), count in sorted(counts.items())
        ],
        "rows": rows,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return "\n".join(lines)
