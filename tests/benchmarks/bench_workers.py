"""What a second worker saves after the fetch, for each runner that runs on one machine; and whether bytes are the same.

It needs two idle cores. What fetches and what writes share nothing but the store, so that the part after the fetch is
what the result says of the refresh's seconds without those of the export and of the fetch.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

from tests.benchmarks.contest.arena import arena

if TYPE_CHECKING:
    from tests.benchmarks.contest.arena import Run

FORMATS: Final = {"coco": {}, "yolo": {}, "voc": {}}
RUNNERS: Final = ("thread", "process", "dask")
BEFORE: Final = ("export", "fetch")
RAW: Final = "raw/"
"""Where the export's own lines lie, of which no two exports are the same: each names its task."""


def after_the_fetch(run: Run) -> float:
    """The seconds that a refresh took for all that comes after its fetch."""
    seconds: dict[str, float] = run.result["seconds"]
    return sum(value for part, value in seconds.items() if part not in BEFORE)


def main(rows: int = 200, rounds: int = 1) -> dict[str, float]:
    """Return by runner the share of one worker's time that two take, and how many files differ among all."""
    figures: dict[str, float] = {"faults": 0}
    hashes: list[dict[str, str]] = []
    with arena(rows) as servers:

        def seconds(runner: str, workers: int) -> float:
            servers.set(rows)
            run = servers.refresh(FORMATS, runner=runner, workers=workers)
            hashes.append(servers.files(run.ref))
            figures["faults"] += len(run.faults)
            return after_the_fetch(run)

        for runner in RUNNERS:
            pairs = [[seconds(runner, workers) for workers in (1, 2)] for _ in range(rounds)]
            alone, together = ([pair[place] for pair in pairs] for place in (0, 1))
            share = statistics.median(two / one for one, two in zip(alone, together, strict=True))
            figures |= {
                f"{runner}_seconds_of_1_worker": round(statistics.median(alone), 2),
                f"{runner}_seconds_of_2_workers": round(statistics.median(together), 2),
                f"{runner}_2_workers_to_1": round(share, 3),
            }
    paths = {path for files in hashes for path in files if not path.startswith(RAW)}
    figures["files_that_differ"] = sum(len({files.get(path) for files in hashes}) > 1 for path in paths)
    return figures


if __name__ == "__main__":
    print(main())  # noqa: T201
