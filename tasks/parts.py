"""Rows of a snapshot that an export asks for: where it has none of them, it is no empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute

from labelsnap.errors import LabelboxRefusedError
from labelsnap.snapshots.tables.bucket_tables import bucket_files, decoding, read_of_bucket
from tasks.export import parts_of

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from config.dataset import Dataset
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.storage import ObjectStore
    from tasks.run.receipts import StreamReceipt

_COLUMNS: Final = {
    "data_row_ids": ("data_row_id",),
    "global_keys": ("global_key",),
    "batch_ids": ("project_details", "batch_id"),
}
"""Where a row has what a filter lists: a column of ``data_rows``, or a field of one."""


def check_parts(
    store: ObjectStore,
    dataset: Dataset,
    manifest: Manifest | None,
    results: Sequence[StreamReceipt],
    filled: Container[int],
) -> None:
    """Raise ``LabelboxRefusedError`` where a part of the dataset came without rows, and the snapshot has some of it.

    ``filled`` are the places of the RESULT streams that have rows.
    """
    parts = parts_of(dataset)
    came = {stream.source for place, stream in enumerate(results) if place in filled}
    for place, stream in enumerate(results):
        if manifest is None or stream.part is None or place in filled or (stream.source and stream.source in came):
            continue
        source, request = parts[stream.part]
        standing = (
            rows_of_source(store, manifest, source) if source else standing_rows(store, manifest, request.filters)
        )
        if standing:
            of_source = f", which is of the source {source!r}," if source else ""
            raise LabelboxRefusedError(
                f"Labelbox's export {stream.part + 1} of {len(parts)}{of_source} is complete and has no row, where the "
                f"newest version of {dataset.url} has {standing} of those that it asks for.",
                remedy="Nothing was published. Run again; if these rows have really left, take their ids out of "
                "`filters` in the dataset file, or that source out of `sources`.",
                code="export_without_rows",
            )


def rows_of_source(store: ObjectStore, manifest: Manifest, source: str) -> int:
    """How many rows of a snapshot a source has."""
    count = 0
    for files in bucket_files(manifest.files).values():
        with decoding("the sources of the newest version"):
            table = read_of_bucket(store, files, "sources", ("data_row_id", "from_source"))
            count += len(table.filter(compute.equal(table["from_source"], source))["data_row_id"].unique())
    return count


def standing_rows(store: ObjectStore, manifest: Manifest, filters: Mapping[str, Sequence[str]]) -> int:
    """How many rows of a snapshot are on all lists of ids that these filters have."""
    wanted = {place: pa.array(filters[name], pa.string()) for name, place in _COLUMNS.items() if name in filters}
    columns = (".".join(place) for place in wanted) if wanted else ("data_row_id",)
    count, read = 0, tuple(columns)
    for files in bucket_files(manifest.files).values():
        with decoding("the rows of the newest version"):
            table = read_of_bucket(store, files, "data_rows", read)
            for (column, *field), ids in wanted.items():
                values = compute.struct_field(table[column], field) if field else table[column]
                table = table.filter(compute.is_in(values, value_set=ids))
        count += len(table)
    return count
