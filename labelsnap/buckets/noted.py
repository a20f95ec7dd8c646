"""What was done about published rows that were not quite as expected, counted from their tables."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow.compute as pc

from labelsnap.buckets.boundary import UNFORESEEN
from labelsnap.records.choices.names import BESIDE, held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pyarrow as pa

    from labelsnap.buckets.receipt import Counts
    from labelsnap.records.tables.tables import Tables


REPEATED: Final = "repeated"
"""What the lines of a row are that another source has too, but for one."""
SOURCES: Final = "sources"
"""How the names of counts by source begin: ``sources.NAME.COUNT``."""
_OF_SOURCE: Final = ("rows", "won", "labels", "predictions")
_OF_MASKS: Final = ["data_row_id", "mask_reference", "mask_overlap", "has_area"]
"""The columns by which masks are counted: a copy of those that are masks has these alone, without their runs."""


_NAMED: Final = ("file_name", "data_row_id")
RENAMED: Final = "names.renamed"


class _Noted(NamedTuple):
    """How something is counted, and what the count is of, in words that follow the number."""

    count: Callable[[Tables], int]
    said: str


def _sum(column: pa.ChunkedArray) -> int:
    total: int = pc.sum(column, min_count=0).as_py()
    return total


def _turned_by_readers(rows: pa.Table) -> int:
    """Count the images that are not copied whose orientation, as the export has it, is one by which readers turn."""
    rotations = pc.struct_field(rows["media_attributes"].filter(pc.is_null(rows["sha256"])), "exif_rotation")
    return _sum(pc.greater(rotations, 1))


def _masks(tables: Tables, kind: Callable[[pa.Table], pa.ChunkedArray]) -> int:
    """Count the masks, those of predictions too, of which ``kind`` is true."""
    both = tables["annotations"], tables["predictions"]
    return sum(_sum(kind(table.select(_OF_MASKS).filter(table["mask"].is_valid()))) for table in both)


def _under_others(masks: pa.Table, *, seen: bool) -> pa.ChunkedArray:
    """Tell which masks lack pixels of their instance's own image, for what is over it, and are seen or not."""
    covered = pc.greater(pc.struct_field(masks["mask_overlap"], "covered"), 0)
    return pc.and_(covered, pc.equal(masks["has_area"], seen))


def _overlapping(masks: pa.Table) -> pa.ChunkedArray:
    return pc.greater(pc.struct_field(masks["mask_overlap"], "shared"), 0)


def without_composite(masks: pa.Table) -> pa.ChunkedArray:
    """Tell which masks came whole because their composite could not be had."""
    return pc.and_(masks["mask_overlap"].is_valid(), pc.struct_field(masks["mask_overlap"], "covered").is_null())


def _with_ids(tables: Tables) -> int:
    """Count the rows under ``file_names: key`` whose id stands beside the name of their file."""
    rows = tables["data_rows"]
    found = rows.filter(pc.match_substring(rows["file_name"], BESIDE))
    return sum(held(*each)[1] for each in zip(*(found[name].to_pylist() for name in _NAMED), strict=True))


def _from_composites(tables: Tables) -> int:
    """Count the masks that have no image of their own in rows that ask for whole ones."""
    rows = tables["data_rows"]
    asked = rows.filter(pc.equal(rows["mask_rule"], "instance"))["data_row_id"].combine_chunks()

    def alone(masks: pa.Table) -> pa.ChunkedArray:
        without = pc.is_null(pc.struct_field(masks["mask_reference"], "url"))
        return pc.and_(without, pc.is_in(masks["data_row_id"], value_set=asked))

    return _masks(tables, alone)


