"""What a version holds, read from its bucket tables."""

from __future__ import annotations

from labelsnap.references import open_snapshot
from labelsnap.snapshots.tables.bucket_tables import bucket_files, read_table
from labelsnap.storage import open_store


def store_of(result):
    """The store of a dataset that was refreshed."""
    return open_store(result["ref"].rpartition("@")[0])


def splits(result, table="data_rows"):
    """The split of each row in one of a version's bucket tables."""
    found = bucket_files(open_snapshot(result["ref"]).manifest.files).values()
    tables = [read_table(store_of(result), files[table]).to_pylist() for files in found if table in files]
    return {row["data_row_id"]: row["split"] for rows in tables for row in rows}
