"""Training formats, joined from what buckets gave: one task a format and split."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Final

from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.buckets.parts.documents import Bucket, Joiner, Lists
from labelsnap.buckets.parts.index import format_folder, read_part
from labelsnap.buckets.parts.work import Joint
from labelsnap.formats.description.census import Census
from labelsnap.formats.interface import Document, Rows
from labelsnap.memory import held_at_once
from labelsnap.records.choices.classes import ClassRegistry
from labelsnap.snapshots.manifest import File, Pack, damaged
from labelsnap.snapshots.writing.small import SmallFiles
from labelsnap.storage.interface import DOCUMENT_BYTES
from tasks.formats.given import format_input
from tasks.machines.environment import scratch
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.receipts import FormatReceipt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelsnap.buckets.parts.work import BucketMade, Segment
    from labelsnap.storage import ObjectStore

SIDE_BY_SIDE: Final = 8
"""Buckets that are read at a time,"""
HELD_BYTES: Final = 8 << 20
"""… if they have no more than so many bytes together, packed as they lie in the store. One bucket may have more."""


@task(**RETRIES)
def write_format(
    dataset: Dataset, name: str, split: str, registry: ClassRegistry, census: Census, joint: Joint
) -> FormatReceipt:
    """Join the documents of one split of an output from what buckets gave, and write what is of no row."""
    here = here_of(dataset.url)
    store = here.store
    settings = load_settings()
    output, folder = dataset.outputs[name], format_folder(name)
    draft = here.draft(joint.base)
    small = SmallFiles(draft, f"packs/{name}/{split}")
    files: list[File] = []
    packs: set[Pack] = set()
    with scratch(settings) as directory:
        documents: list[Document] = []
        for each in output.form.files(format_input(dataset, output, registry, census), split):
            if isinstance(each, Document):
                documents.append(each)
            elif each.small:
                small.add(f"{folder}{each.path}", b"".join(each.chunks))
            elif each.shard is None:
                files.append(draft.add_file(f"{folder}{each.path}", b"".join(each.chunks)))
        small.flush()
        paths = tuple(each.path for each in documents for piece in each.pieces if isinstance(piece, Rows))
        joiner = Joiner(store, draft, directory, joint.base, is_alike=joint.is_alike)
        with Lists(paths, directory) as lists:
            for bucket in buckets_of(store, joint, name, split):
                lists.add(bucket)
                if bucket.now:
                    files += chain.from_iterable(row.files for row in bucket.now.rows)
                    packs.update(bucket.now.packs)
            for document in documents:
                file, joined = joiner.add(f"{folder}{document.path}", document, lists.of(document.path))
                files.append(file)
                packs.update(joined)
    return FormatReceipt(
        name=name,
        files=(*files, *small.files.values()),
        packs=(*small.packs.values(), *sorted(packs, key=lambda pack: pack.key)),
        uploads=draft.uploads,
    )


def buckets_of(store: ObjectStore, joint: Joint, name: str, split: str) -> Iterator[Bucket]:
    """What each bucket has of a format and split, in order, now and in the version before; a few are read at a time."""

    def read(index: int) -> Bucket:
        file, stood = joint.now.get(index), joint.before.get(index)
        now = read_part(store, file, name, split)
        made = joint.made.get(index)
        if made is None and stood == file:
            return Bucket(now, now, (), b"")
        before = read_part(store, stood, name, split)
        return Bucket(now, before, joint.changed.get(index), made_of(store, made, name, split) if made and now else b"")

    def size(index: int) -> int:
        files = {joint.now.get(index), joint.before.get(index)}
        place = _place(joint.made.get(index), name, split)
        return sum(file.size for file in files if file) + (place.size if place else 0)

    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="parts") as pool:
        for some in held_at_once(sorted({*joint.now, *joint.before}), size, HELD_BYTES, SIDE_BY_SIDE):
            yield from pool.map(read, some)


def made_of(store: ObjectStore, made: BucketMade, name: str, split: str) -> bytes:
    """The items that were made of a bucket for a format and split, as Zstandard frames; b"" where there are none.

    Raises StorageRefusedError where they are not there.
    """
    place = _place(made, name, split)
    if place is None:
        return b""
    content = store.get(made.key, offset=place.offset, length=place.size, most=DOCUMENT_BYTES)
    if content is None:
        raise damaged(repr(made.key), "nothing")
    return content


def _place(made: BucketMade | None, name: str, split: str) -> Segment | None:
    segments = made.segments if made else ()
    return next((each for each in segments if (each.format, each.split) == (name, split)), None)
