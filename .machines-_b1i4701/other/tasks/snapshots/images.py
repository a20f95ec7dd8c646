"""The ``images`` table: in which pack each copied image lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import parquet

from tasks.snapshots.manifest import File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IMAGES: Final = "tables/images/"
IMAGES_SCHEMA: Final = pa.schema(
    [
        pa.field("data_row_id", pa.string(), nullable=False),
        pa.field("file_name", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("mime_type", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("orientation", pa.int8()),
        pa.field("turned", pa.bool_()),
        pa.field("etag", pa.string()),
        pa.field("last_modified", pa.string()),
        pa.field("unconfirmed", pa.bool_()),
        pa.field("pack", pa.string()),
        pa.field("offset", pa.int64()),
    ]
)
"""A row an image. ``size`` bytes with ``sha256`` lie in the object ``pack`` from ``offset``; null: not copied.

``etag`` and ``last_modified`` are of the file at its source, before anything was done to it.
"""


def packed_images(table: Path, layout: Callable[[str, str], str | None]) -> Iterator[File]:
    """Read one file of the table: the images that were copied, each under ``layout(split, file_name)`` if any."""
    columns = ["split", "file_name", "sha256", "size", "pack", "offset"]
    with parquet.ParquetFile(table) as opened:
        for batch in opened.iter_batches(columns=columns):
            for row in batch.to_pylist():
                path = layout(row["split"], row["file_name"]) if row["pack"] is not None else None
                if path is not None:
                    yield File(path, row["pack"], row["size"], row["sha256"], row["offset"])
