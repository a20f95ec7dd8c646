"""Files searched for what must stand in none of them, in every reading of their bytes."""

from __future__ import annotations

import io
import json
import tarfile

import zstandard
from pyarrow import parquet

ZSTANDARD = b"\x28\xb5\x2f\xfd"


def plain(body):
    """Every reading of a file: its bytes, and what they hold compressed."""
    yield body
    if body.startswith(ZSTANDARD):
        yield from plain(zstandard.ZstdDecompressor().decompressobj().decompress(body))
    elif body.startswith(b"PAR1"):
        table = parquet.read_table(io.BytesIO(body))
        yield json.dumps(table.to_pylist(), default=repr).encode() + repr(table.schema.metadata).encode()
    elif body[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            for member in tar:
                yield from plain(tar.extractfile(member).read())


def holding(root, *needles):
    """The files below a folder in which any of the needles stands."""
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and any(needle in text for text in plain(path.read_bytes()) for needle in needles)
    ]