NOTED: Final = {
    "images.turned": _Noted(
        lambda tables: _sum(tables["data_rows"]["turned"]),
        "images were turned upright, to the size that the export declares or as the dataset file asks",
    ),
    "images.converted": _Noted(
        lambda tables: len(tables["data_rows"]["converted_from"].drop_null()),
        "images were made JPEGs of other types (quality 95, 8 bits, without transparency), as images: jpg asks",
    ),
    "images.turned_by_readers": _Noted(
        lambda tables: _turned_by_readers(tables["data_rows"]),
        "images are referenced and lie otherwise by EXIF: readers that heed it turn them, and labels do not turn along",
    ),
    "images.unconfirmed": _Noted(
        lambda tables: _sum(tables["images"]["unconfirmed"]),
        "images were kept though their sources, asked when the rows had changed, did not answer (see the table images)",
    ),
    "masks.hidden": _Noted(
        lambda tables: _masks(tables, partial(_under_others, seen=False)),
        "masks have no pixel, because other instances lie over all of theirs in the composite (masks: instance keeps "
        "them whole)",
    ),
    "masks.cut": _Noted(
        lambda tables: _masks(tables, partial(_under_others, seen=True)),
        "masks came by their own image and lack the pixels that the composite shows of other instances",
    ),
    "masks.overlapping": _Noted(
        lambda tables: _masks(tables, _overlapping),
        "masks came by their own image and share pixels with another mask of their label",
    ),
    "masks.without_composite": _Noted(
        lambda tables: _masks(tables, without_composite),
        "masks came whole, though masks: composite asks for what is seen, because their composites could not be had; "
        "the next refresh asks for these again",
    ),
    "masks.from_composite": _Noted(
        _from_composites,
        "masks have no image of their own and are what the composite shows, though masks: instance asks for whole ones",
    ),
    "answers.unanswered": _Noted(
        lambda tables: len(tables["unanswered"]), "questions have no answer (they are in the table unanswered)"
    ),
    "text.replaced": _Noted(
        lambda tables: _sum(tables["data_rows"]["text_replaced"]),
        "characters were not Unicode and are written as U+FFFD (see text_replaced in the table data_rows)",
    ),
    "fields.unreadable": _Noted(
        lambda tables: len(tables["unreadable"]),
        "details could not be read and are left empty (they are in the table unreadable)",
    ),
}
"""The counts, by ``BLOCK.COUNT`` of a refresh's result."""
IF_ANY: Final = {
    "names.with_id": _Noted(
        _with_ids,
        "images have their row's id beside the name: their key is not safe as a file's name, or another row's name "
        "met it first",
    ),
    RENAMED: _Noted(lambda _: 0, "images have another file name than in the version before"),
}
"""The same of those that are told where they are not 0; what was renamed no table tells."""


def noted(tables: Tables) -> Counts:
    """Count by name; zeros included, but for those that are told only where they are none."""
    counts = {name: each.count(tables) for name, each in NOTED.items()}
    return counts | {name: number for name, each in IF_ANY.items() if (number := each.count(tables))}


def count_sources(tables: Tables) -> Counts:
    """Count, of published rows of several sources: those that a source has, those that it won, and its labels."""
    if (table := tables.get(SOURCES)) is None:
        return {}
    rows: Counter[str] = Counter()
    had = set()
    columns = (
        table[name].to_pylist() for name in ("data_row_id", "from_source", "source_index", "labels", "predictions")
    )
    for row_id, name, index, labels, predictions in zip(*columns, strict=True):
        counts = {
            "rows": (row_id, name) not in had,
            "won": index == 0,
            "labels": labels,
            "predictions": predictions,
        }
        had.add((row_id, name))
        rows.update({f"{SOURCES}.{name}.{each}": int(count) for each, count in counts.items()})
    return dict(rows)


def by_source(counts: Counts, names: Iterable[str]) -> dict[str, Counts]:
    """Return what was counted as a block of a refresh's result, zeros included.

    ``repeated`` are the rows of a source that another one won.
    """
    told: dict[str, Counts] = {}
    for name in names:
        of_source = {each: counts.get(f"{SOURCES}.{name}.{each}", 0) for each in ("exported", *_OF_SOURCE)}
        told[name] = of_source | {REPEATED: of_source["rows"] - of_source["won"]}
    return told


def blocks_of(counts: Counts) -> dict[str, Counts]:
    """Return counts as blocks of a refresh's result, zeros included."""
    blocks: dict[str, Counts] = {}
    for name in (*NOTED, *(each for each in IF_ANY if each in counts)):
        block, _, what = name.partition(".")
        blocks.setdefault(block, {})[what] = counts.get(name, 0)
    return blocks


def said_of(result: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield what a refresh's result notes, how often and in words; results of older versions lack some blocks."""
    for name, each in (NOTED | IF_ANY).items():
        block, _, what = name.partition(".")
        if number := result.get(block, {}).get(what, 0):
            yield number, each.said
    if number := result.get("problems", {}).get(UNFORESEEN, 0):
        yield number, "rows met a fault of labelsnap's own (problems unforeseen): please report what the log says of it"
