"""Files measured again: canonical tables and COCO, read as streams by code that shares nothing with their writers."""

from __future__ import annotations

from itertools import chain
from math import nan
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta, Struct

from labelsnap.decoders import decoder_of
from labelsnap.snapshots.checking.decoding import UndecodableError, stated_extents
from labelsnap.snapshots.checking.extents import EXTENT, OutlineError, mask_extents, ring_extents, run_extents
from labelsnap.snapshots.checking.measures import LABEL, ROW, Group, Totals
from labelsnap.snapshots.manifest import NOT_SUCH_JSON

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from msgspec.json import Decoder
    from numpy.typing import NDArray

    from labelsnap.snapshots.checking.measures import Measure

_GROUP: Final = ("split", "predicted", "kind", "name", "feature_schema_id", "flat")
_KNOWN: Final = pa.schema(
    [("data_row_id", pa.string()), ("split", pa.string()), ("width", pa.int32()), ("height", pa.int32())]
)
_KINDS: Final = {"labels": LABEL, "relationships": "relationship"}
MEASURED: Final = ("data_rows", "labels", "annotations", "predictions", "relationships", "classifications")
"""The tables of a bucket that are measured, in an order in which they can be."""
_TOGETHER: Final = 1 << 18  # bytes of a COCO file's lines that are looked at together
_ITEM: Final = (b'{"id":', b'{"image_id":')  # how a line begins that is one
_CENTRE: Final = 0.5  # of the first pixel, from which keypoints count
_LONGEST: Final = 1 << 32  # pixels of a run
_CLOSE: Final = 1e-6  # of a box's side or an area, between what a file states and what its outline has


class TableTotals:
    """What the tables of one bucket come to, added up batch after batch: first ``data_rows``, which have the splits.

    Of a mask the area and box are taken that stand beside its runs: ``decode_file`` compares them. ``misfits`` says of
    masks, one a batch at most, that they have another size than their image.
    """

    def __init__(self) -> None:
        self.misfits: list[str] = []
        self._totals = Totals()
        self._known = _KNOWN.empty_table()

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The sums so far, sorted by group."""
        return self._totals.measures

    def add(self, table: str, batch: pa.RecordBatch) -> None:
        """Add a batch of one of ``MEASURED``. Raises UndecodableError for rows of no known split."""
        if table == "data_rows":
            rows = pa.Table.from_arrays([batch.column(name) for name in _KNOWN.names], schema=_KNOWN)
            self._known = pa.concat_tables([self._known, rows]).combine_chunks()
            for split in rows["split"].to_pylist():
                self._totals.add(Group(split, predicted=False, kind=ROW), (0.0,) * 5)
        else:
            _add_batch(self._totals, table, batch, self._known)
            if "mask" in batch.schema.names:
                self.misfits += _misfit(batch, self._known)


def measure_tables(tables: Mapping[str, pa.Table]) -> tuple[Measure, ...]:
    """Add up tables that are in memory. Raises UndecodableError for rows of no known split."""
    totals = TableTotals()
    for name in MEASURED:
        for batch in tables[name].to_batches():
            totals.add(name, batch)
    return totals.measures


def _misfit(batch: pa.RecordBatch, known: pa.Table) -> list[str]:
    """Say of the first mask of a batch that has another size than its image how they differ."""
    masked = batch.filter(batch.column("mask").is_valid())
    images = known.take(pc.index_in(masked.column("data_row_id"), known["data_row_id"].combine_chunks()))
    sides = ("width", "height")
    of_image = np.column_stack([images[side].to_numpy() for side in sides])
    of_mask = np.column_stack([_numbers(masked.column("mask"), side) for side in sides])
    return [
        "{} has a mask of {}×{} pixels on an image of {}×{}".format(
            masked.column("feature_id")[index], *of_mask[index].astype(int), *of_image[index]
        )
        for index in np.flatnonzero((of_mask != of_image).any(axis=1))[:1].tolist()
    ]


def _add_batch(totals: Totals, table: str, batch: pa.RecordBatch, known: pa.Table) -> None:
    """Group a batch's rows by split and class, and add up their extents."""
    count = len(batch)
    places = pc.index_in(batch.column("data_row_id"), known.column("data_row_id").combine_chunks())
    if places.null_count:
        raise UndecodableError(f"{places.null_count} rows of {table} are of no row in data_rows")
    blank = pa.array([""] * count)
    kind = _KINDS.get(table)
    columns = {
        "split": known.column("split").combine_chunks().take(places),
        "predicted": pc.equal(batch.column("origin"), "prediction"),
        "kind": pa.array([kind] * count, pa.string()) if kind else batch.column("kind"),
        "name": blank if table == "labels" else batch.column("name"),
        "feature_schema_id": blank if table == "labels" else pc.fill_null(batch.column("feature_schema_id"), ""),
        "flat": _flat(batch),
    }
    extents = _extents(batch) if "mask" in batch.schema.names else np.zeros((count, len(EXTENT)))
    columns |= {name: pa.array(extents[:, index]) for index, name in enumerate(EXTENT)}
    grouped = (
        pa.table(columns).group_by(list(_GROUP)).aggregate([([], "count_all"), *((name, "sum") for name in EXTENT)])
    )
    for row in grouped.to_pylist():
        area, left, top, width, height = (row[f"{name}_sum"] for name in EXTENT)
        group = Group(**{name: row[name] for name in _GROUP})
        totals.add(group, (area, left, top, width, height), row["count_all"])


