"""What nights leave behind: packs, bytes, requests and processor time of a dataset that is refreshed night after night.

Flows run without Prefect's engine, in this process, against the sandbox and a folder as the store. In the end most rows
leave, older versions expire, and garbage is collected: what is left is compared with the same rows in a new dataset.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from config.reading import parse_dataset
from deploy.sandbox import Sandbox
from flows.refresh import refresh
from labelsnap.snapshots import collect, expire
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.storage import open_store
from labelsnap.storage.local import LocalStore
from tests.months.engine import engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.dataset import Dataset
    from labelsnap.snapshots.manifest import Manifest

OPERATIONS: Final = ("get", "put", "create", "head", "download", "list", "delete", "delete_many")
SHARE_OF_EDITS: Final = 200  # a night changes one row of so many
WEEK: Final = 8 * 86_400


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count what is asked of stores that are folders."""
    asked = Counter[str]()

    def counting(name: str) -> Any:
        real = getattr(LocalStore, name)

        def call(store: LocalStore, *given: Any, **named: Any) -> Any:
            asked[name] += 1
            return real(store, *given, **named)

        return call

    with patch.multiple(LocalStore, **{name: counting(name) for name in OPERATIONS if hasattr(LocalStore, name)}):
        yield asked


def main(rows: int = 100, nights: int = 30) -> dict[str, float]:
    """Return the figures by name; each is of the last night, or compares it with the second."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(rows, directory=Path(folder, "sandbox")) as sandbox:
        os.environ.update(sandbox.environment())

        def dataset(name: str) -> Dataset:
            source = {"project": sandbox.project_id}
            store = Path(folder, name).as_uri()
            return parse_dataset(
                {"dataset": "d", "store": store, "source": source, "formats": {"coco": {}, "yolo": {}}}
            )

        kept = dataset("kept")
        with engine() as runtime, counted() as asked:

            def night(chosen: Dataset, number: int) -> tuple[int, float]:
                runtime.flow_run.id = f"{Path(chosen.store).name}-{number}"
                asked.clear()
                began = time.process_time()
                refresh.fn(chosen)
                return asked.total(), time.process_time() - began

            night(kept, 0)
            costs = []
            for number in range(1, nights + 1):
                there = sandbox.rows()
                for place in range(max(1, rows // SHARE_OF_EDITS)):
                    sandbox.edit_row(there[(number * 7 + place * 31) % len(there)].index)
                costs.append(night(kept, number))
            figures = gathered(read_snapshot(open_store(kept.url)).manifest)
            for row in sandbox.rows()[rows // 20 :]:
                sandbox.remove_row(row.index)
            night(kept, nights + 1)
            fresh = dataset("fresh")
            night(fresh, 0)
        tidy(kept)
        sizes = [sum(info.size for info in open_store(each.url).list("data/")) for each in (kept, fresh)]
    early, late = costs[1 : 1 + len(costs) // 4], costs[-(len(costs) // 4) :]
    requests, seconds = ([sum(cost[place] for cost in part) / len(part) for part in (early, late)] for place in (0, 1))
    return figures | {
        "requests_of_an_early_night": round(requests[0], 1),
        "requests_of_a_late_night": round(requests[1], 1),
        "processor_late_to_early": round(seconds[1] / seconds[0], 2),
        "bytes_after_most_rows_left_to_fresh": round(sizes[0] / sizes[1], 2),
    }


def gathered(manifest: Manifest) -> dict[str, float]:
    """What a version points to."""
    packs = [pack for pack in manifest.packs if pack.key.startswith("data/packs/")]
    live = {(file.key, file.offset): file.size for file in manifest.files if file.offset is not None}
    of_packs = {pack.key for pack in packs}
    used = sum(size for (key, _), size in live.items() if key in of_packs)
    return {
        "packs_of_small_files": len(packs),
        "bytes_of_packs_to_used": round(sum(pack.size for pack in packs) / max(1, used), 3),
        "objects_of_a_document_at_most": max(len({part.key for part in file.parts}) for file in manifest.files),
        "objects_of_all_documents": len({part.key for file in manifest.files for part in file.parts}),
    }


def tidy(chosen: Dataset) -> None:
    """Expire all but the newest snapshot, and delete what no version has, as if weeks had gone by."""
    store = open_store(chosen.url)
    expire(store, keep=1)
    for _ in range(2):
        for path in Path(chosen.store.removeprefix("file://")).rglob("*.*"):
            times = path.stat()
            os.utime(path, (times.st_atime, times.st_mtime - WEEK))
        collect(store)


if __name__ == "__main__":
    print(main())  # noqa: T201
