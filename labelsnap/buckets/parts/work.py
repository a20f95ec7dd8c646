"""What travels between tasks where formats are made bucket by bucket. Never rows, items or pixels."""

from __future__ import annotations

from msgspec import Struct

from labelsnap.buckets.base import BasePart
from labelsnap.snapshots.manifest import File
from labelsnap.snapshots.values import Size
from labelsnap.snapshots.writing.draft import Uploads


class BucketWork(Struct, frozen=True):
    """A bucket that is made: its number of so many, its tables, and its index in the version before, if that stands.

    ``changed`` are the ids of the rows that are made whatever it has; None: all of them.
    """

    index: int
    count: int
    tables: tuple[File, ...]
    changed: tuple[str, ...] | None
    before: File | None = None


class Segment(Struct, frozen=True):
    """Where the items that were made for a format and split lie in a bucket's scratch object: Zstandard frames.

    Its content is list after list, in each those of the rows that were made, in their order.
    """

    format: str
    split: str
    offset: Size
    size: Size


class BucketMade(Struct, frozen=True):
    """What came of a bucket: its index, and the scratch object under ``key`` with what documents are joined from.

    ``others`` are the rows of each split that are not as in the version before, or are there no more; ``unwritable``
    are those that formats failed at, by format, with what each met.
    """

    index: int
    file: File
    key: str
    segments: tuple[Segment, ...]
    uploads: Uploads
    others: dict[str, tuple[str, ...]] = {}
    unwritable: dict[str, dict[str, str]] = {}


class Joint(Struct, frozen=True):
    """What one output is joined from: the indexes of all buckets now and in the version before, and what was made.

    ``changed`` is by bucket as in ``BucketWork``, for those that were made. ``base`` has the documents and shards of
    the version before, and nothing where it may not be used. With ``is_alike`` that was written by the same code, from
    the same settings, options and classes.
    """

    now: dict[int, File]
    before: dict[int, File]
    made: dict[int, BucketMade]
    changed: dict[int, tuple[str, ...] | None]
    base: BasePart
    is_alike: bool


class Conversion(Struct, frozen=True):
    """Which buckets have to be made for formats, and what stands of the version before.

    ``standing`` are the buckets that are as they were, and ``before`` all of its indexes; ``bases`` has what it has of
    each output but files of rows, for those of which nothing is lost; ``alike`` are those of them that would be made of
    an unchanged row as they were. Where everything stands, ``whole`` has all that the version before has of each output
    but what describes it, and none is made. ``lost`` are the keys of its objects that were looked for and are not
    there: those of indexes, formats and the report.
    """

    works: tuple[BucketWork, ...] = ()
    standing: tuple[int, ...] = ()
    before: dict[int, File] = {}
    bases: dict[str, BasePart] = {}
    whole: dict[str, BasePart] = {}
    alike: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()

    def joint(self, name: str, made: tuple[BucketMade, ...]) -> Joint:
        """What an output is joined from, when all buckets are made."""
        base, is_alike = self.bases.get(name), name in self.alike
        return Joint(
            now={index: self.before[index] for index in self.standing} | {each.index: each.file for each in made},
            before=self.before if base else {},
            made={each.index: each for each in made},
            changed={each.index: each.changed if is_alike else None for each in self.works},
            base=base or BasePart(),
            is_alike=is_alike,
        )
