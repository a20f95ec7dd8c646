"""What travels between tasks: which bucket to build, and what came of it. Never rows or pixels."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from labelsnap.buckets.base import BasePart
from labelsnap.formats.description.census import Census
from labelsnap.records.choices.classes import SeenClass
from labelsnap.snapshots.checking.measures import Measure
from labelsnap.snapshots.manifest import File, Pack
from labelsnap.snapshots.values import Size
from labelsnap.snapshots.writing.draft import Uploads

if TYPE_CHECKING:
    from collections.abc import Iterable

Counts = dict[str, int]


class BucketInput(Struct, frozen=True):
    """One bucket's work: its number of so many, where its lines lie, and what an earlier snapshot has.

    They are ``lines_size`` bytes of the object ``lines_key`` from ``lines_offset``; without lines there is none.

    ``taken`` is what a run built that was broken off. ``splits_stand``: the earlier snapshot's splits were given under
    the settings that hold now; ``behind`` are tables of splits that others gave under these, which it does not know.
    ``held`` is what the snapshot has whose lines these are, if one is; ``held_splits_stand`` the same of its splits.
    ``unwritable`` are ids of rows that a format failed at in this run, with what each met: they are problems.
    ``sources`` tells, where there are several, which lines came from which: the number of the first line of each
    stream, in order, and the name of its source.
    """

    index: int
    count: int
    lines_key: str
    lines: int
    base: BasePart = BasePart()
    lines_offset: Size = 0
    lines_size: Size = 0
    taken: BasePart = BasePart()
    splits_stand: bool = False
    behind: tuple[File, ...] = ()
    unwritable: dict[str, str] = {}
    held: BasePart = BasePart()
    held_splits_stand: bool = False
    sources: tuple[tuple[int, str], ...] = ()

    @property
    def is_first(self) -> bool:
        """Whether it is the bucket that has a file of every table."""
        return self.index == 0

    @property
    def may_have_left(self) -> bool:
        """Whether there may be rows that were given a split, and have no line now."""
        return bool(self.behind or (self.splits_stand and self.base.files))


class Tally(Struct, frozen=True):
    """Counts that add up over buckets; keys as in the result of a refresh (see flows/README.md).

    ``noted`` counts what was done about published rows that were not quite as expected: ``BLOCK.COUNT`` → how often;
    and of several sources what came from each: ``sources.NAME.COUNT``.
    ``left`` are rows that were published once and are not now, and whose splits are kept.
    """

    published: int = 0
    excluded: Counts = {}
    problems: int = 0
    problem_codes: Counts = {}
    labels: int = 0
    labels_excluded: Counts = {}
    annotations_dropped: Counts = {}
    noted: Counts = {}
    reused_rows: int = 0
    left: int = 0
    requests: Counts = {}
    downloaded: int = 0
    uploads: Uploads = Uploads()

    @property
    def rows(self) -> int:
        """Every row that was looked at."""
        return self.published + sum(self.excluded.values()) + self.problems


class BucketReceipt(Struct, frozen=True):
    """What building a bucket gave: the files and packs that the snapshot will name, counts, and the classes seen.

    ``measures`` are the records', to be compared with what is read back before publication. ``changed`` are the ids of
    the rows whose line, URL, image, masks, split or number is not as in the earlier snapshot; None: all, for want of
    one. With ``alike`` the formats may keep what they have of all other rows. ``repeated`` are the numbers of the lines
    that were left out because their row has another.
    """

    index: int
    files: tuple[File, ...]
    packs: tuple[Pack, ...]
    tally: Tally
    census: Census
    measures: tuple[Measure, ...]
    seen: tuple[SeenClass, ...]
    changed: tuple[str, ...] | None = None
    alike: bool = False
    repeated: tuple[int, ...] = ()


def built_again(receipt: BucketReceipt, before: BucketReceipt | None) -> BucketReceipt:
    """Return the receipt of a bucket that was built twice in a run: what was asked for counts each time."""
    if before is None:
        return receipt
    tally, first = receipt.tally, before.tally
    requests, downloaded = _sum([first.requests, tally.requests]), first.downloaded + tally.downloaded
    return replace(receipt, tally=replace(tally, requests=requests, downloaded=downloaded))


def add_up(tallies: Iterable[Tally]) -> Tally:
    """One tally for all buckets; kinds and policies without a count are left out."""
    each = list(tallies)
    return Tally(
        published=sum(tally.published for tally in each),
        excluded=_sum(tally.excluded for tally in each),
        problems=sum(tally.problems for tally in each),
        problem_codes=_sum(tally.problem_codes for tally in each),
        labels=sum(tally.labels for tally in each),
        labels_excluded=_sum(tally.labels_excluded for tally in each),
        annotations_dropped=_sum(tally.annotations_dropped for tally in each),
        noted=_sum(tally.noted for tally in each),
        reused_rows=sum(tally.reused_rows for tally in each),
        left=sum(tally.left for tally in each),
        requests=_sum(tally.requests for tally in each),
        downloaded=sum(tally.downloaded for tally in each),
        uploads=sum((tally.uploads for tally in each), Uploads()),
    )


def _sum(tables: Iterable[Counts]) -> Counts:
    totals: Counter[str] = Counter()
    for table in tables:
        totals.update(table)
    return dict(sorted((+totals).items()))
