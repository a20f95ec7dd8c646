"""What a version costs in uploaded bytes after one row in a hundred has changed, as a share of the full publication.

Everything counts that a version consists of: tables, images, formats, the raw export, descriptions and the manifest;
what the store held before does not, nor what a run hands on below ``work/`` and deletes (once more the raw export).
A change of labels uploads no image, so that the share without images is printed too.
"""

from __future__ import annotations

import os
from collections import Counter
from operator import truediv

from flows.refresh import refresh
from labelsnap.storage import open_store
from tests.benchmarks.sandbox_process import datasets, edit_rows

ROWS = int(os.environ.get("LABELSNAP_BENCH_UPLOAD_ROWS", "10000"))


def held(url: str) -> dict[str, int]:
    """The objects of a dataset by key, in bytes."""
    store = open_store(url)
    return {info.key: info.size for folder in ("data/", "manifests/") for info in store.list(folder)}


def main() -> dict[str, float]:
    """Bytes of the full publication and of the one after the change, by folder, and their ratio."""
    from prefect.testing.utilities import prefect_test_harness

    with datasets(ROWS) as (environment, dataset_at):
        dataset = dataset_at("uploads")
        with prefect_test_harness(server_startup_timeout=300):
            first = refresh(dataset)
            before = held(dataset.url)
            edit_rows(environment, ROWS, max(1, first["rows"]["published"] // 100))
            second = refresh(dataset)
        added = {key: size for key, size in held(dataset.url).items() if key not in before}
    figures: dict[str, float] = {
        "rows_published": second["rows"]["published"],
        "rows_changed": second["rows"]["published"] - second["reused_rows"],
        "bytes_full": sum(before.values()),
        "bytes_changed": sum(added.values()),
        "changed_over_full": round(sum(added.values()) / sum(before.values()), 4),
    }
    without_images = (
        sum(size for key, size in objects.items() if not key.startswith("data/images/")) for objects in (added, before)
    )
    figures["changed_over_full_without_images"] = round(truediv(*without_images), 4)
    for when, objects in (("full", before), ("changed", added)):
        folders: Counter[str] = Counter()
        for key, size in objects.items():
            folders[key.removeprefix("data/").split("/")[0].split("-")[0]] += size
        figures |= {f"bytes_{when}_{name}": size for name, size in sorted(folders.items())}
    return figures


if __name__ == "__main__":
    print(main())  # noqa: T201
