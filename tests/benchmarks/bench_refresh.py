"""What a refresh costs after a small change, and what Prefect costs: ratios to a full refresh, and to none of it.

The sandbox runs in a process of its own, and so does Prefect's server, which is up before anything is timed.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from prefect.testing.utilities import prefect_test_harness

from config.reading import load_dataset
from config.settings import load_settings
from flows.refresh import refresh
from tasks.records.splits import SPLITS
from tasks.steps.buckets import build_bucket, group_rows
from tasks.steps.describe import describe
from tasks.steps.export import fetch_stream, start_exports, wait_for_exports
from tasks.steps.formats import write_format
from tasks.steps.prepare import prepare
from tasks.steps.publish import publish
from tasks.steps.result import summary
from tasks.steps.settle import settle
from tasks.steps.unfinished import forget_unfinished
from tasks.storage import open_store
from tests.benchmarks.sandbox_process import counted, serving, steer

if TYPE_CHECKING:
    from config.dataset import Dataset

ROWS = int(os.environ.get("LABELSNAP_BENCH_ROWS", "5000"))
CHANGED = ROWS // 100


def without_prefect(dataset: Dataset, run: str) -> dict[str, Any]:
    """The steps of a refresh as plain functions with a pool of threads: the same work, nothing orchestrated."""
    preparation = prepare.fn(dataset, run)
    exports = start_exports.fn(dataset, run)
    wait_for_exports.fn(exports)
    (task_id,) = exports.ids
    results = (fetch_stream.fn(dataset, run, 0, task_id, "RESULT"),)
    errors = (fetch_stream.fn(dataset, run, 0, task_id, "ERRORS"),)
    buckets = group_rows.fn(dataset, run, results, errors, preparation.base)
    with ThreadPoolExecutor(load_settings().workers) as pool:
        built = tuple(pool.map(lambda bucket: build_bucket.fn(dataset, run, bucket), buckets.inputs))
        settlement = settle.fn(dataset, preparation.base, buckets.lines, built)
        formats = tuple(
            pool.map(
                lambda part: write_format.fn(
                    dataset, *part, settlement.tables, settlement.registry, settlement.changed, preparation.base
                ),
                product(dataset.formats, SPLITS),
            )
        )
    formats = (*formats, describe.fn(dataset, settlement, formats, preparation.base))
    result = summary(dataset, settlement, results, errors, formats, {})
    publish.fn(dataset, preparation, settlement, (*results, *errors), formats, result)
    forget_unfinished(open_store(dataset.url), dataset, run)
    return result


def timed(call: Any) -> tuple[float, dict[str, Any]]:
    """Seconds, and what was given back."""
    begin = time.perf_counter()
    result = call()
    return time.perf_counter() - begin, result


def main() -> dict[str, float]:
    """Full refreshes with and without Prefect, in turn, then one after a change of one row in a hundred."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, serving(ROWS, Path(folder)) as environment:
        os.environ.update(environment)
        path = Path(folder, "dataset.yaml")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))

        def dataset(name: str) -> Dataset:
            path.write_text(yaml.safe_dump(content | {"store": f"file://{folder}/{name}"}), encoding="utf-8")
            return load_dataset(path)

        starting = time.perf_counter()
        with prefect_test_harness(server_startup_timeout=300):
            figures["prefect_server_start_seconds"] = round(time.perf_counter() - starting, 1)
            first = refresh(dataset("first"))  # pictures are drawn, loops are compiled
            plain, _ = timed(lambda: without_prefect(dataset("plain"), "plain"))
            full, _ = timed(lambda: refresh(dataset("full")))
            plain_again, _ = timed(lambda: without_prefect(dataset("plain-again"), "plain-again"))
            edited = [index for index in range(ROWS) if index % 16 not in {5, 9, 13} and index % 20 != 7]
            for index in edited[:: len(edited) // CHANGED][:CHANGED]:
                steer(environment, call="edit_row", index=index)
            steer(environment, call="clear_requests")
            again, second = timed(lambda: refresh(dataset("first")))
            requests = counted(environment)
    parts = {
        f"{part}_seconds_{when}": result["seconds"][part]
        for part in ("export", "fetch", "convert")
        for when, result in (("full", first), ("changed", second))
    }
    figures |= parts | {
        "rows": first["rows"]["exported"],
        "full_refresh_seconds": round(full, 2),
        "prefect_over_none": round(2 * full / (plain + plain_again) - 1, 3),
        "changed_rows": second["rows"]["published"] - second["reused_rows"],
        "images_fetched_after_change": requests["image"],
        "masks_fetched_after_change": requests["composite_mask"] + requests.get("instance_mask", 0),
        "changed_over_full": round(again / full, 3),
    }
    return figures


if __name__ == "__main__":
    print(main())  # noqa: T201
