"""Some rows of a dataset's tables, and tables of some rows and of others as one: no row is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Tables = dict[str, pa.Table]
"""Tables of one bucket by name; each has a column ``data_row_id``."""


def rows_of(tables: Mapping[str, pa.Table], row_ids: Collection[str]) -> Tables:
    """Return what tables hold of some data rows, in the order in which it stands there."""
    wanted = pa.array(row_ids, pa.string())
    return {name: table.filter(pc.is_in(table["data_row_id"], wanted)) for name, table in tables.items()}


def joined(some: Mapping[str, pa.Table], others: Mapping[str, pa.Table]) -> Tables:
    """Return the tables of ``others`` with what ``some`` hold beside it, ordered by data row id.

    The tables are equal to those that ``to_tables`` makes of the samples of both, where no data row is in both.
    """
    return {name: _joined(some[name], table) for name, table in others.items()}


def _joined(some: pa.Table, other: pa.Table) -> pa.Table:
    """Return both tables as one of a single chunk; the rows of one data row keep their order."""
    both = pa.concat_tables([pa.Table.from_arrays(some.columns, schema=other.schema), other]).combine_chunks()
    return both.take(pc.array_sort_indices(both["data_row_id"].combine_chunks()))
