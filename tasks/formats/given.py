"""What formats are given: rows, what is known of the whole dataset, and memory for their pictures."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labelsnap.errors import ConfigurationError
from labelsnap.formats.description.losses import images_held
from labelsnap.formats.interface import Dataset as FormatInput
from labelsnap.formats.interface import Shard, shard_count
from labelsnap.formats.outputs import selected
from labelsnap.formats.shared.endings import narrowed
from labelsnap.masks.decoding.png import DEFAULT_LIMITS, Limits
from labelsnap.masks.errors import MaskError
from labelsnap.memory import BeyondBudgetError, shared_budget
from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.manifest import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.dataset import Dataset
    from config.settings import Settings
    from labelsnap.buckets.source import BucketSource
    from labelsnap.formats.description.census import Census
    from labelsnap.formats.outputs import Output
    from labelsnap.records.choices.classes import ClassRegistry


def format_input(
    dataset: Dataset,
    output: Output,
    registry: ClassRegistry,
    census: Census,
    limits: Limits = DEFAULT_LIMITS,
    source: BucketSource | None = None,
) -> FormatInput:
    """What an output's format is written from: what it selects of the rows of a source's buckets, and of the classes.

    Beside these, what is known of the whole dataset. Without a source there are no rows, and the shards that all of
    them are in have none.
    """
    form = output.form

    def shards(split: str, size: int) -> Iterator[Shard]:
        count = shard_count(census.image_bytes.get(split, 0), size)
        return source.shards(split, count) if source else (Shard(index, count, _no_rows) for index in range(count))

    described = FormatInput(
        name=dataset.dataset,
        registry=registry,
        splits=SPLITS,
        rows=source.rows if source else _no_rows,
        shards=shards,
        read_image=source.read_image if source else lambda _: None,
        counts=images_held(form, census),
        choices=lambda: {question: frozenset(answers) for question, answers in census.choices.items()},
        model_run=dataset.of_model_run,
        memory=limits.memory,
    )
    described = selected(described, output.selection.of(registry))
    return described if dataset.images == "reference" else narrowed(described, form)


def _no_rows(*_: object) -> Iterator[Any]:
    """No rows of anything."""
    return iter(())


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
