"""What the rows of a bucket gave each format: see FORMAT.md, "The index of a bucket".

By it the next version knows where an unchanged row's items lie in each document, and its small files, unread.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import pyarrow as pa
from msgspec import Meta, Struct

from labelsnap.buckets.grouping import bucket_name
from labelsnap.decoders import decoder_of
from labelsnap.snapshots.manifest import NOT_SUCH_JSON, File, Pack, check_places, damaged
from labelsnap.snapshots.paths import check_path
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.reading.pull import FORMATS
from labelsnap.snapshots.tables.bucket_paths import COUNT, NUMBER
from labelsnap.snapshots.values import Size
from labelsnap.storage.compression import plain_of
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from labelsnap.storage import ObjectStore

PARTS: Final = "parts/"
"""The folder of the indexes in a snapshot."""
_PATH: Final = re.compile(rf"{PARTS}bucket-(?P<index>{NUMBER})-of-(?P<count>{COUNT})\.ndjson\.zst")

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]


class RowPart(Struct, frozen=True, array_like=True):
    """What one row gave: of each list the bytes of its items and their digest, and its small files.

    The digest has 128 bits of BLAKE2b. An item of an array counts with the comma and the line break behind it.
    """

    id: str
    sizes: tuple[Size, ...]
    digests: tuple[Digest, ...]
    files: tuple[File, ...] = ()


class SplitPart(Struct, frozen=True):
    """What a bucket's rows of one split gave one format, in their order.

    ``lists`` are the places of rows in the split's documents, one after another, each by its document's path below the
    format's folder. ``packs`` are those that the small files lie in, but for packs of images. That of the format "" has
    nothing but the rows that there are.
    """

    format: str
    split: str
    lists: tuple[str, ...] = ()
    packs: tuple[Pack, ...] = ()
    rows: tuple[RowPart, ...] = ()


class _Whose(Struct, frozen=True):
    """Whose part a line of an index is."""

    format: str
    split: str


Index = dict[tuple[str, str], SplitPart]
"""The parts of a bucket by format and split."""


def is_kept(part: RowPart | None, row_id: str, changed: Collection[str] | None) -> bool:
    """Say whether a row's part stands: it has one, and is none of those that ``changed`` (None: all are)."""
    return part is not None and changed is not None and row_id not in changed


def format_folder(name: str) -> str:
    """The folder of a format's files in a snapshot."""
    return f"{FORMATS}{name}/"


def index_path(index: int, count: int) -> str:
    """The logical path of a bucket's index in a snapshot."""
    return f"{PARTS}{bucket_name(index, count)}.ndjson.zst"


def index_files(files: Iterable[File]) -> dict[tuple[int, int], File]:
    """Return the indexes among a snapshot's files: (number of buckets, bucket) → file."""
    matches = ((_PATH.fullmatch(file.path), file) for file in files)
    return {(int(match["count"]), int(match["index"])): file for match, file in matches if match}


def encode_index(parts: Iterable[SplitPart]) -> bytes:
    """Return the bytes of an index: equal ones for equal parts."""
    lines = b"".join(msgspec.json.encode(part) + b"\n" for part in parts)
    content: bytes = pa.compress(lines, codec="zstd", asbytes=True)
    return content


def read_index(store: ObjectStore, file: File | None) -> Index:
    """Read an index of a snapshot; nothing where there is no file.

    Raises StorageRefusedError where its bytes are not those that were published, or say what no bucket can have.
    """
    return {} if file is None else _parts(store, file, lambda _: True)


def read_part(store: ObjectStore, file: File | None, name: str, split: str) -> SplitPart | None:
    """Read what an index has of one format and split, if anything, as ``read_index`` reads it.

    Its other parts are passed over: formats and splits are joined one by one, and each is looked at by its own.
    """
    wanted = _Whose(name, split)
    return None if file is None else _parts(store, file, lambda whose: whose == wanted).get((name, split))


def _parts(store: ObjectStore, file: File, is_wanted: Callable[[_Whose], bool]) -> Index:
    whose, part_of = decoder_of(_Whose), decoder_of(SplitPart)
    try:
        lines = plain_of(read_file(store, file), DOCUMENT_BYTES)
        if len(lines) > DOCUMENT_BYTES:
            raise damaged(repr(file.path), f"one that unpacks to more than {DOCUMENT_BYTES} bytes")
        parts = [part_of.decode(line) for line in lines.splitlines() if is_wanted(whose.decode(line))]
    except (OSError, *NOT_SUCH_JSON) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise damaged(repr(file.path), f"what is no index of a bucket ({error})") from error
    for part in parts:
        files = [each for row in part.rows for each in row.files]
        check_places(files, part.packs, file.path)
        for each in files:
            check_path(each.path)
        if any(not len(row.sizes) == len(row.digests) == len(part.lists) for row in part.rows):
            raise damaged(repr(file.path), "a row of other lists than its split has")
    return {(part.format, part.split): part for part in parts}
