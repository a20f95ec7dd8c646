"""What grows with the export: a refresh of few rows and of many, with the tables alone and with COCO beside them.

What a row takes is the difference between both sizes over the difference in rows, so that what every refresh takes
falls out. The table of ten million rows in deploy/README.md is printed. Hours are those of one core: what grows with
the rows are tasks of their own, which machines share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.contest.arena import arena

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.contest.arena import Run

TABLES, COCO = "tables", "coco"
FORMATS: Final[dict[str, dict[str, Any]]] = {TABLES: {}, COCO: {COCO: {}}}
TEN_MILLION: Final = 10_000_000
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Share:
    """What one row takes: requests to Labelbox and the store, bytes, and seconds of the processors."""

    masks: float
    images: float
    stored: float
    down: float
    up: float
    cpu: float


def main(few: int = 200, many: int = 1000) -> dict[str, float]:
    """Print what ten million rows take; return both peaks of memory and what a row takes of the processors."""
    figures: dict[str, float] = {"faults": 0}
    shares = {}
    with arena(many) as servers:
        for name, formats in FORMATS.items():
            runs = {}
            for rows in (few, many):
                servers.set(rows)
                runs[rows] = run = servers.refresh(formats)
                figures[f"{name}_peak_megabytes_{rows}_rows"] = round(run.cost.memory / 1e6, 1)
                figures["faults"] += len(run.faults)
            shares[name] = share_of(runs[few], runs[many], many - few)
            more = (runs[many].cost.memory - runs[few].cost.memory) / 1e6
            figures |= {
                f"{name}_peak_megabytes_more": round(more, 1),
                f"{name}_cpu_milliseconds_a_row": round(shares[name].cpu * 1000, 2),
                f"{name}_ten_million_rows_hours_of_one_core": round(shares[name].cpu * TEN_MILLION / HOUR, 1),
            }
    print("\n".join(["", *table(shares[TABLES], shares[COCO]), ""]))  # noqa: T201 - a command line prints
    return figures


def share_of(small: Run, large: Run, rows: int) -> Share:
    """What each of so many rows more has taken."""
    counted = [
        (
            run.requests.get("composites", 0) + run.requests.get("masks", 0),
            run.requests.get("images", 0),
            sum(run.store_requests.values()),
            run.result["bytes"]["downloaded"],
            run.result["bytes"]["uploaded"],
            run.cost.cpu,
        )
        for run in (small, large)
    ]
    return Share(*((more - less) / rows for less, more in zip(*counted, strict=True)))


def table(tables: Share, whole: Share) -> Iterator[str]:
    """The lines of a Markdown table of what ten million rows take."""

    def hours(seconds: float) -> str:
        return f"{seconds * 1000:.1f} ms | {seconds * TEN_MILLION / HOUR:.0f} hours of one core"

    def millions(a_row: float) -> str:
        return f"{a_row:.2f} | {a_row * TEN_MILLION / 1e6:.1f} million"

    def terabytes(*a_row: float) -> str:
        each = ", ".join(f"{size / 1e3:.0f} kB" for size in a_row)
        return f"{each} | {', '.join(f'{size * TEN_MILLION / 1e12:.1f} TB' for size in a_row)}"

    yield "| per exported row | measured | × 10,000,000 |"
    yield "|---|---|---|"
    yield f"| masks asked of Labelbox | {millions(whole.masks)} requests |"
    yield f"| images | {millions(whole.images)} requests, of whoever keeps the images |"
    yield f"| requests to the store | {millions(whole.stored)} |"
    yield f"| bytes down, up | {terabytes(whole.down, whole.up)} |"
    yield f"| processor, masks, tables and packs, read back | {hours(tables.cpu)} |"
    yield f"| processor, COCO beside them, read back | {hours(whole.cpu - tables.cpu)} |"
    yield f"| **processor, in all** | **{hours(whole.cpu).replace(' | ', '** | **')} ÷ cores** |"


if __name__ == "__main__":
    print(main())  # noqa: T201
