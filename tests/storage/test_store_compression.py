"""Zstandard files."""

from __future__ import annotations

import pytest
import zstandard

from tasks.storage.compression import BLOCK, compress, decompressed

CONTENT = b"0123456789abcdef" * (BLOCK // 16) + b"tail"


def test_compressed_file_is_read_by_other_programs(tmp_path):
    """What is written is a Zstandard frame, the same for the same content."""
    (tmp_path / "plain").write_bytes(CONTENT)
    one, other = compress(tmp_path / "plain", tmp_path / "one"), compress(tmp_path / "plain", tmp_path / "other")
    assert zstandard.ZstdDecompressor().decompressobj().decompress(one.read_bytes()) == CONTENT
    assert one.read_bytes() == other.read_bytes()


def test_files_of_other_programs_are_read_in_blocks(tmp_path):
    """Another program's frame comes back block by block."""
    (tmp_path / "packed").write_bytes(zstandard.compress(CONTENT))
    blocks = list(decompressed(tmp_path / "packed"))
    assert b"".join(blocks) == CONTENT
    assert max(map(len, blocks)) <= BLOCK


def test_damaged_file_is_an_error(tmp_path):
    """Bytes that are no Zstandard frame do not pass."""
    (tmp_path / "packed").write_bytes(b"not packed at all")
    with pytest.raises(OSError, match=r"(?i)zstd"):
        list(decompressed(tmp_path / "packed"))
