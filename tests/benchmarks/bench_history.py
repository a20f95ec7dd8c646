"""What a dataset of many versions costs: requests to the store and processor time of what reads its history.

The histories are fabricated, of one small manifest, and lie in memory, so that nothing but the history is measured. A
young dataset has seven versions: the most that no checkpoint tells of.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from labelsnap.snapshots.keeping.expire import plan_expiry
from labelsnap.snapshots.keeping.gc import plan_collection
from labelsnap.snapshots.keeping.history import RECENT, newest_key, survey
from tests.contracts.long_history import Counted, long_history, publish_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

YOUNG: Final = 7
LENGTHS: Final = (YOUNG, 5_000, 26_000)
KEPT: Final = 164


def main(lengths: tuple[int, ...] = LENGTHS) -> dict[str, float]:
    """Print the table; return requests, lists of commit records and milliseconds by what was asked and how many."""
    figures: dict[str, float] = {}
    print("| versions | asked | requests | lists of commits/ | milliseconds |\n|---|---|---|---|---|")  # noqa: T201
    for newest in lengths:
        for name, (requests, lists, milliseconds) in measured(newest):
            figures |= {
                f"{name}_requests_{newest}": requests,
                f"{name}_lists_{newest}": lists,
                f"{name}_milliseconds_{newest}": milliseconds,
            }
            print(f"| {newest:,} | {name} | {requests} | {lists} | {milliseconds} |")  # noqa: T201
    return figures


def measured(newest: int) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Give what each question takes of a history of so many versions."""
    store, _ = long_history(newest, range(1, newest, max(newest // KEPT, 1)))
    asked: dict[str, Callable[[Counted], object]] = {
        "begin": newest_key,
        "list": partial(survey, back=RECENT),
        "publish": lambda each: publish_one(each, b"c", "run-c", newest, since=newest),
        "expire": partial(plan_expiry, keep=10),
        "gc": plan_collection,
    }
    for name, work in asked.items():
        counted = Counted(store)
        begun = time.process_time()
        work(counted)
        spent = time.process_time() - begun
        yield name, (counted.requests, counted.asked["list", "commits"], round(spent * 1000))


if __name__ == "__main__":
    main()
