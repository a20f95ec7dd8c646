"""Training formats, written from the bucket tables: one task a format and split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from tasks.buckets.reading import samples_of
from tasks.formats.interface import Dataset as FormatInput
from tasks.formats.losses import report
from tasks.formats.registry import format_of
from tasks.records.classes import ClassRegistry
from tasks.records.splits import SPLITS
from tasks.snapshots.draft import Draft
from tasks.snapshots.manifest import File
from tasks.steps.environment import scratch
from tasks.steps.retries import RETRIES
from tasks.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class FormatReceipt(Struct, frozen=True):
    """The files that a format wrote for one split, and what of the split's annotations it holds and loses by kind."""

    name: str
    files: tuple[File, ...]
    held: dict[str, int]
    lost: dict[str, int]
    uploaded: int


@task(**RETRIES)
def write_format(
    dataset: Dataset, name: str, split: str, tables: tuple[File, ...], registry: ClassRegistry
) -> FormatReceipt:
    """Write one split of a format, as a stream, from the bucket tables to the store."""
    store = open_store(dataset.url)
    draft = Draft(store)
    training_format = format_of(name, dataset.formats[name])
    files = []
    with scratch(load_settings()) as directory:
        source = FormatInput(
            name=dataset.dataset,
            registry=registry,
            splits=SPLITS,
            samples=lambda part: samples_of(store, tables, part, directory),
            model_run=dataset.source.kind == "model_run",
        )
        for artifact in training_format.write(source, split):
            body = written(artifact.chunks, directory / "artifact")
            files.append(draft.add_file(f"formats/{name}/{artifact.path}", body))
        labels = report(training_format, source.samples(split)).labels
    return FormatReceipt(name, tuple(files), labels.held, labels.lost, draft.uploaded_bytes)


def written(chunks: Iterable[bytes], path: Path) -> Path:
    """The path, holding the bytes."""
    with path.open("wb") as file:
        file.writelines(chunks)
    return path
