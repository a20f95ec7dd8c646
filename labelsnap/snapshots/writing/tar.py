"""Plain tars with equal bytes for equal members, and where each payload lies in them."""

from __future__ import annotations

import tarfile
from io import BytesIO
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

END_BYTES: Final = tarfile.RECORDSIZE
"""How many bytes at most stand behind the last member."""


class Member(NamedTuple):
    """A file in a tar: its payload is ``size`` bytes from ``offset``."""

    name: str
    offset: int
    size: int


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> tuple[Member, ...]:
    """Write (name, payload) pairs to a tar, one at a time, and return where each lies.

    POSIX.1-2001 (pax): a name that fits is a plain USTAR header, and only another one (long, not ASCII) gets an
    extended header, so that every tar program reads the file. Time, owner and mode are fixed: 0, 0, 0644.
    """
    written = []
    with path.open("wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, payload in members:
            header = tarfile.TarInfo(name)
            header.size = len(payload)
            tar.addfile(header, BytesIO(payload))
            written.append(Member(name, file.tell() - _padded(len(payload)), len(payload)))
    return tuple(written)


def tar_size(size: int) -> int:
    """How many bytes a member with so many takes up in a tar, where its name fits."""
    return tarfile.BLOCKSIZE + _padded(size)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
