"""What tables come to, by split and class: read batch by batch, by code that shares nothing with their writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelsnap.snapshots.checking.decoding import UndecodableError, stated_extents
from labelsnap.snapshots.checking.extents import EXTENT, ring_extents
from labelsnap.snapshots.checking.measures import LABEL, NOWHERE, ROW, Group, Totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labelsnap.snapshots.checking.measures import Measure

MEASURED: Final = ("data_rows", "labels", "annotations", "predictions", "relationships", "classifications")
"""The tables of a bucket that are measured, in an order in which they can be."""
_ROWS: Final = pa.schema(
    [("data_row_id", pa.string()), ("split", pa.string()), ("width", pa.int32()), ("height", pa.int32())]
)
_GROUP: Final = ("split", "predicted", "kind", "name", "feature_schema_id", "flat")
_KINDS: Final = {"labels": LABEL, "relationships": "relationship"}
_SIDES: Final = ("width", "height")
_OF_SIZES: Final = ["data_row_id", "feature_id", "mask"]


class TableTotals:
    """What the tables of one bucket come to, added up batch after batch: first ``data_rows``, which have the splits.

    Of a mask the area and box are taken that stand beside its runs: ``decode_file`` compares them.
    """

    def __init__(self) -> None:
        self._totals = Totals()
        self._rows = _ROWS.empty_table()

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The sums so far, sorted by group."""
        return self._totals.measures

    def add(self, table: str, batch: pa.RecordBatch) -> None:
        """Add a batch of one of ``MEASURED``. Raises UndecodableError for rows that ``data_rows`` has not."""
        if table == "data_rows":
            rows = pa.Table.from_arrays([batch.column(name) for name in _ROWS.names], schema=_ROWS)
            self._rows = pa.concat_tables([self._rows, rows]).combine_chunks()
            for split in rows["split"].to_pylist():
                self._totals.add(Group(split, predicted=False, kind=ROW), (1, *NOWHERE))
        else:
            self._add_objects(table, batch, self._rows_of(table, batch)["split"])

    def read_back(self, table: str, batch: pa.RecordBatch) -> None:
        """Add a batch of a file, in which every mask must have the size of its image; else raises UndecodableError."""
        self.add(table, batch)
        if "mask" in batch.schema.names:
            masked = batch.select(_OF_SIZES).filter(batch.column("mask").is_valid())
            _check_sizes(masked, self._rows_of(table, masked))

    def _rows_of(self, table: str, batch: pa.RecordBatch) -> pa.Table:
        """Return what ``data_rows`` has of the row that each row of a batch belongs to."""
        places = pc.index_in(batch.column("data_row_id"), self._rows["data_row_id"].combine_chunks())
        if places.null_count:
            raise UndecodableError(f"{places.null_count} rows of {table} are of no row in data_rows")
        return self._rows.take(places)

    def _add_objects(self, table: str, batch: pa.RecordBatch, splits: pa.ChunkedArray) -> None:
        """Group a batch's rows by split and class, and add up their extents."""
        count = len(batch)
        blank = pa.array([""] * count)
        kind = _KINDS.get(table)
        columns = {
            "split": splits,
            "predicted": pc.equal(batch.column("origin"), "prediction"),
            "kind": pa.array([kind] * count, pa.string()) if kind else batch.column("kind"),
            "name": blank if table == "labels" else batch.column("name"),
            "feature_schema_id": blank if table == "labels" else pc.fill_null(batch.column("feature_schema_id"), ""),
            "flat": _flat(batch),
        }
        extents = _extents(batch) if "mask" in batch.schema.names else np.zeros((count, len(EXTENT)))
        columns |= {name: pa.array(extents[:, index]) for index, name in enumerate(EXTENT)}
        sums: list[tuple[str | list[str], str]] = [([], "count_all"), *((name, "sum") for name in EXTENT)]
        for row in pa.table(columns).group_by(list(_GROUP)).aggregate(sums).to_pylist():
            area, left, top, width, height = (row[f"{name}_sum"] for name in EXTENT)
            group = Group(**{name: row[name] for name in _GROUP})
            self._totals.add(group, (row["count_all"], area, left, top, width, height))


def measure_tables(tables: Mapping[str, pa.Table]) -> tuple[Measure, ...]:
    """Add up tables that are in memory. Raises UndecodableError for rows that ``data_rows`` has not."""
    totals = TableTotals()
    for name in MEASURED:
        for batch in tables[name].to_batches():
            totals.add(name, batch)
    return totals.measures


def _check_sizes(masked: pa.RecordBatch, rows: pa.Table) -> None:
    """Compare the masks of objects with the sizes of their images."""
    of_image = np.column_stack([rows[side].to_numpy() for side in _SIDES])
    of_mask = np.column_stack([_numbers(masked.column("mask"), side) for side in _SIDES])
    for index in np.flatnonzero((of_mask != of_image).any(axis=1))[:1].tolist():
        (wide, tall), (width, height) = of_mask[index].astype(int), of_image[index]
        raise UndecodableError(
            f"{masked.column('feature_id')[index]} has a mask of {wide}×{tall} pixels on an image of {width}×{height}",
            expected="masks of their images' sizes",
        )


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
    extents[where] = stated_extents(batch.column("mask"))
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
