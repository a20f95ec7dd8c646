"""Some rows of a dataset's tables, and tables of some rows and of others as one: no row is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

Tables = dict[str, pa.Table]
"""Tables of one bucket by name; each has a column ``data_row_id``."""


STRETCHES: Final = 64
"""Rows that lie in so many stretches, or fewer, are pointed to where they lie, and copied as stretches."""


def rows_of(tables: Mapping[str, pa.Table], row_ids: Collection[str]) -> Tables:
    """Return what tables hold of some data rows, in the order in which it stands there.

    It is no copy where the rows lie in few stretches: whoever holds it holds the tables.
    """
    wanted = pa.array(row_ids, pa.string())
    return {name: _chosen(table, pc.is_in(table["data_row_id"], wanted)) for name, table in tables.items()}


def _chosen(table: pa.Table, are_wanted: pa.ChunkedArray) -> pa.Table:
    borders = np.flatnonzero(np.diff(are_wanted.to_numpy(), prepend=False, append=False))
    if len(borders) > 2 * STRETCHES:
        return table.filter(are_wanted)
    return _stretches(table, borders[::2], borders[1::2])


def _stretches(table: pa.Table, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.Table:
    """Return stretches of a table one after another, without a copy."""
    stretches = [table.slice(start, end - start) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return pa.concat_tables(stretches) if stretches else table.slice(0, 0)


def joined(some: Mapping[str, pa.Table], others: Mapping[str, pa.Table]) -> Tables:
    """Return the tables of ``others`` with what ``some`` hold beside it, ordered by data row id.

    The tables are equal to those that ``to_tables`` makes of the samples of both, where no data row is in both.
    """
    return {name: _joined(some[name], table) for name, table in others.items()}


def _joined(some: pa.Table, other: pa.Table) -> pa.Table:
    """Return both tables as one of a single chunk; the rows of one data row keep their order.

    Where few rows come between many, there is no other copy of these than what is returned.
    """
    both = pa.concat_tables([pa.Table.from_arrays(some.columns, schema=other.schema), other])
    order = pc.array_sort_indices(both["data_row_id"].combine_chunks()).to_numpy()
    breaks = np.flatnonzero(np.diff(order.astype(np.int64)) != 1) + 1
    if len(breaks) > STRETCHES:
        return both.combine_chunks().take(pa.array(order))
    starts = order[np.concatenate([[0], breaks])] if len(order) else order
    ends = order[np.concatenate([breaks, [len(order)]]) - 1] + 1 if len(order) else order
    return _stretches(both, starts, ends).combine_chunks()
