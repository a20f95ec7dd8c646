"""What grows with the export: peak memory and the processors' time of a refresh of few rows and of many.

What a row costs is the difference between both over the difference in rows, so that what every refresh costs falls out.
It is what ten million rows take, in hours of one core; tasks are independent, so machines share them.
"""

from __future__ import annotations

from typing import Final

from tests.benchmarks.contest.arena import arena

FORMATS: Final = {"coco": {}}
TEN_MILLION: Final = 10_000_000
HOUR: Final = 3600


def main(few: int = 200, many: int = 1000) -> dict[str, float]:
    """Return memory and time of both, what a row takes, and what ten million take."""
    with arena(many) as servers:
        figures: dict[str, float] = {}
        costs = []
        for rows in (few, many):
            servers.set(rows)
            run = servers.refresh(FORMATS)
            costs.append(run.cost)
            figures |= {
                f"peak_megabytes_{rows}_rows": round(run.cost.memory / 1e6, 1),
                f"cpu_seconds_{rows}_rows": round(run.cost.cpu, 2),
                f"store_requests_{rows}_rows": sum(run.store_requests.values()),
                f"wrong_{rows}_rows": len(run.faults),
            }
    small, large = costs
    a_row = (large.cpu - small.cpu) / (many - few)
    return figures | {
        "peak_megabytes_more": round((large.memory - small.memory) / 1e6, 1),
        "cpu_milliseconds_a_row": round(a_row * 1000, 2),
        "ten_million_rows_hours_of_one_core": round(a_row * TEN_MILLION / HOUR, 1),
    }


if __name__ == "__main__":
    print(main())  # noqa: T201
