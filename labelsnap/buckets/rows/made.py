"""Samples of a bucket as the tables that are made of them: from there on nothing else of them is held."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from labelsnap.buckets.boundary import bounded
from labelsnap.buckets.rows.images import StoredImages, images_table, row_image
from labelsnap.buckets.rows.told import tell
from labelsnap.records.model import Problem
from labelsnap.records.tables.tables import from_tables, rows_of, to_tables, write_table
from labelsnap.snapshots.checking.measures import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from labelsnap.buckets.rows.images import RowImage
    from labelsnap.records.model import Sample
    from labelsnap.records.tables.tables import Tables
    from labelsnap.snapshots.checking.measures import Measure


class Made(NamedTuple):
    """The tables of samples, but for that of images, what the samples come to, and the image of each row."""

    tables: Tables
    measures: tuple[Measure, ...]
    images: tuple[RowImage, ...]

    def only(self, row_ids: Collection[str]) -> Made:
        """What would have been made of some of its rows alone."""
        tables = rows_of(self.tables, row_ids)
        images = tuple(image for image in self.images if image.row_id in row_ids)
        return Made(tables, measure(from_tables(tables)), images)


def made_of(samples: Sequence[Sample]) -> Made:
    """Make the tables of samples."""
    return Made(to_tables(samples), measure(samples), tuple(map(row_image, samples)))


def faults_of(samples: Sequence[Sample], numbers: Mapping[str, int]) -> dict[str, Problem]:
    """Return the problems of those samples that meet a fault where each is alone; ``numbers`` are those of lines."""
    told = [_told(partial(made_of, [each]), each.record.data_row.id, numbers) for each in samples]
    return {row_id: found for row_id, found in told if found}


def faults_in(made: Made, numbers: Mapping[str, int]) -> dict[str, Problem]:
    """Return the same of rows of which tables are made."""
    told = [_told(partial(made.only, [each.row_id]), each.row_id, numbers) for each in made.images]
    return {row_id: found for row_id, found in told if found}


def _told(alone: Callable[[], Made], row_id: str, numbers: Mapping[str, int]) -> tuple[str, Problem | None]:
    found = bounded(numbers[row_id], lambda: row_id, lambda: _tell_alone(alone()))
    return row_id, found if isinstance(found, Problem) else None


def _tell_alone(made: Made) -> None:
    """Tell of a row all that a bucket's files and receipt have of it, and keep nothing."""
    tables = made.tables | {"images": images_table(made.images, StoredImages({}))}
    tell([], tables, [], 0)
    for table in tables.values():
        write_table(table)
