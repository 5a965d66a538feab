"""What the benchmarks found: kept as JSON, next to an earlier day's, and in the README."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_START, _END = "<!-- benchmarks -->\n", "<!-- end of benchmarks -->\n"
_HEAD = "| | mfenv (s) | peer (s) | ratio | aim |\n|---|---|---|---|---|\n"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Seconds of ours and of what stands beside it, of the same rounds; `load` is the machine's."""

    title: str
    beside: str
    detail: str
    ours: float
    ours_median: float
    peer: float
    peer_median: float
    rounds: int
    load: float

    @property
    def key(self) -> tuple[str, str]:
        return self.title, self.beside

    @property
    def ratio(self) -> float:
        """Of the least times: other work on the machine makes no round faster."""
        return self.ours / self.peer


@dataclass
class Table:
    """The rows of one run; of its comparisons only those with `only` in their title are made."""

    machine: str = ""
    only: str = ""
    rows: list[Row] = field(default_factory=list)

    def wants(self, title: str) -> bool:
        return self.only in title

    def add(
        self,
        title: str,
        beside: str,
        ours: Sequence[float],
        peer: Sequence[float],
        *,
        load: float,
        detail: str = "",
    ) -> None:
        self.rows.append(
            Row(
                title=title,
                beside=beside,
                detail=detail,
                ours=min(ours),
                ours_median=statistics.median(ours),
                peer=min(peer),
                peer_median=statistics.median(peer),
                rounds=len(ours),
                load=load,
            )
        )

    def write(self, path: Path) -> None:
        rows = [{**asdict(row), "ratio": row.ratio, "aim": AIMS.get(row.key)} for row in self.rows]
        path.write_text(json.dumps({"machine": self.machine, "rows": rows}, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Table:
        document = json.loads(path.read_text())
        names = Row.__dataclass_fields__
        rows = [Row(**{name: row[name] for name in names}) for row in document["rows"]]
        return cls(document["machine"], rows=rows)

    def beside(self, earlier: Table) -> Iterator[str]:
        """A line for each row that an earlier run has as well."""
        known = {row.key: row for row in earlier.rows}
        yield f"  {'':58} {'before':>7} {'now':>7}  now/before, and of the ratios"
        for row in self.rows:
            if was := known.get(row.key):
                change, ratios = row.ours / was.ours, row.ratio / was.ratio
                name = " / ".join(row.key)
                yield f"  {name:58} {was.ours:7.3f} {row.ours:7.3f} {change:8.2f} {ratios:8.2f}"

    def in_readme(self, text: str) -> str:
        """The README with these rows in the place of its table."""
        before, _, rest = text.partition(_START)
        rows = {row.key: row for row in self.rows}
        lines = "".join(_line(key, rows.get(key)) for key in AIMS)
        return f"{before}{_START}{self._caption}\n\n{_HEAD}{lines}{_END}{rest.partition(_END)[2]}"

    @property
    def _caption(self) -> str:
        rounds = sorted({row.rounds for row in self.rows})
        loads = [row.load for row in self.rows]
        return (
            f"{self.machine}, {rounds[0]} to {rounds[-1]} rounds, load {min(loads):.1f} to"
            f" {max(loads):.1f}; the least seconds, and in brackets the median."
        )


def labels(readme: str) -> list[str]:
    """The first cells of the table in the README."""
    table = readme.partition(_START)[2].partition(_END)[0].partition(_HEAD)[2]
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()]


def label(title: str, beside: str) -> str:
    """The first cell of a row."""
    return f"{title} / {beside}"


def _line(key: tuple[str, str], row: Row | None) -> str:
    aim = "" if AIMS[key] is None else f"≤ {AIMS[key]:.2f}"
    if row is None:
        return f"| {label(*key)} | | | | {aim} |\n"
    ours = f"{row.ours:.3f} ({row.ours_median:.3f})"
    peer = f"{row.peer:.3f} ({row.peer_median:.3f})"
    return f"| {label(*key)} | {ours} | {peer} | {row.ratio:.2f} | {aim} |\n"


TABLE = Table()

AIMS: dict[tuple[str, str], float | None] = {
    ("start-up: help", "python -c 'import click'"): None,
    ("start-up: a known environment", "python -c 'import click'"): None,
    ("start-up: a known request", "python -c 'import click'"): None,
    ("resolve 105 packages, cold", "uv pip compile"): 1.15,
    ("resolve 105 packages, cold", "pip install --dry-run --report"): None,
    ("resolve 105 packages, warm", "uv pip compile"): 1.12,
    ("resolve 105 packages, warm", "pip install --dry-run --report"): None,
    ("resolve for three platforms at once, warm", "one platform"): 1.25,
    ("create from wheels, warm", "uv venv, uv pip install --offline"): 1.5,
    ("create from wheels, warm", "cp -al"): None,
    ("solve 149 conda packages, warm", "py-rattler called directly"): 1.5,
    ("solve 149 conda packages, warm", "micromamba create --dry-run"): 1.1,
    ("solve 149 conda packages, cold", "micromamba create --dry-run"): 1.1,
    ("solve in a channel of 90 packages, warm", "micromamba create --dry-run"): 3.0,
    ("solve in a channel of 90 packages for three platforms, warm", "one platform"): 1.25,
    ("create a small conda environment, warm", "cp -al"): None,
    ("create a small conda environment, warm", "micromamba create --no-pyc"): 1.0,
    ("create a large conda environment, warm", "cp -al"): None,
    ("create a large conda environment, warm", "micromamba create --no-pyc"): 1.0,
    ("fetch 300 packages of 100 kB", "the line"): 1.3,
    ("fetch 300 packages of 100 kB, four processes", "the line"): 1.6,
    ("metaflow: run of two steps, cold", "metaflow-netflixext"): 0.4,
    ("metaflow: run of ten steps, cold", "metaflow-netflixext"): 0.4,
    ("metaflow: environment resolve of two steps, cold", "metaflow-netflixext"): 0.8,
    ("a container with nothing", "the slower of download and unpacking"): 1.1,
}
"""The rows of the README, by title and by what stands beside ours, with the ratio aimed for."""