def _flat(batch: pa.RecordBatch) -> pa.Array:
    """Return which rows are objects without an area; none where a table of an earlier version does not say."""
    if "has_area" not in batch.schema.names:
        return pa.array([False] * len(batch))
    return pc.fill_null(pc.invert(batch.column("has_area")), fill_value=False)


def _extents(batch: pa.RecordBatch) -> NDArray[np.float64]:
    """Return area, left, top, width and height of each object, from whichever geometry it has."""
    extents = np.zeros((len(batch), len(EXTENT)))
    box, point = batch.column("bounding_box"), batch.column("point")
    where = _present(box)
    left, top, width, height = (_numbers(box, name)[where] for name in ("left", "top", "width", "height"))
    extents[where] = np.stack([width * height, left, top, width, height], axis=1)
    where = _present(point)
    extents[where, 1:3] = np.stack([_numbers(point, name)[where] for name in ("x", "y")], axis=1)
    where = _present(batch.column("vertices"))
    extents[where] = _of_chains(batch.column("vertices").drop_null())
    extents[_is(batch, "polyline"), 0] = 0
    where = _present(batch.column("mask"))
    extents[where] = stated_extents(batch.column("mask").drop_null())
    return extents


def _of_chains(chains: pa.ListArray) -> NDArray[np.float64]:
    vertices = chains.flatten()
    return ring_extents(
        np.column_stack([_numbers(vertices, axis) for axis in ("x", "y")]), chains.value_lengths().to_numpy()
    )


