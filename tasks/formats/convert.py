"""Training formats bucket by bucket: each bucket is decoded once, and made for all formats."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.buckets.base import BasePart
from labelsnap.buckets.grouping import bucket_name
from labelsnap.buckets.parts.index import encode_index, index_path, read_index
from labelsnap.buckets.parts.making import Making, make_parts
from labelsnap.buckets.parts.work import BucketMade, BucketWork
from labelsnap.buckets.source import BucketSource
from labelsnap.formats.description.census import Census
from labelsnap.memory import give_back
from labelsnap.records.choices.classes import ClassRegistry
from labelsnap.snapshots.reading.content import sha256_of
from labelsnap.snapshots.writing.small import SmallFiles
from tasks.formats.given import format_input, painting, picture_limits
from tasks.machines.beside import beside
from tasks.machines.environment import scratch
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Collection

    from labelsnap.buckets.parts.index import Index


@task(**RETRIES)
def convert_bucket(
    dataset: Dataset,
    run: str,
    work: BucketWork,
    registry: ClassRegistry,
    census: Census,
    standing: tuple[str, ...],
    alike: frozenset[str],
) -> BucketMade:
    """Make a bucket for every output: its small files, its index, and what documents are joined from.

    Of the outputs that are ``standing`` objects are taken over, and of those of them that are ``alike`` rows which did
    not change. Where a format fails at single rows, these are named.
    """
    settings = load_settings()
    here = here_of(dataset.url)
    store = here.store
    name, limits = bucket_name(work.index, work.count), picture_limits(settings)
    before = read_index(store, work.before)
    draft = here.draft(part_of(before, [work]))
    with scratch(settings) as directory, painting(", ".join(dataset.formats)):
        source = BucketSource(store, work.tables, directory, limits, here.rows)
        ways = []
        for each, output in dataset.outputs.items():
            stands = each in standing
            of_format = {place: part for place, part in before.items() if stands and part.format == each}
            ways.append(
                Making(
                    name=each,
                    form=output.form,
                    choice=output.selection.of(registry),
                    dataset=format_input(dataset, output, registry, census, limits, source),
                    small=SmallFiles(draft, f"packs/{each}/{name}", part_of(of_format), store),
                    earlier=of_format,
                    changed=work.changed if each in alike else None,
                    narrowed=dataset.images != "reference",
                )
            )
        items = directory / "items"
        with items.open("wb") as target:
            made = make_parts(source, work, before, ways, target)
        key = Ledger(store, run).key(f"parts/{sha256_of(items)}.zst") if made.segments else ""
        with beside() as start:
            sent = start(partial(store.put, key, items)) if key else None
            file = draft.add_file(index_path(work.index, work.count), encode_index(made.parts))
        if sent:
            sent.result()
    give_back()
    return BucketMade(work.index, file, key, made.segments, draft.uploads, made.others, made.unwritable)


def part_of(index: Index, works: Collection[BucketWork] = ()) -> BasePart:
    """What an index tells of, as a part of its snapshot; with the indexes that buckets have there."""
    files = chain.from_iterable(row.files for part in index.values() for row in part.rows)
    packs = {pack.key: pack for part in index.values() for pack in part.packs}
    return BasePart((*filter(None, (work.before for work in works)), *files), tuple(packs.values()))
