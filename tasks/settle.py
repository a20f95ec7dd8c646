"""What came of all buckets: every line accounted for, classes given their ids, the dataset's policy asked."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
from prefect import task

from config.dataset import Dataset
from labelsnap.buckets.receipt import BucketReceipt, Tally, add_up
from labelsnap.formats.description.census import add, with_choices
from labelsnap.records.choices.classes import ClassRegistry, inherited, update
from labelsnap.records.tables.schema import OF_SOURCES, SCHEMAS
from labelsnap.records.tables.tables import classes_of, classes_table, problems_of, write_table
from labelsnap.snapshots.keeping.behind import Manifests, manifests_behind, read_behind
from labelsnap.snapshots.tables.bucket_tables import CLASSES_PATH, bucket_files, decoding, read_classes, read_of_bucket
from tasks.formats.conversion import conversion_of
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.beginning import Head
from tasks.run.receipts import OntologyReceipt, Settlement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelsnap.snapshots.manifest import File, Manifest
    from labelsnap.storage import ObjectStore

PROBLEMS_PATH = "raw/problems.ndjson"
LEFT_OUT_PATH = "raw/left-out.json"


@task(**RETRIES)
def settle(
    dataset: Dataset,
    base: Head,
    lines: int,
    receipts: tuple[BucketReceipt, ...],
    not_in_range: tuple[int, ...],
    ontology: OntologyReceipt,
) -> Settlement:
    """Add up the buckets and the lines that none of them got, give new classes ids, write classes and problems."""
    here = here_of(dataset.url)
    store, earlier = here.store, here.manifest(base.version)
    draft = here.draft(earlier)
    built = sorted(receipts, key=lambda receipt: receipt.index)
    tables = tuple(chain.from_iterable(receipt.files for receipt in built))
    packs = {pack.key: pack for receipt in built for pack in receipt.packs}
    seen = sorted({seen for receipt in built for seen in receipt.seen})
    standing = earlier_classes(store, earlier)
    updated = partial(
        update, seen=seen, renames=dataset.classes, offered=ontology.offered, by_name=bool(dataset.sources)
    )
    registry, behind = updated(standing), base.behind
    same_classes = classes_table(registry).equals(classes_table(standing))
    if behind and not (earlier and same_classes and same_tables(earlier, tables)):
        others = classes_behind(store, behind)
        registry, behind = updated(inherited(standing, others)), ()
    numbers = sorted(chain(not_in_range, *(receipt.repeated for receipt in built)))
    classes, problems, *left_out = draft.add_files(
        [
            (CLASSES_PATH, write_table(classes_table(registry))),
            (PROBLEMS_PATH, b"".join(problem_lines(store, tables))),
            *([(LEFT_OUT_PATH, msgspec.json.encode(numbers))] if numbers else []),
        ]
    )
    census = with_choices(add(receipt.census for receipt in built), ontology.choices)
    return Settlement(
        lines=lines,
        tally=add_up([Tally(excluded={"not_in_range": len(not_in_range)}), *(receipt.tally for receipt in built)]),
        census=census,
        measures={receipt.index: receipt.measures for receipt in built},
        conversion=conversion_of(store, dataset, earlier, built, classes, registry, census),
        registry=registry,
        behind=behind,
        ontology=ontology,
        tables=(*tables, classes),
        problems=problems,
        left_out=tuple(left_out),
        packs=tuple(packs[key] for key in sorted(packs)),
        uploads=draft.uploads + ontology.uploads,
    )


def earlier_classes(store: ObjectStore, earlier: Manifest | None) -> ClassRegistry:
    """The classes as the base snapshot has them; none for a new dataset."""
    if earlier is None:
        return ClassRegistry()
    file = next(file for file in earlier.files if file.path == CLASSES_PATH)
    return read_classes(store, file)


def classes_behind(store: ObjectStore, behind: Manifests) -> list[ClassRegistry]:
    """The classes of the manifests behind the base, as far as they are still there."""
    files = (manifest.file(CLASSES_PATH) for manifest in manifests_behind(store, behind))
    found = []
    for file in filter(None, files):
        if (table := read_behind(store, file)) is not None:
            with decoding(file.path):
                found.append(classes_of(table))
    return found


def same_tables(earlier: Manifest, tables: tuple[File, ...]) -> bool:
    """Whether the buckets' tables that decide what is published are those of the base."""
    now, before = (
        {
            (file.path, file.sha256)
            for files in bucket_files(each).values()
            for file in map(files.get, (*SCHEMAS, *OF_SOURCES))
            if file
        }
        for each in (tables, earlier.files)
    )
    return now == before


def problem_lines(store: ObjectStore, files: tuple[File, ...]) -> Iterator[bytes]:
    """``problems.ndjson``: the problems of all buckets in the order of the export's lines."""
    with decoding("the tables of problems"):
        buckets = bucket_files(files).values()
        tables = (read_of_bucket(store, bucket, "problems") for bucket in buckets)
        problems = list(chain.from_iterable(map(problems_of, tables)))
    for problem in sorted(problems, key=lambda problem: problem.line):
        yield msgspec.json.encode(problem) + b"\n"
