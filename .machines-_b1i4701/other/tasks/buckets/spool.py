"""Lines of an export → one file a bucket, in bounded memory: the shuffle between the export and the parallel work."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks.buckets.grouping import bucket_name, bucket_of
from tasks.records.identity import row_id
from tasks.records.text import is_blank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BUFFER_BYTES: Final = 8 << 20
"""How much is held before it is appended to the buckets' files."""


@dataclass(frozen=True, slots=True)
class SpooledBucket:
    """The lines of one bucket: a file of entries ``NUMBER<tab>LINE<newline>``."""

    index: int
    path: Path
    lines: int


def spool(lines: Iterable[bytes | None], directory: Path, count: int) -> list[SpooledBucket]:
    """Append each line, with its number, to its bucket's file; blank lines and buckets without lines are left out.

    Line numbers count from 1, blank lines too; None stands for a line that no bucket gets. A line without a row id goes
    to the bucket of its own bytes.
    """
    sizes: Counter[int] = Counter()
    pending: defaultdict[int, list[bytes]] = defaultdict(list)
    held = 0

    def path(index: int) -> Path:
        return directory / f"{bucket_name(index, count)}.lines"

    def flush() -> None:
        for index, entries in pending.items():
            with path(index).open("ab") as file:
                file.writelines(entries)
        pending.clear()

    for number, line in enumerate(lines, start=1):
        if line is None or is_blank(line):
            continue
        identifier = row_id(line)
        index = bucket_of(line if identifier is None else identifier.encode(), count)
        pending[index].append(b"%d\t%b\n" % (number, line))
        sizes[index] += 1
        held += len(line)
        if held >= BUFFER_BYTES:
            flush()
            held = 0
    flush()
    return [SpooledBucket(index, path(index), sizes[index]) for index in sorted(sizes)]


def read_spool(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line of a bucket's file."""
    for entry in b"".join(blocks).removesuffix(b"\n").split(b"\n"):
        number, _, line = entry.partition(b"\t")
        yield int(number), line
