"""Zstandard files, written and read in blocks: memory does not grow with the file. Format: RFC 8878."""

from __future__ import annotations

import shutil
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from labelsnap.storage.interface import too_long

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK: Final = 1 << 20
UNPACKED_BYTES: Final = 1 << 34
"""No chunk of an export is longer: a few bytes of Zstandard may stand for any number."""


def compress(source: Path, target: Path) -> Path:
    """Write ``source`` compressed to ``target``, the same bytes for the same content, and give ``target`` back."""
    with source.open("rb") as plain, pa.CompressedOutputStream(str(target), "zstd") as compressed:
        shutil.copyfileobj(plain, compressed, BLOCK)
    return target


def decompressed(source: Path, name: str, *, most: int | None = None) -> Iterator[bytes]:
    """The content of a compressed file, known as ``name``, in blocks.

    Raises ``OSError`` when it is damaged or cut, StorageRefusedError when it unpacks to more than ``most``
    bytes (None: those of a chunk).
    """
    size, allowed = 0, UNPACKED_BYTES if most is None else most
    with pa.CompressedInputStream(str(source), "zstd") as compressed:
        while block := compressed.read(BLOCK):
            size += len(block)
            if size > allowed:
                raise too_long(name, allowed)
            yield block


def plain_of(content: bytes, most: int) -> bytes:
    """What Zstandard bytes unpack to; of more than ``most`` bytes the first, which are more than that.

    Memory is taken as they come, not for ``most`` at once. Raises ``OSError`` when they are damaged or cut.
    """
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as compressed:
        return b"".join(islice(iter(partial(compressed.read, BLOCK), b""), most // BLOCK + 1))
