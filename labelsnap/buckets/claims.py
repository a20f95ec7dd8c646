"""Which rows may be called by their keys: found out for all rows together, before anything is made of one.

Every row of an export claims the name that its key makes, if a file may be called so. Of the rows that claim one name
(see ``claim_of``) one has it: the row whose file is called so in the version before, else the one with the lowest id,
which Labelbox gave first. A row whose id stands beside that name in the version before keeps it so, whoever leaves.
Rows of this export count whatever becomes of them; of the version before those count that it has.

What is claimed lies in files past a bounded amount, parted by claim, and by bucket where the version before is asked;
it is asked only of rows that meet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from labelsnap.buckets.grouping import bucket_count, bucket_of
from labelsnap.decoders import decoder_of
from labelsnap.records.choices.names import claim_of, held, safe_stem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    Names: TypeAlias = Mapping[str, str]
    """File names in the version before, by data row id."""

PART_CLAIMS: Final = 1 << 16
"""Claims that are in memory together, on average."""
BUFFER_BYTES: Final = 8 << 20
"""How much is held before it is appended to files."""


class Claim(Struct, frozen=True, array_like=True):
    """A line's claim to a name, 16 hexadecimal digits: its number, and its row.

    ``is_held`` tells whether the row's file has that name in the version before, and ``is_beside`` whether its id
    stands beside it there.
    """

    claim: str
    row: str
    number: int
    is_held: bool = False
    is_beside: bool = False


class Claims:
    """The claims of a run's lines (``at_most`` so many), as they are gone through; ``directory`` is for its files."""

    def __init__(self, directory: Path, at_most: int) -> None:
        self._directory = directory
        self._parts = bucket_count(at_most, PART_CLAIMS)
        self._claimed = _Parted(directory / "claims")

    def of(self, number: int, row: str | None, key: str) -> str:
        """Take the claim of a line and return it; "" where its row has no key that a file may be called by."""
        stem = safe_stem(key) if row and key else ""
        if not stem or row is None:
            return ""
        claim = claim_of(stem)
        self._claimed.add(self._part_of(claim), Claim(claim, row, number))
        return claim

    def lost(
        self, count: int, before: Callable[[Sequence[int]], Iterator[Names]]
    ) -> Iterator[tuple[int, frozenset[int]]]:
        """Yield which lines do not have the names that they claim: for each bucket of ``count``, their numbers.

        ``before`` gives the file names of each bucket's rows in the version before; it is asked of buckets with rows
        that meet.
        """
        meeting, judged, lost = (_Parted(self._directory / name) for name in ("meeting", "judged", "lost"))
        for part in self._claimed.parts:
            met = _met(self._claimed.read(part))
            for each in self._claimed.read(part) if met else ():
                if each.claim in met:
                    meeting.add(bucket_of(each.row.encode(), count), each)
            self._claimed.drop(part)
        for bucket, names in zip(meeting.parts, before(meeting.parts), strict=True):
            for each in meeting.read(bucket):
                judged.add(self._part_of(each.claim), _judged(each, names.get(each.row, "")))
            meeting.drop(bucket)
        for part in judged.parts:
            holders = _holders(judged.read(part))
            for each in judged.read(part):
                if each.row != holders.get(each.claim):
                    lost.add(bucket_of(each.row.encode(), count), each)
            judged.drop(part)
        for bucket in lost.parts:
            yield bucket, frozenset(each.number for each in lost.read(bucket))
            lost.drop(bucket)

    def _part_of(self, claim: str) -> int:
        return int(claim, 16) & (self._parts - 1)


def _met(claims: Iterable[Claim]) -> set[str]:
    """Return those names that more rows than one claim."""
    first: dict[str, str] = {}
    return {each.claim for each in claims if first.setdefault(each.claim, each.row) != each.row}


def _judged(each: Claim, name: str) -> Claim:
    claim, is_beside = held(name, each.row)
    return replace(each, is_held=claim == each.claim and not is_beside, is_beside=claim == each.claim and is_beside)


def _holders(claims: Iterable[Claim]) -> dict[str, str]:
    """Return which row has each name; none where every row that claims it stands with its id beside it."""
    best: dict[str, tuple[bool, str]] = {}
    for each in claims:
        if not each.is_beside:
            rank = not each.is_held, each.row
            best[each.claim] = min(best.get(each.claim, rank), rank)
    return {claim: row for claim, (_, row) in best.items()}


class _Parted:
    """Claims parted by a number each, in memory as long as they are few, then in a file a part."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: defaultdict[int, list[bytes]] = defaultdict(list)
        self._counts = Counter[int]()
        self._bytes = 0

    @property
    def parts(self) -> list[int]:
        """The numbers that have claims."""
        return sorted(self._counts)

    def add(self, part: int, claim: Claim) -> None:
        entry = msgspec.json.encode(claim)
        self._held[part].append(entry)
        self._counts[part] += 1
        self._bytes += len(entry)
        if self._bytes >= BUFFER_BYTES:
            self._flush()

    def read(self, part: int) -> Iterator[Claim]:
        """Give the claims of a part."""
        decoder, path = decoder_of(Claim), self._path(part)
        if path.exists():
            with path.open("rb") as file:
                yield from map(decoder.decode, file)
        yield from map(decoder.decode, self._held.get(part, ()))

    def drop(self, part: int) -> None:
        """Let a part go, when it is read."""
        self._held.pop(part, None)
        self._path(part).unlink(missing_ok=True)

    def _flush(self) -> None:
        self._directory.mkdir(exist_ok=True)
        for part, entries in self._held.items():
            with self._path(part).open("ab") as file:
                file.writelines(entry + b"\n" for entry in entries)
        self._held.clear()
        self._bytes = 0

    def _path(self, part: int) -> Path:
        return self._directory / f"{part}.ndjson"