def _is(batch: pa.RecordBatch, kind: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.equal(batch.column("kind"), kind).to_numpy(zero_copy_only=False)
    return found


def _present(column: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    return found


def _numbers(column: pa.StructArray, name: str) -> NDArray[np.float64]:
    found: NDArray[np.float64] = pc.struct_field(column, name).to_numpy(zero_copy_only=False)
    return found


class _Rle(Struct):
    size: tuple[int, int]
    counts: str | list[Annotated[int, Meta(ge=0, le=_LONGEST)]]


class _Item(Struct, gc=False):
    """What an image, an annotation, which has a category, or a category states of itself."""

    file_name: str | None = None
    category_id: int | None = None
    feature_id: str | None = None
    area: float = nan
    bbox: tuple[float, float, float, float] = (nan,) * 4
    keypoints: list[float | str] = []  # the names of a category's


class _Outlined(_Item, gc=False):
    """The same with its outline; it is ``drawn`` where pycocotools could not draw it and pixels stand in its place."""

    segmentation: _Rle | list[list[float]] = []
    drawn: list[list[float]] = []


_Kind = TypeVar("_Kind", bound=_Item)


def measure_coco(
    path: Path, split: str, *, predicted: bool, pieces: Sequence[tuple[int, bool]] = ()
) -> tuple[Measure, ...]:
    """Add up a COCO file's images and annotations by ``category_id`` (the group's name).

    A file has one item a line, as ``labelsnap.formats.shared.documents`` writes it, and few of them are in memory at a
    time. Each annotation's area and box are compared with its own outline. All shapes count as one kind, ``object``;
    one with keypoints is a ``point``, which these count from the centre of the first pixel. ``pieces`` follow one
    another in the file: how many bytes, and whether the outlines in them were compared before and need not be read.
    Raises UndecodableError.
    """
    totals = Totals()
    stating, drawing = decoder_of(list[_Item]), decoder_of(list[_Outlined])
    annotations: Sequence[_Item]
    for lines, compared in _lines(path, pieces or ((path.stat().st_size, False),)):
        if compared:
            annotations, images = _decoded(lines, stating)
            stated = _stated(annotations)
        else:
            annotations, images = outlined, _ = _decoded(lines, drawing)
            stated = _stated(annotations)
            _compare(outlined, stated)
        if points := [index for index, item in enumerate(annotations) if item.keypoints]:
            stated[points] = [_point(annotations[index]) for index in points]
        groups = [("point" if item.keypoints else "object", item.category_id) for item in annotations]
        for (kind, category), count, extent in _sums(groups, stated):
            totals.add(Group(split, predicted, kind, str(category)), extent, count)
        if images:
            totals.add(Group(split, predicted, ROW), (0.0,) * 5, images)
    return totals.measures


def _lines(path: Path, pieces: Iterable[tuple[int, bool]]) -> Iterator[tuple[list[bytes], bool]]:
    """The lines that are items, some at a time; with them, whether they lie in pieces that were compared before."""
    held: dict[bool, list[bytes]] = {True: [], False: []}
    size = 0
    for block, compared in _blocks(path, pieces):
        held[compared] += [line for line in block.split(b"\n") if line.startswith(_ITEM)]
        size += len(block)
        if size > _TOGETHER:
            yield from ((lines, compared) for compared, lines in held.items())
            held, size = {True: [], False: []}, 0
    yield from ((lines, compared) for compared, lines in held.items())


def _blocks(path: Path, pieces: Iterable[tuple[int, bool]]) -> Iterator[tuple[bytes, bool]]:
    """A file's pieces in blocks of whole lines. One with a line that is not all in one piece was not compared."""
    with path.open("rb") as file:
        left = 0
        for size, compared in pieces:
            left += size
            while left > 0 and (block := file.read(min(left, _TOGETHER))):
                if not block.endswith(b"\n"):
                    block += file.readline()
                left -= len(block)
                yield block, compared and left >= 0


def _decoded(lines: Sequence[bytes], decoder: Decoder[list[_Kind]]) -> tuple[list[_Kind], int]:
    """Return the annotations of some lines, and how many images there are."""
    try:
        items = decoder.decode(b"[" + b",".join(line.rstrip(b",") for line in lines) + b"]")
    except NOT_SUCH_JSON as error:
        raise UndecodableError(f"a line that is no item: {error}") from error
    annotations = [item for item in items if item.category_id is not None]
    return annotations, sum(item.category_id is None and item.file_name is not None for item in items)


def _point(item: _Item) -> tuple[float, float, float, float, float]:
    """Return the extent of a point. Raises UndecodableError."""
    match item.keypoints:
        case [float(x), float(y), _]:
            return 0.0, x + _CENTRE, y + _CENTRE, 0.0, 0.0
        case found:
            raise UndecodableError(f"{item.feature_id} has keypoints that are no point: {found[:4]}")


def _sums(
    groups: Sequence[tuple[str, int | None]], extents: NDArray[np.float64]
) -> Iterator[tuple[tuple[str, int | None], int, tuple[float, float, float, float, float]]]:
    """Give each group with how many extents (n × 5) are of it, and their sums."""
    place_of = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    places = np.array([place_of[group] for group in groups], np.intp)
    sums = (np.bincount(places, weights=column).tolist() for column in extents.T)
    for group, count, *extent in zip(place_of, np.bincount(places).tolist(), *sums, strict=True):
        area, left, top, width, height = extent
        yield group, count, (area, left, top, width, height)


def _stated(annotations: Sequence[_Item]) -> NDArray[np.float64]:
    """Return the extents (n × 5) that annotations state."""
    return np.array([(item.area, *item.bbox) for item in annotations]).reshape(-1, len(EXTENT))


def _compare(annotations: Sequence[_Outlined], stated: NDArray[np.float64]) -> None:
    """Raise UndecodableError where an outline has another extent than the stated one, or nothing can be drawn."""
    drawn = _drawn([item.drawn or item.segmentation for item in annotations])
    apart = ~(np.abs(stated - drawn) <= _CLOSE * np.maximum(1, np.abs(drawn))).all(axis=1)
    for index in np.flatnonzero(apart)[:1].tolist():
        of_outline = f"its outline has {drawn[index].tolist()}"
        raise UndecodableError(
            f"{annotations[index].feature_id} states area and box {stated[index].tolist()}, {of_outline}"
        )
    for item in annotations:
        if not item.segmentation:
            raise UndecodableError(f"{item.feature_id} has nothing that can be drawn")


def _drawn(outlines: Sequence[_Rle | list[list[float]]]) -> NDArray[np.float64]:
    """Return the extents of outlines: of runs, or of rings that are one region together."""
    extents = np.zeros((len(outlines), len(EXTENT)))
    texts, lists, rings = dict[int, bytes](), dict[int, list[int]](), dict[int, list[list[float]]]()
    sizes = np.ones((len(outlines), 2), np.int64)
    for index, outline in enumerate(outlines):
        match outline:
            case _Rle(size, str() as counts):
                sizes[index], texts[index] = size, counts.encode()
            case _Rle(size, list() as counts):
                sizes[index], lists[index] = size, counts
            case list() if outline:
                rings[index] = outline
    heights, widths = sizes.T
    try:
        if texts:
            extents[list(texts)] = mask_extents([*texts.values()], heights[list(texts)], widths[list(texts)])
        if lists:
            extents[list(lists)] = run_extents([*lists.values()], heights[list(lists)], widths[list(lists)])
        if rings:
            extents[list(rings)] = _joined(rings.values())
    except OutlineError as error:
        raise UndecodableError(str(error)) from error
    return extents


def _joined(outlines: Collection[list[list[float]]]) -> NDArray[np.float64]:
    """Return the extents of regions of several rings: the areas are added up, and the box is around all."""
    lengths = np.array([len(ring) for outline in outlines for ring in outline])
    if (lengths % 2).any():
        raise OutlineError("a ring with half a vertex")
    coordinates = np.fromiter(chain.from_iterable(chain.from_iterable(outlines)), np.float64, lengths.sum())
    rings = ring_extents(coordinates.reshape(-1, 2), lengths // 2)
    first = np.cumsum([0, *map(len, outlines)])[:-1]
    area, corner = np.add.reduceat(rings[:, 0], first), np.minimum.reduceat(rings[:, 1:3], first)
    sides = np.maximum.reduceat(rings[:, 1:3] + rings[:, 3:], first) - corner
    return np.column_stack([area, corner, sides])
