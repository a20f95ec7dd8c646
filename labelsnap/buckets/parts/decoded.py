"""Rows that a process has decoded, kept on its disk: the tasks of a run that need a bucket's rows decode them once."""

from __future__ import annotations

import hashlib
import pickle
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.tables.bucket_tables import name_of_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from labelsnap.formats.interface import Row
    from labelsnap.records.model import Sample
    from labelsnap.snapshots.manifest import File
    from labelsnap.snapshots.reading.at_hand import Folder

_CODEC: Final = "lz4"  # a tenth of the time that it takes to decode the rows anew
_STRIPES: Final = 64

RowsBySplit = dict[str, "list[Row]"]
"""The rows of a bucket, by split."""


class DecodedRows:
    """The rows of buckets, in a folder of the process's own, by the content of their tables; threads may share it.

    What is read there is checked by its hash, which stays in memory: where it differs, rows are decoded again.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._digests: dict[str, bytes] = {}
        self._decoding = tuple(Lock() for _ in range(_STRIPES))

    def rows(self, tables: Iterable[File], split: str, decode: Callable[[], RowsBySplit]) -> list[Row]:
        """The rows of a bucket and split, as they are kept; whoever comes first decodes them, while others wait."""
        bucket = name_of_tables(tables)
        with self._decoding[hash(bucket) % _STRIPES]:
            found: list[Row] | None = self._read(_name(bucket, split))
            if found is not None:
                return found
            decoded = decode()
            self._keep(bucket, decoded)
        return decoded.get(split, [])

    def keep(self, tables: Iterable[File], decoded: Mapping[str, Sequence[Row]]) -> None:
        """Keep all rows of a bucket; where there is no room, they are decoded again."""
        self._keep(name_of_tables(tables), decoded)

    def keep_few(self, tables: Iterable[File], samples: Iterable[Sample]) -> None:
        """Keep some rows of a bucket, each by itself."""
        bucket = name_of_tables(tables)
        for sample in samples:
            self._write(_name_of_row(bucket, sample.record.data_row.id), sample)

    def few(self, tables: Iterable[File], row_ids: Iterable[str]) -> dict[str, Sample]:
        """The rows of these ids that are kept by themselves, by id."""
        bucket = name_of_tables(tables)
        found = ((row_id, self._read(_name_of_row(bucket, row_id))) for row_id in row_ids)
        return {row_id: sample for row_id, sample in found if sample is not None}

    def _keep(self, bucket: str, decoded: Mapping[str, Sequence[Row]]) -> None:
        for split in SPLITS:
            self._write(_name(bucket, split), decoded.get(split, []))

    def _write(self, name: str, value: object) -> None:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, _CODEC) as packed:
            packed.write(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
        content = sink.getvalue().to_pybytes()
        self._digests[name] = hashlib.sha256(content).digest()
        self._folder.take(name, content)

    def _read(self, name: str) -> Any:
        size = self._folder.size(name)
        content = None if size is None else self._folder.read(name, 0, size)
        if content is None or hashlib.sha256(content).digest() != self._digests.get(name):
            return None
        with pa.CompressedInputStream(pa.BufferReader(content), _CODEC) as kept:
            return pickle.loads(kept.read())  # noqa: S301 - written by this process


def _name_of_row(bucket: str, row_id: str) -> str:
    return f"rows/{bucket}/of/{row_id}"


def _name(bucket: str, split: str) -> str:
    return f"rows/{bucket}/{split}"
