"""What a refresh costs after a small change: ratios to full refreshes.

The sandbox runs in a process of its own, and so does Prefect's server, which is up before anything is timed. In the
first refresh the sandbox draws each picture and mask when it is asked for, on the same processors. In the full one, and
in that after the change, it has them all, and sends them over the loopback without delay, as fast as no Labelbox does.
"""

from __future__ import annotations

import os
import time
from typing import Any

from prefect.testing.utilities import prefect_test_harness

from flows.refresh import refresh
from tests.benchmarks.sandbox_process import counted, datasets, edit_rows, steer

ROWS = int(os.environ.get("LABELSNAP_BENCH_ROWS", "5000"))
CHANGED = ROWS // 100


def timed(call: Any) -> tuple[float, dict[str, Any]]:
    """Seconds, and what was given back."""
    begin = time.perf_counter()
    result = call()
    return time.perf_counter() - begin, result


def main() -> dict[str, float]:
    """A first refresh; then, of rows of which one in a hundred has changed, a full one, and one upon the first."""
    with datasets(ROWS) as (environment, dataset), prefect_test_harness(server_startup_timeout=300):
        drawn, first = timed(lambda: refresh(dataset("first")))
        edit_rows(environment, ROWS, CHANGED)
        refresh(dataset("drawn"))  # what changed is drawn
        full, whole = timed(lambda: refresh(dataset("full")))
        steer(environment, call="clear_requests")
        again, second = timed(lambda: refresh(dataset("first")))
        requests = counted(environment)
    parts = {
        f"{part}_seconds_{when}": result["seconds"][part]
        for part in ("export", "fetch", "convert")
        for when, result in (("full", whole), ("changed", second))
    }
    return parts | {
        "rows": first["rows"]["exported"],
        "first_refresh_seconds": round(drawn, 2),
        "full_refresh_seconds": round(full, 2),
        "changed_refresh_seconds": round(again, 2),
        "changed_rows": second["rows"]["published"] - second["reused_rows"],
        "images_fetched_after_change": requests["image"],
        "masks_fetched_after_change": requests["composite_mask"] + requests.get("instance_mask", 0),
        "changed_over_first": round(again / drawn, 3),
        "changed_over_full": round(again / full, 3),
    }


if __name__ == "__main__":
    print(main())  # noqa: T201
