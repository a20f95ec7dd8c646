"""``make bench``: every benchmark as ratios within one run; one table on standard output, and bench.json."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks import (
    bench_downloads,
    bench_formats,
    bench_images,
    bench_masks,
    bench_memory,
    bench_prefect,
    bench_pull,
    bench_records,
    bench_refresh,
    bench_uploads,
)

BENCHMARKS = {
    "masks": bench_masks.main,
    "records": bench_records.main,
    "formats": bench_formats.main,
    "images": bench_images.main,
    "memory": bench_memory.main,
    "refresh": bench_refresh.main,
    "prefect": bench_prefect.main,
    "uploads": bench_uploads.main,
    "downloads": bench_downloads.main,
    "pull": bench_pull.main,
}


def main() -> None:
    """Run all benchmarks and write what they measured."""
    results = {name: benchmark() for name, benchmark in BENCHMARKS.items()}
    width = max(len(figure) for figures in results.values() for figure in figures)
    for name, figures in results.items():
        for figure, value in figures.items():
            print(f"{name:<9} {figure:<{width}} {value}")  # noqa: T201 - a command line prints
    Path("bench.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
