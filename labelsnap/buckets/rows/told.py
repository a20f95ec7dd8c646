"""What a version tells of a bucket's rows in one small object: of a bucket that is as it was no table is read.

See FORMAT.md, "The rows of a bucket".
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
from msgspec import Struct

from labelsnap.buckets.noted import count_sources, noted, without_composite
from labelsnap.buckets.receipt import Counts, Tally
from labelsnap.decoders import decoder_of
from labelsnap.formats.description.census import Census, census
from labelsnap.records.choices.classes import SeenClass, seen_classes
from labelsnap.records.tables.tables import OF_MASKS
from labelsnap.snapshots.checking.measures import Measure
from labelsnap.snapshots.checking.of_tables import measure_tables
from labelsnap.snapshots.manifest import NOT_SUCH_JSON, damaged
from labelsnap.snapshots.reading.content import checked
from labelsnap.snapshots.tables.bucket_tables import name_of_tables
from labelsnap.storage.compression import plain_of
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labelsnap.records.tables.tables import Tables
    from labelsnap.snapshots.manifest import File
    from labelsnap.storage import ObjectStore


class Told(Struct, frozen=True):
    """The rows of a bucket, by data row id with their fingerprints, and what its tables come to.

    ``tables`` names these. ``packs`` are the keys of those that images lie in; ``due`` are the rows whose masks came
    whole for want of their composite. The others are as in ``BucketReceipt``: ``tally`` has what counts rows that are
    published, and those that left; ``measures`` are the tables'.
    """

    tables: str
    rows: dict[str, str]
    packs: tuple[str, ...]
    due: tuple[str, ...]
    tally: Tally
    census: Census
    measures: tuple[Measure, ...]
    seen: tuple[SeenClass, ...]


def tell(files: Iterable[File], tables: Tables, packs: Iterable[str], left: int) -> Told:
    """Tell of a bucket's rows. ``left`` rows left it."""
    rows = tables["data_rows"]
    labels_excluded, annotations_dropped = left_out(rows)
    return Told(
        tables=name_of_tables(files),
        rows=dict(zip(rows["data_row_id"].to_pylist(), rows["fingerprint"].to_pylist(), strict=True)),
        packs=tuple(sorted(packs)),
        due=tuple(sorted(composite_due(tables))),
        tally=Tally(
            published=len(rows),
            labels=tables["labels"]["origin"].to_pylist().count("label"),
            labels_excluded=labels_excluded,
            annotations_dropped=annotations_dropped,
            noted=noted(tables) | count_sources(tables),
            left=left,
        ),
        census=census(tables),
        measures=measure_tables(tables),
        seen=tuple(seen_classes(tables)),
    )


def encode_told(told: Told) -> bytes:
    """Return the bytes of what is told: equal ones for equal values."""
    content: bytes = pa.compress(msgspec.json.encode(told) + b"\n", codec="zstd", asbytes=True)
    return content


def read_told(store: ObjectStore, file: File) -> Told | None:
    """Read what a snapshot tells of a bucket's rows; None where it is lost: then its tables tell it.

    Raises StorageRefusedError where its bytes are not those that were published, or say what no bucket can have.
    """
    content = store.get(file.key, length=file.size + 1)
    if content is None or len(content) != file.size:
        return None
    try:
        body = plain_of(checked(file, content), DOCUMENT_BYTES)
        if len(body) > DOCUMENT_BYTES:
            raise damaged(repr(file.path), f"what unpacks to more than {DOCUMENT_BYTES} bytes")
        return decoder_of(Told).decode(body)
    except (OSError, *NOT_SUCH_JSON) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise damaged(repr(file.path), f"what tells of no bucket's rows ({error})") from error


def left_out(rows: pa.Table) -> tuple[Counts, Counts]:
    """Count what policies left out of rows in the table ``data_rows``: labels, and annotations, each by policy."""
    labels, annotations = (Counter[str]() for _ in range(2))
    for counts, column in ((labels, "labels_excluded"), (annotations, "annotations_dropped")):
        for each in rows[column].to_pylist():
            counts.update(dict(each))
    return dict(labels), dict(annotations)


def composite_due(tables: Mapping[str, pa.Table]) -> frozenset[str]:
    """Return the rows that have masks which came whole for want of their composite."""
    found = (tables[name] for name in OF_MASKS.keys() & tables.keys())
    return frozenset(
        chain.from_iterable(each["data_row_id"].filter(without_composite(each)).to_pylist() for each in found)
    )
