"""Shards of formats: one task each, and none where what its rows are in stands."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.buckets.base import BasePart
from labelsnap.buckets.boundary import check_rows
from labelsnap.buckets.grouping import bucket_of
from labelsnap.buckets.parts.index import format_folder
from labelsnap.buckets.parts.shards import Renewer
from labelsnap.buckets.source import BucketSource
from labelsnap.buckets.unwritable import unwritable
from labelsnap.formats.description.census import Census
from labelsnap.formats.interface import Artifact, Document
from labelsnap.formats.shared.endings import ending, takes
from labelsnap.memory import give_back
from labelsnap.records.choices.classes import ClassRegistry
from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.manifest import File, packs_of
from labelsnap.snapshots.tables.bucket_tables import bucket_files
from tasks.formats.conversion import DESCRIBED
from tasks.formats.given import format_input, painting, picture_limits
from tasks.machines.environment import scratch
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.receipts import FormatReceipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelsnap.buckets.parts.work import BucketMade
    from labelsnap.formats.interface import Dataset as FormatInput
    from labelsnap.formats.interface import Format, Shard, Told
    from labelsnap.formats.outputs import Output
    from tasks.run.receipts import Settlement

FEW: Final = 2
"""A shard is made anew as a whole where more than one row of so many has to be made."""


class ShardWork(Struct, frozen=True):
    """A shard of a format and split: its path in the format's folder, and the tables of the buckets of its rows.

    ``base`` is what the version before has under its path. Where that is what would be written, it is ``standing``, and
    no tables are needed. ``changed`` are the ids of the rows that are not in it as they are now; None: all are made.
    """

    format: str
    split: str
    path: str
    tables: tuple[File, ...]
    base: BasePart = BasePart()
    standing: File | None = None
    changed: tuple[str, ...] | None = None


def shards_of(dataset: Dataset, settlement: Settlement, made: Iterable[BucketMade]) -> Iterator[ShardWork]:
    """Give the shards of all formats of a dataset, when buckets are made."""
    conversion = settlement.conversion
    found = bucket_files(settlement.tables)
    tables = {index: tuple(files.values()) for (_, index), files in found.items()}
    count = next((count for count, _ in found), 1)
    others = _others(made)

    @cache
    def touched(split: str, count: int) -> dict[int, tuple[str, ...]]:
        """The rows of a split that are not as they were, or are there no more, by their shards of so many."""
        found: dict[int, list[str]] = {}
        for row_id in others[split]:
            found.setdefault(bucket_of(row_id.encode(), count), []).append(row_id)
        return {index: tuple(row_ids) for index, row_ids in found.items()}

    gone = conversion.before.keys() - tables.keys()
    for name, output in dataset.outputs.items():
        described = format_input(dataset, output, settlement.registry, settlement.census)
        whole = [(split, each) for split in SPLITS for each in output.form.files(described, split) if _is_whole(each)]
        base = conversion.bases.get(name, BasePart())
        rows = settlement.census.rows
        before = _before(base, name, {each.path for _, each in whole}) if name in conversion.alike else {}
        for split, each in whole:
            if isinstance(each, Artifact) and each.shard:
                buckets = _buckets_of(each.shard, count)
                stood = before.get(each.path)
                part = BasePart((stood,), packs_of(base, [stood])) if stood else BasePart()
                changed = touched(split, each.shard.count).get(each.shard.index, ())
                if stood and gone.isdisjoint(buckets) and not changed:
                    yield ShardWork(name, split, each.path, (), part, standing=stood)
                    continue
                needed = tuple(chain.from_iterable(tables.get(index, ()) for index in buckets))
                few = stood and len(changed) * FEW <= rows.get(split, 0) / each.shard.count
                yield ShardWork(name, split, each.path, needed, part, changed=changed if few else None)


@task(**RETRIES)
def write_shard(dataset: Dataset, work: ShardWork, registry: ClassRegistry, census: Census) -> FormatReceipt:
    """Write a shard as a stream. Where the format fails at single rows of it, they are named, and there is no file."""
    try:
        return _written(dataset, work, registry, census)
    finally:
        give_back()


def _written(dataset: Dataset, work: ShardWork, registry: ClassRegistry, census: Census) -> FormatReceipt:
    here = here_of(dataset.url)
    store = here.store
    settings = load_settings()
    limits = picture_limits(settings)
    output = dataset.outputs[work.format]
    form = output.form
    draft = here.draft(work.base)
    path = f"{format_folder(work.format)}{work.path}"
    with scratch(settings) as directory, painting(work.format):
        source = BucketSource(store, work.tables, directory, limits, here.rows)
        described = format_input(dataset, output, registry, census, limits, source)
        try:
            few = _shard(form, replace(described, read_image=source.pick_image), work)
            rows = _rows(dataset, output, source, work, few.shard, registry)
            if renewed := Renewer(store, draft, directory, work.base).add(path, few, rows) if rows else None:
                return FormatReceipt(work.format, (renewed[0],), renewed[1], draft.uploads)
            body = directory / "shard"
            with body.open("wb") as target:
                target.writelines(_shard(form, described, work).chunks)
        except Exception as error:
            check_rows(error)
            if not (found := unwritable(form, described, work.split, work.format)):
                raise
            return FormatReceipt(work.format, (), (), draft.uploads, found)
        file = draft.add_file(path, body)
    return FormatReceipt(work.format, (file,), (), draft.uploads)


def _rows(
    dataset: Dataset,
    output: Output,
    source: BucketSource,
    work: ShardWork,
    shard: Shard | None,
    registry: ClassRegistry,
) -> Iterator[Told] | None:
    """The rows of a shard of which most stand, the others with what the output selects of them."""
    if work.changed is None or shard is None:
        return None
    choice = output.selection.of(registry)
    rows = source.told(work.split, shard.index, shard.count, frozenset(work.changed))
    taken = (row for row in rows if dataset.images == "reference" or takes(output.form, ending(row.file_name)))
    return (replace(row, sample=choice.sample(row.sample)) if row.sample else row for row in taken)


def _shard(form: Format, described: FormatInput, work: ShardWork) -> Artifact:
    found = (each for each in form.files(described, work.split) if each.path == work.path)
    return next(each for each in found if isinstance(each, Artifact))


def _is_whole(file: Document | Artifact) -> bool:
    """Whether a file is a whole one of the snapshot, or a document, and not in a pack."""
    return isinstance(file, Document) or not file.small


def _buckets_of(shard: Shard, count: int) -> range:
    """Which buckets, of ``count``, may have rows of a shard."""
    divisor = min(count, shard.count)
    return range(shard.index % divisor, count, divisor)


def _others(made: Iterable[BucketMade]) -> dict[str, list[str]]:
    """The rows of each split that are not as they were, or are there no more."""
    found: dict[str, list[str]] = {split: [] for split in SPLITS}
    for each in made:
        for split, rows in each.others.items():
            found[split] += rows
    return found


def _before(base: BasePart, name: str, paths: set[str]) -> dict[str, File]:
    """The whole files that a version has of a format, by path; none where they are others: then rows lie elsewhere."""
    folder = format_folder(name)
    files = {file.path.removeprefix(folder): file for file in base.files}
    return files if files.keys() - set(DESCRIBED) == paths else {}
