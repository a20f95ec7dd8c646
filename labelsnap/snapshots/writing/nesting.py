"""A dataset has a place of its own: garbage collection deletes what it does not know of below its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelsnap.errors import ConfigurationError, StorageRefusedError
from labelsnap.snapshots.layout import COMMIT
from labelsnap.snapshots.listing import listed
from labelsnap.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_outermost(dataset_url: str) -> None:
    """Raise ConfigurationError when the URL of a new dataset lies below another dataset's.

    A folder above it that may not be read is passed over. Raises StorageOutcomeUnknownError.
    """
    for outer in _above(dataset_url):
        try:
            found = next(listed(open_store(outer), COMMIT), None)
        except StorageRefusedError:
            continue
        if found is not None:
            raise ConfigurationError(
                f"Expected a place for the dataset that is its own, found {dataset_url} below the dataset {outer}.",
                remedy="Choose another `store` or `dataset` in the dataset file: garbage collection of the outer "
                "dataset would delete what is below it.",
                code="dataset_nested",
            )


def _above(url: str) -> Iterator[str]:
    """Give the URLs of the folders that hold this one, the innermost first: down to a bucket, or a disk's folders."""
    scheme, _, place = url.partition("://")
    while (place := place.rpartition("/")[0]).strip("/"):
        yield f"{scheme}://{place}"
