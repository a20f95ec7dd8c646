"""A dataset has a place of its own: garbage collection deletes what it does not know of below its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelsnap.errors import ConfigurationError, StorageRefusedError
from labelsnap.snapshots.keeping.records import side_by_side
from labelsnap.snapshots.layout import COMMIT
from labelsnap.snapshots.listing import listed
from labelsnap.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_outermost(dataset_url: str) -> None:
    """Raise ConfigurationError when the URL of a new dataset lies below another dataset's.

    A folder above it that may not be read is passed over. Raises StorageOutcomeUnknownError.
    """
    above = tuple(_above(dataset_url))
    for outer, is_dataset in zip(above, side_by_side(_is_dataset, above), strict=True):
        if is_dataset:
            raise ConfigurationError(
                f"Expected a place for the dataset that is its own, found {dataset_url} below the dataset {outer}.",
                remedy="Choose another `store` or `dataset` in the dataset file: garbage collection of the outer "
                "dataset would delete what is below it.",
                code="dataset_nested",
            )


def _is_dataset(url: str) -> bool:
    try:
        return next(listed(open_store(url), COMMIT), None) is not None
    except StorageRefusedError:
        return False


def _above(url: str) -> Iterator[str]:
    """Give the URLs of the folders that hold this one, the innermost first: down to a bucket, or a disk's folders."""
    scheme, _, place = url.partition("://")
    while (place := place.rpartition("/")[0]).strip("/"):
        yield f"{scheme}://{place}"
