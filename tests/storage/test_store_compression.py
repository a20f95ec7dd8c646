"""Zstandard files."""

from __future__ import annotations

import tracemalloc

import pytest
import zstandard

from labelsnap.errors import StorageRefusedError
from labelsnap.storage.compression import BLOCK, compress, decompressed, plain_of
from labelsnap.storage.lines import lines

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
    blocks = list(decompressed(tmp_path / "packed", "packed"))
    assert b"".join(blocks) == CONTENT
    assert max(map(len, blocks)) <= BLOCK


def test_damaged_file_is_an_error(tmp_path):
    """Bytes that are no Zstandard frame do not pass."""
    (tmp_path / "packed").write_bytes(b"not packed at all")
    with pytest.raises(OSError, match=r"(?i)zstd"):
        list(decompressed(tmp_path / "packed", "packed"))


def bomb(megabytes):
    """A Zstandard frame of some bytes that unpacks to so many megabytes."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return b"".join([*(compressor.compress(bytes(1 << 20)) for _ in range(megabytes)), compressor.flush()])


def test_a_file_that_unpacks_to_more_than_any_is_left_there(tmp_path):
    """A few kilobytes stand for any number of bytes; no more of them are made than allowed, and the file is named."""
    (tmp_path / "packed").write_bytes(bomb(64))
    assert (tmp_path / "packed").stat().st_size < 10_000
    seen = []
    with pytest.raises(StorageRefusedError, match="raw/chunk") as refused:
        seen.extend(map(len, decompressed(tmp_path / "packed", "raw/chunk", most=16 << 20)))
    assert (refused.value.code, refused.value.exit_status) == ("object_too_long", 4)
    assert sum(seen) <= 16 << 20


def test_a_line_without_end_is_not_held():
    """Blocks without a line break are counted, and a line of more bytes than allowed is given up at once."""
    given = 0

    def blocks():
        nonlocal given
        while True:
            given += 1
            yield bytes(1 << 16)

    with pytest.raises(StorageRefusedError, match="a line of raw/chunk") as refused:
        list(lines(blocks(), "a line of raw/chunk", most=1 << 20))
    assert refused.value.code == "object_too_long"
    assert given == 17


def test_many_lines_of_the_longest_length_are_no_long_one():
    """What is counted is one line."""
    assert [len(line) for line in lines([b"a" * 9 + b"\n", b"a" * 9 + b"\n" + b"b" * 9], most=9)] == [10, 10, 9]


def test_packed_bytes_take_the_memory_of_what_is_in_them():
    """Not of the most that may be; of more than that so much comes as tells it, and what is cut is an error."""
    packed = zstandard.compress(CONTENT)
    tracemalloc.start()
    assert plain_of(packed, 1 << 30) == CONTENT
    assert tracemalloc.get_traced_memory()[1] < 8 * len(CONTENT)
    tracemalloc.stop()
    assert len(CONTENT) > len(plain_of(packed, 100)) > 100
    with pytest.raises(OSError, match=r".+"):
        plain_of(packed[:-4], 1 << 30)
