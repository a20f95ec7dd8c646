"""Zstandard files, written and read in blocks: memory does not grow with the file. Format: RFC 8878."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK: Final = 1 << 20


def compress(source: Path, target: Path) -> Path:
    """Write ``source`` compressed to ``target``, the same bytes for the same content, and give ``target`` back."""
    with source.open("rb") as plain, pa.CompressedOutputStream(str(target), "zstd") as compressed:
        shutil.copyfileobj(plain, compressed, BLOCK)
    return target


def decompressed(source: Path) -> Iterator[bytes]:
    """The content of a compressed file in blocks. Raises ``OSError`` when it is damaged or cut."""
    with pa.CompressedInputStream(str(source), "zstd") as compressed:
        while block := compressed.read(BLOCK):
            yield block
