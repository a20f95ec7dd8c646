"""Files measured again: canonical tables and COCO, read as streams by code that shares nothing with their writers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.snapshots.decoding import UndecodableError, batches, mask_extent
from tasks.snapshots.measures import LABEL, ROW, Group, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tasks.snapshots.measures import Measure

_SUMS: Final = ("area", "left", "top", "width", "height")
_GROUP: Final = ("split", "predicted", "kind", "name", "feature_schema_id")
_CLASS: Final = ("name", "feature_schema_id")
_OBJECT: Final = (*_CLASS, "kind", "bounding_box", "vertices", "point", "mask")
_COLUMNS: Final = {
    "labels": (),
    "annotations": _OBJECT,
    "predictions": _OBJECT,
    "relationships": _CLASS,
    "classifications": (*_CLASS, "kind"),
}
MEASURED: Final = ("data_rows", *_COLUMNS)
"""The tables of a bucket that ``measure_tables`` reads."""
_CLOSE: Final = 1e-6  # of a box's side or an area, between what a file states and what its outline has


def measure_tables(paths: Mapping[str, Path]) -> tuple[Measure, ...]:
    """Add up the tables of one bucket, given by name. Raises UndecodableError for rows of no known split."""
    totals = Totals()
    splits: dict[str, str] = {}
    for batch in batches(paths["data_rows"], ["data_row_id", "split"]):
        for row, split in zip(*batch.to_pydict().values(), strict=True):
            splits[row] = split
            totals.add(Group(split, predicted=False, kind=ROW), (0.0,) * 5)
    known = pa.table({"data_row_id": list(splits), "split": list(splits.values())})
    for table, columns in _COLUMNS.items():
        for batch in batches(paths[table], ["data_row_id", "origin", *columns]):
            _add_batch(totals, table, batch, known)
    return totals.measures


def _add_batch(totals: Totals, table: str, batch: pa.RecordBatch, known: pa.Table) -> None:
    """Group a batch's rows by split and class, and add up their extents."""
    count = len(batch)
    places = pc.index_in(batch.column("data_row_id"), known.column("data_row_id").combine_chunks())
    if places.null_count:
        raise UndecodableError(f"{places.null_count} rows of {table} are of no row in data_rows")
    blank = pa.array([""] * count)
    kind = {"labels": LABEL, "relationships": "relationship"}.get(table)
    columns = {
        "split": known.column("split").combine_chunks().take(places),
        "predicted": pc.equal(batch.column("origin"), "prediction"),
        "kind": pa.array([kind] * count, pa.string()) if kind else batch.column("kind"),
        "name": blank if table == "labels" else batch.column("name"),
        "feature_schema_id": blank if table == "labels" else pc.fill_null(batch.column("feature_schema_id"), ""),
    }
    extents = _extents(batch) if "mask" in batch.schema.names else np.zeros((count, len(_SUMS)))
    columns |= {name: pa.array(extents[:, index]) for index, name in enumerate(_SUMS)}
    grouped = (
        pa.table(columns).group_by(list(_GROUP)).aggregate([([], "count_all"), *((name, "sum") for name in _SUMS)])
    )
    for row in grouped.to_pylist():
        area, left, top, width, height = (row[f"{name}_sum"] for name in _SUMS)
        group = Group(**{name: row[name] for name in _GROUP})
        totals.add(group, (area, left, top, width, height), row["count_all"])


def _extents(batch: pa.RecordBatch) -> NDArray[np.float64]:
    """Return area, left, top, width and height of each object, from whichever geometry it has."""
    extents = np.zeros((len(batch), len(_SUMS)))
    box, point = batch.column("bounding_box"), batch.column("point")
    where = _present(box)
    left, top, width, height = (_numbers(box, name)[where] for name in ("left", "top", "width", "height"))
    extents[where] = np.stack([width * height, left, top, width, height], axis=1)
    where = _present(point)
    extents[where, 1:3] = np.stack([_numbers(point, name)[where] for name in ("x", "y")], axis=1)
    is_line = pc.equal(batch.column("kind"), "polyline").to_numpy(zero_copy_only=False)
    for index, vertices in enumerate(batch.column("vertices").to_pylist()):
        if vertices is not None:
            ring = np.array([(vertex["x"], vertex["y"]) for vertex in vertices])
            extents[index] = ring_extent(ring, closed=not is_line[index])
    for index, mask in enumerate(batch.column("mask").to_pylist()):
        if mask is not None:
            area, tight = mask_extent(mask["counts"].encode(), mask["height"], mask["width"])
            extents[index] = (area, *tight)
    return extents


def _present(column: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    return found


def _numbers(column: pa.StructArray, name: str) -> NDArray[np.float64]:
    found: NDArray[np.float64] = pc.struct_field(column, name).to_numpy(zero_copy_only=False)
    return found


def ring_extent(ring: NDArray[np.float64], *, closed: bool = True) -> tuple[float, float, float, float, float]:
    """Return a ring's area and box from its vertices (n × 2), by the sum over edges; an open line has no area."""
    left, top = ring.min(axis=0)
    width, height = ring.max(axis=0) - (left, top)
    x, y = (ring - (left, top)).T
    area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2 if closed else 0.0
    return area, float(left), float(top), float(width), float(height)


def measure_coco(path: Path, split: str, *, predicted: bool) -> tuple[Measure, ...]:
    """Add up a COCO file's images and annotations by ``category_id`` (the group's name), one line in memory at a time.

    A file has one item a line, as ``tasks.formats.documents`` writes it. Each annotation's area and box are compared
    with its own outline. All shapes count as one kind, ``object``; one with keypoints is a point. Raises
    UndecodableError.
    """
    totals = Totals()
    for item in _items(path):
        if "category_id" in item:
            group = Group(split, predicted, "object", str(item["category_id"]))
            totals.add(group, _stated(item))
        elif "file_name" in item:
            totals.add(Group(split, predicted, ROW), (0.0,) * 5)
    return totals.measures


def _items(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith((b'{"id":', b'{"image_id":')):
                try:
                    item = msgspec.json.decode(line.rstrip(b",\n"))
                except msgspec.MsgspecError as error:
                    raise UndecodableError(f"a line that is no item: {error}") from error
                if isinstance(item, dict):
                    yield item


def _stated(item: Mapping[str, Any]) -> tuple[float, float, float, float, float]:
    """Return the area and box that an annotation states. Raises UndecodableError when its outline has others."""
    stated = (item["area"], *item["bbox"])
    outline = item["segmentation"]
    if isinstance(outline, dict):
        height, width = outline["size"]
        area, box = mask_extent(outline["counts"].encode(), height, width)
        drawn: tuple[float, ...] = (area, *box)
    else:
        rings = [np.array(ring, np.float64).reshape(-1, 2) for ring in outline]
        _, *box_of_all = ring_extent(np.concatenate(rings))
        drawn = (sum(ring_extent(ring)[0] for ring in rings), *box_of_all)
    if any(abs(one - other) > _CLOSE * max(1.0, abs(other)) for one, other in zip(stated, drawn, strict=True)):
        of_outline = f"its outline has {list(drawn)}"
        raise UndecodableError(f"{item.get('feature_id')} states area and box {list(stated)}, {of_outline}")
    if "keypoints" in item:
        x, y, *_ = item["keypoints"]
        return 0.0, x, y, 0.0, 0.0
    area, left, top, width, height = stated
    return area, left, top, width, height
