"""What the steps of a run have put into the store, put together."""

from __future__ import annotations

from labelsnap.buckets.parts.work import Conversion
from labelsnap.buckets.receipt import Tally
from labelsnap.formats.description.census import Census
from labelsnap.records.choices.classes import ClassRegistry
from labelsnap.snapshots.manifest import File, Pack
from labelsnap.snapshots.writing.draft import Uploads
from labelsnap.snapshots.writing.presence import sizes_of
from tasks.run.receipts import FormatReceipt, OntologyReceipt, Settlement, StreamReceipt, content_of


def file(path: str, size: int, offset: int | None = None) -> File:
    """A file of so many bytes, in a pack from ``offset`` on."""
    return File(path, "data/pack" if offset is not None else f"data/{path}", size, "0" * 64, offset)


SETTLEMENT = Settlement(
    lines=0,
    tally=Tally(),
    census=Census(),
    measures={},
    conversion=Conversion(),
    registry=ClassRegistry(),
    behind=(),
    ontology=OntologyReceipt(files=(file("tables/ontology/a", 6),)),
    tables=(file("tables/a", 1),),
    problems=file("raw/problems.ndjson", 2),
    left_out=(file("raw/left-out.json", 3),),
    packs=(Pack("data/images", 40, "1" * 64),),
    uploads=Uploads(),
)
STREAM = StreamReceipt((file("raw/result", 4),), (Pack("data/frames", 50, "2" * 64),), 4, 1, 0, Uploads())
FORMAT = FormatReceipt("voc", (file("formats/voc/a", 5, offset=512),), (Pack("data/pack", 60, "3" * 64),), Uploads())


def test_what_is_published_is_what_is_counted() -> None:
    """Files and packs of every step are in the manifest, and each object of theirs is counted once."""
    content = content_of(SETTLEMENT, (STREAM, FORMAT))
    paths = {"tables/a", "tables/ontology/a", "raw/problems.ndjson", "raw/left-out.json", "raw/result", "formats/voc/a"}
    assert {each.path for each in content.files} == paths
    assert {each.key for each in content.packs} == {"data/images", "data/frames", "data/pack"}
    assert sizes_of(content) == {
        "data/tables/a": 1,
        "data/tables/ontology/a": 6,
        "data/raw/problems.ndjson": 2,
        "data/raw/left-out.json": 3,
        "data/raw/result": 4,
        "data/images": 40,
        "data/frames": 50,
        "data/pack": 60,
    }
