"""Where the files of a tree lie in the folder that it is laid out in: never outside it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.paths import check_path
from labelsnap.storage.beneath import opened_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def target_of(root: Path, path: str) -> Path:
    """Return where the path lies in a tree (``root``, resolved).

    Raises StorageRefusedError for one that leads out of it, by itself or by a link on the way.
    """
    target = root / check_path(path)
    _parent_within(root, target)
    return target


@contextmanager
def folder_of(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """Open the folder of a tree that the path's file stands in; give it, and the name of the file.

    A link that is put on the way from now on is not gone through. Raises what ``target_of`` and ``opened_folder`` do.
    """
    target = root / check_path(path)
    with opened_folder(root, _parent_within(root, target).parts, make=make) as folder:
        yield folder, target.name


def _parent_within(root: Path, target: Path) -> Path:
    """Return the way from the root to the folder of a target, without links."""
    parent = target.parent.resolve()
    if not parent.is_relative_to(root):
        raise StorageRefusedError(
            f"Expected a file inside {root}, found {str(target.relative_to(root))!r}, which leads out of it.",
            remedy="Pull into an empty folder.",
            code="unsafe_path",
        )
    return parent.relative_to(root)


def folder_refused(root: Path, error: OSError, cache: Path | None = None) -> StorageRefusedError:
    """Return the error for a folder that files cannot be written to."""
    beside = f" or the cache {cache}" if cache else ""
    return StorageRefusedError(
        f"Expected to write below {root}{beside}, found: {error.strerror or error}.",
        remedy="Check the folder's rights and free space, and that no folder stands where a file should.",
        code="folder_refused",
    )
