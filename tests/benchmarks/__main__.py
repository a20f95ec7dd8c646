"""``make bench``: every benchmark as ratios within one run; tables on standard output, and bench.json.

Names choose among them. The sizes are those of whole refreshes (``compare``, ``growth``, ``nights``,
``workers``); the others have sizes of their own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import (
    bench_compare,
    bench_downloads,
    bench_formats,
    bench_growth,
    bench_history,
    bench_images,
    bench_masks,
    bench_nights,
    bench_prefect,
    bench_pull,
    bench_records,
    bench_uploads,
    bench_workers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHMARKS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    "masks": lambda _: bench_masks.main(),
    "records": lambda _: bench_records.main(),
    "formats": lambda _: bench_formats.main(),
    "images": lambda _: bench_images.main(),
    "prefect": lambda _: bench_prefect.main(),
    "uploads": lambda _: bench_uploads.main(),
    "downloads": lambda _: bench_downloads.main(),
    "pull": lambda _: bench_pull.main(),
    "history": lambda _: bench_history.main(),
    "compare": lambda size: bench_compare.main(
        size.rows,
        latencies=size.latency,
        rounds=size.rounds,
        changed=size.changed,
        contestants=size.contestants,
    ),
    "growth": lambda size: bench_growth.main(size.rows, size.rows * size.growth),
    "nights": lambda size: bench_nights.main(size.rows, size.nights),
    "workers": lambda size: bench_workers.main(size.rows, size.rounds),
}


def arguments() -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--rows", type=at_least_one, default=100, help="rows of the project (100)")
    parser.add_argument("--changed", type=at_least_one, help="rows that change (one in a hundred)")
    parser.add_argument("--latency", type=int, nargs="+", default=[0], help="milliseconds of every answer (0)")
    parser.add_argument("--rounds", type=at_least_one, default=3, help="how often everything is run (3)")
    parser.add_argument(
        "--contestants",
        nargs="+",
        choices=bench_compare.CONTESTANTS,
        default=bench_compare.CONTESTANTS,
        help="who is compared with the strong script (all)",
    )
    parser.add_argument("--growth", type=at_least_one, default=5, help="times as many rows that `growth` ends at (5)")
    parser.add_argument("--nights", type=at_least_one, default=400, help="refreshes that `nights` makes (400)")
    found = parser.parse_args()
    if unknown := set(found.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if (found.changed or 1) > found.rows:
        parser.error(f"--changed is {found.changed}, more than the {found.rows} --rows")
    return found


def at_least_one(text: str) -> int:
    """A whole number from 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def main() -> None:
    """Run the benchmarks that were asked for and write what they measured."""
    size = arguments()
    results = {name: BENCHMARKS[name](size) for name in size.names or BENCHMARKS}
    width = max(len(figure) for figures in results.values() for figure in figures)
    for name, figures in results.items():
        for figure, value in figures.items():
            print(f"{name:<9} {figure:<{width}} {value}")  # noqa: T201 - a command line prints
    Path("bench.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if wrong := [name for name, figures in results.items() if any(figures[each] for each in figures if is_wrong(each))]:
        raise SystemExit(f"what was made is wrong: {', '.join(wrong)}")


def is_wrong(figure: str) -> bool:
    """Whether a figure counts what must not be."""
    return figure.rpartition(": ")[2] in {"faults", "files_that_differ"}


if __name__ == "__main__":
    main()
