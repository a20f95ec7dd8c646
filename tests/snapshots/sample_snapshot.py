"""A small snapshot with every kind of object: bucket tables, images in a pack, a format, small files, raw streams."""

from __future__ import annotations

import hashlib
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from msgspec import structs
from publishing import CREATED_AT, publish

from labelsnap.buckets.grouping import bucket_of
from labelsnap.buckets.reading import table_path
from labelsnap.buckets.receipt import BucketInput
from labelsnap.buckets.rows.images import images_table, row_image, store_images
from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.description.census import census
from labelsnap.formats.interface import written
from labelsnap.records.tables.tables import classes_table, problems_table, to_tables, write_table
from labelsnap.snapshots import Draft, Manifest
from tests.formats.format_samples import dataset, picture, registry


def with_image(sample):
    """The sample with the picture that is as large as it says, and the picture's bytes."""
    body = picture(sample)
    image = structs.replace(sample.image, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
    return structs.replace(sample, image=image), body


def draft_samples(store, samples, *, classes=None, count=1, model_run=False, export=b'{"row": 1}\n'):
    """Upload samples as a refresh does, in ``count`` buckets; give the manifest."""
    classes = classes or registry("car")
    draft, packs, files = Draft(store), {}, []
    for index in range(count):
        own = [each for each in samples if bucket_of(each.record.data_row.id.encode(), count) == index]
        pictured = [with_image(each) for each in sorted(own, key=lambda each: each.record.data_row.id)]
        own = [sample for sample, _ in pictured]
        with TemporaryDirectory() as folder:
            for sample, body in pictured:
                Path(folder, sample.image.sha256).write_bytes(body)
            bucket = BucketInput(index=index, count=count, lines_key="", lines=len(own))
            stored = store_images(draft, [sample.image for sample in own], {}, Path(folder), bucket)
        packs |= {pack.key: pack for pack in stored.packs}
        tables = to_tables(own) | {"images": images_table(map(row_image, own), stored), "problems": problems_table([])}
        files += [draft.add_file(table_path(name, index, count), write_table(each)) for name, each in tables.items()]
    files.append(draft.add_file("tables/classes/classes.parquet", write_table(classes_table(classes))))
    source = dataset(*(with_image(each)[0] for each in samples), classes=classes, model_run=model_run)
    for artifact in chain.from_iterable(written(Coco(), source, split) for split in source.splits):
        files.append(draft.add_file(f"formats/coco/{artifact.path}", b"".join(artifact.chunks)))
    labels = [(f"formats/yolo/labels/train/{each.record.data_row.id}.txt", b"0 0.5 0.5 1 1\n") for each in samples]
    pack, small = draft.add_small_files("packs/yolo/train-00000.pack", labels)
    files.append(
        draft.add_file("raw/result-000-000000000000000.ndjson.zst", pa.compress(export, codec="zstd", asbytes=True))
    )
    files.append(draft.add_file("raw/problems.ndjson", b'{"line": 3}\n'))
    counted = census(to_tables(samples))
    return Manifest.of(
        dataset="street-scenes",
        created_at=CREATED_AT,
        config={},
        result={
            "rows": {"published": len(samples)},
            "labels": {"published": sum(len(each.record.entry.labels) for each in samples)},
            "annotations": counted.kinds(),
            "predictions": counted.kinds(predicted=True),
        },
        files=[*files, *small],
        packs=[*packs.values(), pack],
    )


def publish_samples(store, samples, *, publish_id="run-1", parent=0, **options):
    """Publish samples as a version."""
    return publish(store, draft_samples(store, samples, **options), publish_id=publish_id, parent=parent).commit
