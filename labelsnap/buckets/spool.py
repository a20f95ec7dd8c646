"""Lines of an export → one file a bucket, in bounded memory: the shuffle between the export and the parallel work."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from heapq import merge
from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.buckets.boundary import attempted
from labelsnap.buckets.grouping import bucket_count, bucket_name, bucket_of
from labelsnap.records.lines.text import is_blank
from labelsnap.records.parsing.identity import row_id
from labelsnap.snapshots.manifest import damaged
from labelsnap.storage.lines import lines as lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping
    from pathlib import Path


class Said(NamedTuple):
    """What a run found out about a line beside what it says.

    ``listed`` is the split that a list of ids has for its row, and ``claim`` the claim (see ``names.claim_of``) of the
    name that its row may have; "" where there is none.
    """

    listed: str = ""
    claim: str = ""


NOTHING_SAID: Final = Said()


def _nothing_said(_number: int, _row: str | None, _line: bytes) -> Said:
    return NOTHING_SAID


BUFFER_BYTES: Final = 8 << 20
"""How much is held before it is appended to the buckets' files."""
_HEAD: Final = re.compile(
    rb"(?P<number>[1-9][0-9]{0,17})(?:=(?P<listed>train|val|test))?(?:\+(?P<claim>[0-9a-f]{16}))?"
)


@dataclass(frozen=True, slots=True)
class SpooledBucket:
    """The lines of one bucket: a file of entries ``NUMBER<tab>LINE<newline>``.

    What is said of a line stands behind its number, as ``=SPLIT`` and ``+CLAIM``.
    """

    index: int
    path: Path
    lines: int


def spread(
    lines: Iterable[bytes | None],
    directory: Path,
    at_most: int,
    rows_per_bucket: int,
    standing: int,
    *,
    say: Callable[[int, str | None, bytes], Said] = _nothing_said,
    by_lines: bool = False,
) -> tuple[int, list[SpooledBucket]]:
    """Spool lines (``at_most`` so many) over the buckets that their rows need; return their number, and the buckets.

    ``standing`` is the number of an earlier snapshot. Rows are counted only where lines would have it changed: of a row
    there may be several. With ``by_lines`` it is lines that are counted: all those of a row are held at a time. ``say``
    gives what is said of a line by its number, its row's id and its bytes.
    """
    count = bucket_count(at_most, rows_per_bucket, standing)
    spooled = spool(lines, directory, count, say)
    if by_lines or count == standing or (needed := bucket_count(rows_in(spooled), rows_per_bucket, standing)) == count:
        return count, spooled
    return needed, merged(spooled, directory, needed)


def spool(
    lines: Iterable[bytes | None],
    directory: Path,
    count: int,
    say: Callable[[int, str | None, bytes], Said] = _nothing_said,
) -> list[SpooledBucket]:
    """Append each line, with its number, to its bucket's file; blank lines and buckets without lines are left out.

    Line numbers count from 1, blank lines too; None stands for a line that no bucket gets. A line without a row id goes
    to the bucket of its own bytes.
    """
    sizes: Counter[int] = Counter()
    pending: defaultdict[int, list[bytes]] = defaultdict(list)
    held = 0

    def flush() -> None:
        for index, entries in pending.items():
            with _path(directory, index, count).open("ab") as file:
                file.writelines(entries)
        pending.clear()

    for number, line in enumerate(lines, start=1):
        if line is None or is_blank(line):
            continue
        identifier = _identified(line)
        index = bucket_of(line if identifier is None else identifier.encode(), count)
        pending[index].append(b"%b\t%b\n" % (_head(number, say(number, identifier, line)), line))
        sizes[index] += 1
        held += len(line)
        if held >= BUFFER_BYTES:
            flush()
            held = 0
    flush()
    return [SpooledBucket(index, _path(directory, index, count), sizes[index]) for index in sorted(sizes)]


def rows_in(spooled: Iterable[SpooledBucket]) -> int:
    """How many rows the buckets' lines are of: a row id counts once, and a line that has none once a bytes."""
    return sum(len({_identified(line) or line for _, _, line in _entries(bucket.path)}) for bucket in spooled)


def merged(spooled: Iterable[SpooledBucket], directory: Path, count: int) -> list[SpooledBucket]:
    """The same lines in ``count`` buckets, a power of two below their number; each again in the order of its lines."""
    parts: defaultdict[int, list[SpooledBucket]] = defaultdict(list)
    for bucket in spooled:
        parts[bucket.index % count].append(bucket)
    return [_joined(index, parts[index], directory, count) for index in sorted(parts)]


def _joined(index: int, parts: list[SpooledBucket], directory: Path, count: int) -> SpooledBucket:
    path = _path(directory, index, count)
    with path.open("wb") as file:
        for number, said, line in merge(*(_entries(part.path) for part in parts)):
            file.write(b"%b\t%b\n" % (_head(number, said), line))
    for part in parts:
        part.path.unlink()
    return SpooledBucket(index, path, sum(part.lines for part in parts))


def without_claims(bucket: SpooledBucket, numbers: Collection[int]) -> None:
    """Let the lines of these numbers have none of the names that they claim."""
    rest = bucket.path.with_suffix(".rest")
    with rest.open("wb") as file:
        for number, said, line in _entries(bucket.path):
            file.write(b"%b\t%b\n" % (_head(number, said._replace(claim="") if number in numbers else said), line))
    rest.replace(bucket.path)


def _entries(path: Path) -> Iterator[tuple[int, Said, bytes]]:
    with path.open("rb") as file:
        for entry in file:
            yield _parted(entry.removesuffix(b"\n"), path.name)


def _identified(line: bytes) -> str | None:
    return attempted(partial(row_id, line))


def read_spool(
    blocks: Iterable[bytes], name: str, said: MutableMapping[int, Said] | None = None
) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line of a bucket's file, known as ``name``: one is held at a time.

    ``said`` is given what is said of lines, by their numbers. Raises StorageRefusedError where it is no such file: it
    lay in the store.
    """
    is_empty = True
    for entry in lines_of(blocks, name):
        number, found, line = _parted(entry.removesuffix(b"\n"), name)
        if said is not None and found != NOTHING_SAID:
            said[number] = found
        yield number, line
        is_empty = False
    if is_empty:
        raise damaged(repr(name), "no line")


def _head(number: int, said: Said) -> bytes:
    split, claim = f"={said.listed}" if said.listed else "", f"+{said.claim}" if said.claim else ""
    return f"{number}{split}{claim}".encode()


def _parted(entry: bytes, name: str) -> tuple[int, Said, bytes]:
    head, tab, line = entry.partition(b"\t")
    found = _HEAD.fullmatch(head)
    if not tab or found is None:
        raise damaged(repr(name), "a line without its number")
    return int(found["number"]), Said(*((found[each] or b"").decode() for each in Said._fields)), line


def _path(directory: Path, index: int, count: int) -> Path:
    return directory / f"{bucket_name(index, count)}.lines"
