"""What many nights cost, in counts of requests, objects and bytes, on an S3 store.

Flows run without Prefect's engine, in this process, against the sandbox and its embedded store, or against Ceph's where
``LABELSNAP_TEST_CEPH_ENDPOINT`` says where that is. Histories are fabricated: records are put, and refreshes go on.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest.mock import patch
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import boto3
from botocore.httpsession import URLLib3Session

from config.reading import parse_dataset
from deploy.sandbox import Sandbox
from flows.refresh import refresh
from labelsnap.environment import work_in
from labelsnap.snapshots import collect, expire, latest, plan_collection
from labelsnap.snapshots.keeping.history import RECENT, survey
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.storage import open_store
from tests.contracts.long_history import lengthened
from tests.contracts.store_fixtures import CEPH
from tests.months.engine import engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from config.dataset import Dataset
    from labelsnap.snapshots.manifest import Manifest

LENGTHS: Final = (7, 5_007, 26_007)
"""Versions of a dataset that is young, and of old ones: of each seven are told by no checkpoint, which are the most."""
KEPT: Final = 164
WINDOWS: Final = 8
"""Of so many parts of the nights that published the second is early, and the last is late.

In the first part documents and chunks, which a new dataset has whole, come to be joined from as many objects as they
will be.
"""
SHARE_OF_EDITS: Final = 200
"""A night changes one row of so many."""
COCO: Final = "formats/coco/annotations/instances_train.json"
NONE: Final = timedelta(0)


class Asked(NamedTuple):
    """A request to the store: its method, and the folder of its key or of the keys that it lists."""

    method: str
    folder: str


class Night(NamedTuple):
    """What something asked: requests, and of these the lists of commit records; and what it gave back."""

    requests: int
    lists: int
    result: Any


@contextmanager
def counted() -> Iterator[Counter[Asked]]:
    """Count the requests that go to S3, each attempt and each page of a list."""
    asked = Counter[Asked]()
    send = URLLib3Session.send

    def counting(session: URLLib3Session, request: Any) -> Any:
        parts = urlsplit(request.url)
        query = parse_qs(parts.query, keep_blank_values=True)
        is_list = "list-type" in query
        name = query.get("prefix", [""])[0] if is_list else unquote(parts.path)
        found = re.search(r"/(commits|checkpoints|manifests|data|tags|gc|work|_probe)/", f"/{name}")
        method = "LIST" if is_list else "DELETE" if "delete" in query else request.method
        asked[Asked(method, found[1] if found else "")] += 1
        return send(session, request)

    with patch.object(URLLib3Session, "send", counting):
        yield asked


class Nights:
    """A project and the store that its datasets lie in."""

    def __init__(self, sandbox: Sandbox, bucket: str, runtime: Any, asked: Counter[Asked]) -> None:
        self.sandbox = sandbox
        self._bucket = bucket
        self._runtime = runtime
        self._asked = asked
        self._edits = 0

    def dataset(self) -> Dataset:
        """A new dataset."""
        source = {"project": self.sandbox.project_id}
        store = f"s3://{self._bucket}/nights/{uuid4().hex}"
        return parse_dataset({"dataset": "d", "store": store, "source": source, "formats": {"coco": {}, "yolo": {}}})

    def edit(self) -> None:
        """The edits of a day."""
        rows = self.sandbox.rows()
        for _ in range(max(1, len(rows) // SHARE_OF_EDITS)):
            self._edits += 1
            self.sandbox.edit_row(rows[self._edits * 7 % len(rows)].index)

    def refresh(self, chosen: Dataset) -> Night:
        """Refresh a dataset."""
        self._runtime.flow_run.id = uuid4().hex
        return self.of(partial(refresh.fn, chosen))

    def of(self, work: Callable[[], object]) -> Night:
        """What some work asks of the store."""
        self._asked.clear()
        result = work()
        return Night(self._asked.total(), self._asked[Asked("LIST", "commits")], result)

    def deletes(self) -> int:
        """How many requests to delete there were in the last work."""
        return sum(count for each, count in self._asked.items() if each.method == "DELETE")


def main(rows: int = 100, nights: int = 400, lengths: tuple[int, ...] = LENGTHS) -> dict[str, float]:
    """Print the tables; return their figures by name."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(rows, directory=Path(folder, "sandbox")) as sandbox:
        bucket = connected(sandbox)
        with engine() as runtime, counted() as asked:
            project = Nights(sandbox, bucket, runtime, asked)
            figures: dict[str, float] = {}
            for length in lengths:
                figures |= with_history(project, length)
            show(history_table(figures, lengths))
            figures |= night_after_night(project, rows, nights)
            show(nights_table(figures, nights))
    return figures


def connected(sandbox: Sandbox) -> str:
    """Point this process at the sandbox and a store; return the bucket."""
    os.environ.update(sandbox.environment())
    if endpoint := os.environ.get(CEPH):
        key = {"AWS_ACCESS_KEY_ID": "labelsnap-test", "AWS_SECRET_ACCESS_KEY": "labelsnap-test-secret"}
        os.environ.update(key, AWS_ENDPOINT_URL_S3=endpoint)
    work_in(os.environ)
    bucket = "datasets"
    if endpoint:
        boto3.session.Session().client("s3").create_bucket(Bucket=bucket)
    return bucket


