"""Training formats, written from the bucket tables: one task a format and split."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace
from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.buckets.boundary import check_rows
from labelsnap.buckets.source import BucketSource
from labelsnap.buckets.unwritable import unwritable
from labelsnap.errors import ConfigurationError
from labelsnap.formats.description.census import Census
from labelsnap.formats.description.losses import images_held
from labelsnap.formats.interface import Dataset as FormatInput
from labelsnap.formats.registry import format_of
from labelsnap.formats.shared.endings import narrowed
from labelsnap.masks.decoding.png import DEFAULT_LIMITS, Limits
from labelsnap.masks.errors import MaskError
from labelsnap.memory import BeyondBudgetError, shared_budget
from labelsnap.records.choices.classes import ClassRegistry
from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.manifest import File, Pack, damaged
from labelsnap.snapshots.reading.content import lines_of
from labelsnap.snapshots.reading.pull import FORMATS
from labelsnap.snapshots.writing.presence import absent_of
from labelsnap.snapshots.writing.revisions import add_revision
from labelsnap.snapshots.writing.small import SmallFiles
from tasks.machines.environment import scratch
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.receipts import Changed, FormatReceipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from config.settings import Settings
    from labelsnap.formats.interface import Artifact

LINES = ".json"
"""What is written a line an item; of such a file only new lines are uploaded."""


@task(**RETRIES)
def write_format(
    dataset: Dataset,
    name: str,
    split: str,
    tables: tuple[File, ...],
    registry: ClassRegistry,
    changed: Changed,
    census: Census,
    base: int,
) -> FormatReceipt:
    """Write one split of a format, as a stream, from the bucket tables to the store.

    Small files that the base snapshot holds in its packs are not written again, nor are the lines that it holds; of
    rows that did not change a format keeps both without making them, where it could only make the same. An image that
    it lays out is that of the images' own packs. Where an object of the format in the base snapshot is lost, all of it
    is made anew. Where the format fails at single rows, these are named, and there are no files.
    """
    here = here_of(dataset.url)
    store, earlier = here.store, here.manifest(base)
    draft = here.draft(earlier)
    training_format = format_of(name, dataset.formats[name])
    folder = folder_of(name)
    if earlier and absent_of(store, earlier, earlier.below(folder)):
        earlier, changed = None, dict.fromkeys(changed)
    small = SmallFiles(draft=draft, name=f"packs/{name}/{split}", base=earlier, below=folder)
    files: list[File] = []
    packs: set[Pack] = set()
    settings = load_settings()
    with scratch(settings) as directory, painting(name):
        limits = picture_limits(settings)
        source = BucketSource(store, tables, directory, changed, limits)

        def lines(path: str) -> Iterator[bytes]:
            file = earlier.file(folder + path) if earlier else None
            return lines_of(store, file) if file else iter(())

        described = FormatInput(
            name=dataset.dataset,
            registry=registry,
            splits=SPLITS,
            samples=source.samples,
            shards=source.shards,
            read_image=source.read_image,
            rows=source.rows,
            counts=images_held(training_format, census),
            earlier=lines,
            buckets=source.buckets,
            model_run=dataset.source.kind == "model_run",
            memory=limits.memory,
        )
        if dataset.images != "reference":
            described = narrowed(described, training_format)
        try:
            for artifact in training_format.write(described, split):
                path = folder + artifact.path
                if packed(artifact, path, small, source):
                    continue
                body = written(artifact.chunks, directory / "artifact")
                if path.endswith(LINES):
                    file, joined = add_revision(draft, store, path, body, earlier)
                    packs.update(joined)
                else:
                    file = draft.add_file(path, body)
                files.append(file)
            small.flush()
        except Exception as error:
            check_rows(error)
            found = unwritable(training_format, described, split)
            if not found:
                raise
            return FormatReceipt(name=name, files=(), packs=(), uploads=draft.uploads, unwritable=found)
    return FormatReceipt(
        name=name,
        files=(*files, *small.files),
        packs=(*small.packs.values(), *sorted(packs, key=lambda pack: pack.key)),
        uploads=draft.uploads,
    )


def packed(artifact: Artifact, path: str, small: SmallFiles, source: BucketSource) -> bool:
    """Point to a file that lies in a pack, or put a small one into one; False where it is an object of its own."""
    if artifact.kept:
        small.keep(path)
    elif artifact.image and (stored := source.image_file(artifact.image)):
        small.point(replace(stored, path=path))
    elif artifact.small:
        small.add(path, b"".join(artifact.chunks))
    else:
        return False
    return True


def picture_limits(settings: Settings) -> Limits:
    """How large the images and masks of a version are at most, and the memory that pictures are made of them in."""
    pixels = max(settings.max_image_pixels, DEFAULT_LIMITS.pixels)
    return Limits(pixels=pixels, memory=shared_budget(settings.memory_bytes))


@contextmanager
def painting(name: str) -> Iterator[None]:
    """Name what no picture can be made of: masks of an earlier version that are none, or too large for the budget.

    Raises StorageRefusedError and ConfigurationError.
    """
    try:
        yield
    except MaskError as error:
        raise damaged(f"the masks that {name} is made from", error.reason) from error
    except BeyondBudgetError as error:
        raise ConfigurationError(
            f"Expected the pictures of the format {name} to fit into the memory for them, found that {error}.",
            remedy="Raise LABELSNAP_MEMORY_BYTES, or use a machine with more memory.",
            code="memory_budget",
        ) from error


def folder_of(name: str) -> str:
    """The folder of a format's files in a snapshot."""
    return f"{FORMATS}{name}/"


def written(chunks: Iterable[bytes], path: Path) -> Path:
    """The path, holding the bytes."""
    with path.open("wb") as file:
        file.writelines(chunks)
    return path
