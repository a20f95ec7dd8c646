"""Versions of a few rows, converted as a refresh does, in a folder: tables in, the trees of formats out."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from config.dataset import Dataset
from labelsnap.buckets.grouping import bucket_of
from labelsnap.buckets.reading import table_path
from labelsnap.buckets.receipt import BucketInput, BucketReceipt, Tally
from labelsnap.buckets.rows.images import StoredImages, images_table, row_image, store_images
from labelsnap.formats.description.census import add, census
from labelsnap.formats.interface import written
from labelsnap.formats.outputs import selected
from labelsnap.records.choices.numbers import numbers
from labelsnap.records.choices.splits import SPLITS
from labelsnap.records.geometry import BoundingBox, Point, Polygon
from labelsnap.records.tables.tables import classes_table, to_tables, write_table
from labelsnap.snapshots.manifest import File, Manifest, decode_manifest, digest, encode
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.tables.bucket_tables import CLASSES_PATH
from labelsnap.snapshots.writing.draft import Draft, Uploads
from labelsnap.storage import open_store
from tasks.formats.conversion import conversion_of, indexes_of, standing_of
from tasks.formats.convert import convert_bucket
from tasks.formats.joining import write_format
from tasks.formats.shards import shards_of, write_shard
from tasks.run.receipts import FormatReceipt, OntologyReceipt, Settlement
from tests.formats.format_samples import annotation, dataset, label, mask, registry, sample, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from labelsnap.buckets.parts.work import BucketMade
    from labelsnap.records.model import Sample

CLASSES = registry("car", "lane", points=("lane",))
FORMATS = {
    "coco": {},
    "huggingface": {"layout": "imagefolder"},
    "labelme": {},
    "masks": {"kind": "instance"},
    "voc": {},
    "webdataset": {},
    "yolo": {"task": "segment"},
}
SHAPES = (
    (),
    (annotation(mask("..##.... ..##.... ........ ........ ........ ........")),),
    (annotation(BoundingBox(1.5, 0.0, 4.0, 2.0)), annotation(Point(2.5, 1.5), name="lane", feature_id="f-2")),
    (annotation(Polygon(((0.0, 0.0), (5.0, 0.0), (5.0, 2.5))), answers=[text("plate", "x" * 400)]),),
)
"""What rows can hold: nothing, a mask, a box with a point, or an outline with an answer that is longer than others."""


class Row(NamedTuple):
    """What a row holds (a place in ``SHAPES``), its split, and which image it has where images are copied."""

    shapes: int
    split: str
    image: int = 0


class Version(NamedTuple):
    """A version: its rows, its manifest as it was read back, the buckets and shards made, and what went up."""

    samples: Mapping[str, Sample]
    manifest: Manifest
    made: tuple[BucketMade, ...]
    shards: tuple[str, ...]
    uploads: Uploads


def sampled(rows: Mapping[str, Row], *, copied: bool = False) -> dict[str, Sample]:
    """The rows as samples, by data row id; each image is referred to, unless it is ``copied``."""
    made = {
        name: sample(label(*SHAPES[row.shapes]), name=name, split=row.split, copied=False) for name, row in rows.items()
    }
    if copied:
        for name, row in rows.items():
            content = image_of(name, row.image)
            image = structs.replace(made[name].image, sha256=digest(content), size=len(content))
            made[name] = structs.replace(made[name], image=image)
    return {each.record.data_row.id: each for each in made.values()}


def image_of(name: str, number: int) -> bytes:
    """Bytes that stand for an image of a row, of 10,000 to 20,000: nothing compresses them."""
    chosen = random.Random(f"{name} {number}")  # noqa: S311 - bytes
    return chosen.randbytes(10_000 + chosen.randrange(10_000))


class Converting:
    """Converts versions of a dataset in a folder, each upon the one before or upon none."""

    def __init__(
        self, folder: Path, formats: Mapping[str, object] | None = None, buckets: int = 2, *, copied: bool = False
    ) -> None:
        self._folder = folder
        self.copied = copied
        self.images: dict[str, bytes] = {}
        self.write(formats or FORMATS)
        self.store = open_store(self.dataset.url)
        self.buckets = buckets

    def write(self, formats: Mapping[str, object]) -> None:
        """From now on versions have these outputs."""
        self.dataset = Dataset.model_validate(
            {
                "dataset": "street-scenes",
                "store": self._folder.as_uri(),
                "source": {"project": "p"},
                "images": "copy" if self.copied else "reference",
                "formats": dict(formats),
            }
        )

    def convert(
        self,
        rows: Mapping[str, Row],
        base: Version | None = None,
        *,
        alike: bool = True,
        shuffled: int = 0,
        between: Callable[[BucketMade], object] = lambda _: None,
    ) -> Version:
        """Convert rows; ``shuffled`` seeds the order in which buckets are made, ``between`` is given each of them."""
        samples = sampled(rows, copied=self.copied)
        if self.copied:
            contents = (image_of(name, row.image) for name, row in rows.items())
            self.images |= {digest(content): content for content in contents}
        draft = Draft(self.store, base.manifest if base else None)
        built = [self._built(draft, index, samples, base, alike=alike) for index in range(self.buckets)]
        classes = draft.add_file(CLASSES_PATH, write_table(classes_table(CLASSES)))
        counted = add(each.census for each in built)
        earlier = base.manifest if base else None
        conversion = conversion_of(self.store, self.dataset, earlier, built, classes, CLASSES, counted)
        works = list(conversion.works)
        random.Random(shuffled).shuffle(works)  # noqa: S311 - an order
        standing = tuple(conversion.bases)
        made = tuple(
            convert_bucket.fn(self.dataset, "run", work, CLASSES, counted, standing, conversion.alike) for work in works
        )
        for each in made:
            between(each)
        tables = tuple(chain.from_iterable(each.files for each in built))
        settlement = Settlement(
            lines=len(rows),
            tally=Tally(),
            census=counted,
            measures={},
            conversion=conversion,
            registry=CLASSES,
            behind=(),
            ontology=OntologyReceipt(),
            tables=tables,
            problems=classes,
            left_out=(),
            packs=(),
            uploads=Uploads(),
        )
        receipts = [indexes_of(conversion, made), *standing_of(conversion)]
        shards = [] if conversion.whole else list(shards_of(self.dataset, settlement, made))
        if not conversion.whole:
            receipts += [
                write_format.fn(self.dataset, name, split, CLASSES, counted, conversion.joint(name, made))
                for name in self.dataset.formats
                for split in SPLITS
            ]
            receipts += [
                FormatReceipt(each.format, (each.standing,), each.base.packs, Uploads())
                if each.standing
                else write_shard.fn(self.dataset, each, CLASSES, counted)
                for each in shards
            ]
        manifest = Manifest.of(
            dataset="street-scenes",
            created_at="",
            config=self.dataset.content(),
            result={"rows": {"published": len(rows)}},
            files=[*tables, classes, *chain.from_iterable(each.files for each in receipts)],
            packs=[*chain.from_iterable(each.packs for each in receipts)],
        )
        body = encode(manifest)
        uploads = sum((each.uploads for each in receipts), Uploads())
        anew = tuple(f"{each.format}/{each.path}" for each in shards if not each.standing)
        return Version(samples, decode_manifest(body, digest(body)), made, anew, uploads)

    def tree(self, version: Version) -> dict[str, bytes]:
        """The bytes of all formats' files, by path."""
        return {file.path: read_file(self.store, file) for file in version.manifest.below("formats/")}

    def expected(self, version: Version) -> dict[str, bytes]:
        """The same as each format gives it of all rows at once."""
        ordered = self._ordered(version.samples.values())
        numbered = numbers(version.samples)
        source = replace(
            dataset(*ordered, classes=CLASSES),
            splits=SPLITS,
            name="street-scenes",
            counts=census(to_tables(ordered)).rows,
            read_image=lambda sample: self.images.get(sample.image.sha256 or ""),
        )
        of_rows = source.rows
        source = replace(
            source,
            rows=lambda split: (replace(row, number=numbered[row.sample.record.data_row.id]) for row in of_rows(split)),
        )
        return {
            f"formats/{name}/{artifact.path}": b"".join(artifact.chunks)
            for name, output in self.dataset.outputs.items()
            for split in SPLITS
            for artifact in written(output.form, selected(source, output.selection.of(CLASSES)), split)
        }

    def _bucket(self, row_id: str) -> int:
        return bucket_of(row_id.encode(), self.buckets)

    def _ordered(self, samples: Iterable[Sample]) -> list[Sample]:
        return sorted(samples, key=lambda each: (self._bucket(each.record.data_row.id), each.record.data_row.id))

    def _stored(self, draft: Draft, index: int, samples: Iterable[Sample]) -> StoredImages:
        with TemporaryDirectory() as folder:
            images = [each.image for each in samples if each.image.sha256]
            for image in images:
                Path(folder, image.sha256).write_bytes(self.images[image.sha256])
            bucket = BucketInput(index=index, count=self.buckets, lines_key="", lines=0)
            return store_images(draft, images, {}, Path(folder), bucket)

    def _built(
        self, draft: Draft, index: int, samples: Mapping[str, Sample], base: Version | None, *, alike: bool
    ) -> BucketReceipt:
        of_bucket = self._ordered(each for row_id, each in samples.items() if self._bucket(row_id) == index)
        before = base.samples if base else {}
        now_numbered, numbered = (
            numbers(row_id for row_id in some if self._bucket(row_id) == index) for some in (samples, before)
        )
        changed = tuple(
            row_id
            for row_id, number in now_numbered.items()
            if before.get(row_id) != samples[row_id] or numbered[row_id] != number
        )
        if not of_bucket:
            return BucketReceipt(index, (), (), Tally(), census(to_tables([])), (), ())
        tables = to_tables(of_bucket)
        whole = tables | {"images": images_table(map(row_image, of_bucket), self._stored(draft, index, of_bucket))}
        files: list[File] = [
            draft.add_file(table_path(name, index, self.buckets), write_table(table)) for name, table in whole.items()
        ]
        return BucketReceipt(
            index, tuple(files), (), Tally(), census(tables), (), (), changed if before else None, alike and bool(base)
        )
