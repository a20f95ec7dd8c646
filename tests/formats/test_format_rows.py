"""What every format makes of a row is a function of the row: so rows are made anywhere, in any order, and joined."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, cycle
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

import pytest
from format_samples import (
    QUESTION,
    RING_AND_PART,
    annotation,
    contents,
    dataset,
    label,
    mask,
    radio,
    registry,
    sample,
    samples_of,
    whole_tree,
)

from labelsnap.formats.interface import Artifact, Document, Rows, Shard, array_of
from labelsnap.records.geometry import BoundingBox, Point, Polygon, Polyline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labelsnap.formats.interface import Dataset, Format, Row
    from labelsnap.records.geometry import Geometry

SHAPES: list[Geometry] = [
    BoundingBox(1, 1, 4, 3),
    Polygon(((0, 4), (8, 4), (8, 6), (0, 6))),
    Polyline(((0, 5.5), (8, 4.5))),
    Point(6.5, 2.25),
    mask(RING_AND_PART),
    mask("........\n" * 6),
]
NAMES = ("car", "tree", "road")
OF_MANY_ROWS = {".parquet", ".tar"}
"""How files end that are shards of rows, or tables of them."""
Place: TypeAlias = tuple[str, int, int]
"""A document's path, the place of rows in it, and the number of one."""


def several() -> Dataset:
    """Make a model run of seven rows in two splits, each with other shapes, classes and answers; one has none."""
    splits, names = cycle(("train", "train", "val")), cycle(NAMES)
    rows = []
    for number in range(len(SHAPES) + 1):
        objects = [
            annotation(shape, name=next(names), feature_id=f"f-{at}") for at, shape in enumerate(SHAPES[number:])
        ]
        answers = [radio(QUESTION, ("dusk", "dawn")[number % 2])] * (number < len(SHAPES))
        labels = label(*objects, label_id=f"label-{number}", answers=answers)
        rows.append(sample(labels, name=f"street-{number}", split=next(splits), predictions=[labels]))
    return dataset(*rows, classes=registry(*NAMES, points=NAMES), model_run=True)


def documents(each: Format, source: Dataset, split: str) -> dict[str, Document]:
    """Give the files of a split that are joined from rows, by path."""
    return {file.path: file for file in each.files(source, split) if isinstance(file, Document)}


def given(source: Dataset, rows: Sequence[Row]) -> Dataset:
    """Give what a worker has who has these rows alone; all else is that of the whole dataset."""
    return replace(source, rows=lambda _: iter(rows))


def made(each: Format, source: Dataset, split: str, rows: Sequence[Row]) -> Iterator[tuple[Place, list[bytes]]]:
    """Give what a worker who has these rows alone makes of them for documents: items by their place."""
    for path, document in documents(each, given(source, rows), split).items():
        for at, piece in enumerate(document.pieces):
            if isinstance(piece, Rows):
                yield from (((path, at, row.number), [*piece.make(row.number, row.sample)]) for row in rows)


def joined(document: Document, rows: Sequence[Row], items: Mapping[Place, list[bytes]]) -> bytes:
    """Join a document from what was made of its rows."""
    body = b""
    for at, piece in enumerate(document.pieces):
        if isinstance(piece, bytes):
            body += piece
            continue
        of_rows = chain.from_iterable(items[document.path, at, row.number] for row in rows)
        body += b"".join(array_of(of_rows) if piece.array else of_rows)
    return body


@pytest.mark.parametrize("size", [1, 2, 7])
def test_rows_are_made_in_any_order_and_grouping(each: Format, size: int) -> None:
    """Made last row first, by workers who have ``size`` rows each, and joined in order, they give the same bytes."""
    source = several()
    files: dict[str, bytes] = {}
    for split in source.splits:
        rows = [*source.rows(split)]
        groups = [rows[::-1][first : first + size] for first in range(0, len(rows), size)]
        items = dict(chain.from_iterable(made(each, source, split, group) for group in groups))
        files |= {path: joined(found, rows, items) for path, found in documents(each, source, split).items()}
        for group in groups:
            of_row = each.files_of_row(given(source, group))
            files |= contents(chain.from_iterable(of_row(row.sample) for row in group))
    of_splits = chain.from_iterable(each.files(source, split) for split in source.splits)
    made_whole = {file.path for file in of_splits if isinstance(file, Artifact)}
    assert files == {path: body for path, body in whole_tree(each, source).items() if path not in made_whole}


def test_files_of_rows_are_small_and_their_own(each: Format) -> None:
    """Two rows share no path, nor one with the files of a split; a thousand of them are one object in the store."""
    source = several()
    of_row = each.files_of_row(source)
    found = [file for split in source.splits for row in samples_of(source, split) for file in of_row(row)]
    of_splits = {file.path for split in source.splits for file in each.files(source, split)}
    assert len({file.path for file in found} | of_splits) == len(found) + len(of_splits)
    assert all(file.small for file in found)


def test_what_stands_around_rows_names_none(each: Format) -> None:
    """Of a split's files only shards and tables have other bytes, or documents other pieces, for other rows."""
    source = several()
    without = replace(
        given(source, ()),
        shards=lambda split, size: (
            Shard(shard.index, shard.count, lambda: iter(())) for shard in source.shards(split, size)
        ),
    )
    told, untold = (dict(around(each, found)) for found in (source, without))
    changed = {path for path in told.keys() | untold.keys() if told.get(path) != untold.get(path)}
    assert {PurePosixPath(path).suffix for path in changed} <= OF_MANY_ROWS


def test_files_of_many_rows_name_their_shard(each: Format) -> None:
    """And no other file does: what a file is made of is known before it is made."""
    files = chain.from_iterable(each.files(several(), split) for split in several().splits)
    for file in files:
        is_of_rows = PurePosixPath(file.path).suffix in OF_MANY_ROWS
        assert (isinstance(file, Artifact) and file.shard is not None) == is_of_rows


def around(each: Format, source: Dataset) -> Iterator[tuple[str, list[bytes]]]:
    """Give the files of all splits by path, of documents what stands there without rows."""
    for file in chain.from_iterable(each.files(source, split) for split in source.splits):
        pieces = file.pieces if isinstance(file, Document) else file.chunks
        yield file.path, [piece for piece in pieces if isinstance(piece, bytes)]
