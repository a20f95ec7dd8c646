"""Settled tables → formats: buckets are made for all formats side by side, and then documents are joined."""

from __future__ import annotations

from itertools import chain, product
from typing import TYPE_CHECKING

from labelsnap.records.choices.splits import SPLITS
from tasks.formats.conversion import indexes_of, standing_of
from tasks.formats.convert import convert_bucket
from tasks.formats.joining import write_format
from tasks.formats.unwritable import failures
from tasks.machines.window import windowed
from tasks.telling.progress import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.futures import PrefectFuture

    from config.dataset import Dataset
    from labelsnap.buckets.parts.work import BucketMade, BucketWork
    from tasks.run.receipts import FormatReceipt, Settlement


def converted(dataset: Dataset, run: str, settlement: Settlement, side_by_side: int) -> tuple[FormatReceipt, ...]:
    """Give what formats have, so many steps side by side; where they fail at rows of buckets, that alone."""
    conversion = settlement.conversion
    parts = () if conversion.whole else tuple(product(dataset.formats, SPLITS))
    steps = _steps(dataset, run, settlement, parts, side_by_side)
    return tuple(chain.from_iterable(counted("files", steps, len(conversion.works) + 1 + len(parts))))


def _steps(
    dataset: Dataset, run: str, settlement: Settlement, parts: tuple[tuple[str, str], ...], side_by_side: int
) -> Iterator[tuple[FormatReceipt, ...]]:
    conversion, registry, counts = settlement.conversion, settlement.registry, settlement.census
    standing = tuple(conversion.bases)
    made: list[BucketMade] = []

    def convert(work: BucketWork) -> PrefectFuture[BucketMade]:
        return convert_bucket.submit(dataset, run, work, registry, counts, standing)

    for each in windowed(convert, conversion.works, side_by_side):
        made.append(each)
        yield ()
    if failed := failures(made):
        yield failed
        return
    yield (indexes_of(conversion, made), *standing_of(conversion))
    joints = {name: conversion.joint(name, tuple(made)) for name in dataset.formats}

    def write(part: tuple[str, str]) -> PrefectFuture[FormatReceipt]:
        name, split = part
        return write_format.submit(dataset, name, split, settlement.tables, registry, counts, joints[name])

    for receipt in windowed(write, parts, side_by_side):
        yield (receipt,)
