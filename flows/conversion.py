"""Settled tables → formats: buckets are made for all formats side by side, and then documents are joined."""

from __future__ import annotations

from itertools import chain, product
from typing import TYPE_CHECKING, TypeAlias

from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.writing.draft import Uploads
from tasks.formats.conversion import indexes_of, standing_of
from tasks.formats.convert import convert_bucket
from tasks.formats.joining import write_format
from tasks.formats.shards import ShardWork, shards_of, write_shard
from tasks.formats.unwritable import failures
from tasks.machines.window import windowed
from tasks.run.receipts import FormatReceipt
from tasks.telling.progress import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.futures import PrefectFuture

    from config.dataset import Dataset
    from labelsnap.buckets.parts.work import BucketMade, BucketWork
    from tasks.run.receipts import Settlement

Writing: TypeAlias = ShardWork | tuple[str, str]
"""What is written beside buckets: a shard, or the documents of a format and split."""


def converted(dataset: Dataset, run: str, settlement: Settlement, side_by_side: int) -> tuple[FormatReceipt, ...]:
    """Give what formats have, so many steps side by side; where they fail at rows, some lack files."""
    conversion = settlement.conversion
    steps = len(conversion.works) + 1
    if not conversion.whole:
        steps += len(dataset.formats) * len(SPLITS) + sum(1 for _ in shards_of(dataset, settlement, ()))
    return tuple(chain.from_iterable(counted("files", _steps(dataset, run, settlement, side_by_side), steps)))


def _steps(
    dataset: Dataset, run: str, settlement: Settlement, side_by_side: int
) -> Iterator[tuple[FormatReceipt, ...]]:
    conversion, registry, counts = settlement.conversion, settlement.registry, settlement.census
    standing = tuple(conversion.bases)
    made: list[BucketMade] = []

    def convert(work: BucketWork) -> PrefectFuture[BucketMade]:
        return convert_bucket.submit(dataset, run, work, registry, counts, standing, conversion.alike)

    for bucket in windowed(convert, conversion.works, side_by_side):
        made.append(bucket)
        yield ()
    if failed := failures(made):
        yield failed
        return
    yield (indexes_of(conversion, made), *standing_of(conversion))
    joints = {name: conversion.joint(name, tuple(made)) for name in dataset.formats}

    def write(writing: Writing) -> PrefectFuture[FormatReceipt]:
        if isinstance(writing, ShardWork):
            return write_shard.submit(dataset, writing, registry, counts)
        name, split = writing
        return write_format.submit(dataset, name, split, registry, counts, joints[name])

    if conversion.whole:
        return
    shards: list[ShardWork] = []
    for each in shards_of(dataset, settlement, made):
        if each.standing:
            yield (FormatReceipt(each.format, (each.standing,), each.base.packs, Uploads()),)
        else:
            shards.append(each)
    longest_first: list[Writing] = [*shards, *product(dataset.formats, SPLITS)]  # so that none is waited for alone
    yield from ((receipt,) for receipt in windowed(write, longest_first, side_by_side))