def with_history(project: Nights, length: int) -> dict[str, float]:
    """What is asked of a dataset that has so many versions, of which some are kept."""
    chosen = project.dataset()
    project.refresh(chosen)
    store = open_store(chosen.url)
    first = latest(store)
    assert first is not None
    lengthened(store, first.commit, length - 2, range(1, length - 2, max(length // KEPT, 1)))
    project.edit()
    over = project.refresh(chosen)
    project.edit()
    published, unchanged = project.refresh(chosen), project.refresh(chosen)
    listed = project.of(partial(survey, store, back=RECENT))
    garbage = project.of(partial(plan_collection, store))
    named = {
        "first_publication_upon": over.requests,
        "publishing": published.requests,
        "publishing_lists": published.lists,
        "unchanged": unchanged.requests,
        "list": listed.requests,
        "gc": garbage.requests,
    }
    return {f"{name}_{length}": value for name, value in named.items()}


def night_after_night(project: Nights, rows: int, nights: int) -> dict[str, float]:
    """What gathers when a dataset is refreshed every night; and what is left when most of its rows leave."""
    chosen = project.dataset()
    project.refresh(chosen)
    store, costs = open_store(chosen.url), []
    for _ in range(nights):
        project.edit()
        night = project.refresh(chosen)
        costs += [night.requests] if night.result["published"] else []
    manifest = read_snapshot(store).manifest
    document = manifest.file(COCO)
    assert document is not None
    read = project.of(partial(read_file, store, document))
    for row in project.sandbox.rows()[rows // 20 :]:
        project.sandbox.remove_row(row.index)
    project.refresh(chosen)
    fresh = project.dataset()
    project.refresh(fresh)
    expire(store, keep=1)
    objects = sum(1 for _ in store.list("data/"))
    with patch("labelsnap.snapshots.keeping.gc.GRACE_FLOOR", NONE):
        for _ in range(2):
            time.sleep(2)  # a store's clock may tell whole seconds
            project.of(partial(collect, store, grace=NONE, wait=NONE))
    deletes = project.deletes()
    deleted = objects - sum(1 for _ in store.list("data/"))
    sizes = [sum(info.size for info in open_store(each.url).list("data/")) for each in (chosen, fresh)]
    share = max(1, len(costs) // WINDOWS)
    early, late = (round(sum(part) / len(part), 1) for part in (costs[share : 2 * share], costs[-share:]))
    return gathered(manifest) | {
        "requests_of_an_early_night": early,
        "requests_of_a_late_night": late,
        "requests_of_the_longest_night": max(costs),
        "requests_that_read_a_document": read.requests,
        "objects_deleted": deleted,
        "requests_that_deleted_them": deletes,
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


def history_table(figures: dict[str, float], lengths: tuple[int, ...]) -> list[list[str]]:
    """What is asked by how many versions there are, and what should be."""
    of_history = {
        "a publishing refresh: requests": ("publishing", "≤ 1.1 × young"),
        "an unchanged refresh: requests": ("unchanged", "≤ 1.1 × young"),
        "lists of `commits/` a refresh": ("publishing_lists", "≤ 2"),
        "what `snapshots list` reads: requests": ("list", "≤ 20"),
        f"`gc`, dry, of {KEPT} kept versions and fewer: requests": ("gc", "by what is kept"),
        "the first publication upon records without a checkpoint": ("first_publication_upon", "each record once"),
    }
    head = ["versions", *(f"{length:,}" for length in lengths), "should be"]
    return [head] + [
        [title, *(f"{figures[f'{name}_{length}']:,}" for length in lengths), wanted]
        for title, (name, wanted) in of_history.items()
    ]


def nights_table(figures: dict[str, float], nights: int) -> list[list[str]]:
    """What there is after so many nights, and what should be."""
    of_nights = {
        "packs of small files": ("packs_of_small_files", "≤ 16"),
        "their bytes, to those in use": ("bytes_of_packs_to_used", "≤ 1.5, and 10 %"),
        "objects of a joined document, at most": ("objects_of_a_document_at_most", "≤ 16"),
        "requests that read a COCO document": ("requests_that_read_a_document", "≤ 16"),
        "requests of an early night, the second eighth's mean": ("requests_of_an_early_night", ""),
        "requests of a late night, the last eighth's mean": ("requests_of_a_late_night", "≤ 1.1 × early"),
        "objects that were deleted": ("objects_deleted", ""),
        "requests that deleted them": ("requests_that_deleted_them", "one a thousand, where the store can"),
        "store after 95 of 100 rows left, to a fresh one": ("bytes_after_most_rows_left_to_fresh", "≤ 1.3"),
    }
    head = [f"after {nights} nights", "", "should be"]
    return [head] + [[title, f"{figures[name]:,}", wanted] for title, (name, wanted) in of_nights.items()]


def show(table: list[list[str]]) -> None:
    """Print a table, as Markdown."""
    head, *lines = table
    for line in (head, ["---"] * len(head), *lines, []):
        print(f"| {' | '.join(line)} |" if line else "", flush=True)  # noqa: T201 - a command line prints


if __name__ == "__main__":
    main()
