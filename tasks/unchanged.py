"""Whether the base says already what a run made: then nothing is published, nor done for publication alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelsnap.buckets.parts.index import PARTS
from labelsnap.snapshots.manifest import has_content

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from config.dataset import Dataset
    from labelsnap.snapshots.manifest import File, Manifest


def stands(dataset: Dataset, earlier: Manifest | None, files: Iterable[File], lost: Collection[str]) -> bool:
    """Whether a version has the content of what was made, and all indexes, of which none is among the ``lost`` keys.

    One that was lost and is there again under its own key is not lost. Without an index each refresh makes all formats
    anew, until a version has it.
    """
    made = tuple(files)
    if earlier is None or not has_content(earlier, dataset.content(), made):
        return False
    there = {file.path: file.key for file in earlier.files}
    indexes = (file for file in made if file.path.startswith(PARTS))
    return all(each.key == there.get(each.path) or there.get(each.path, "") not in {"", *lost} for each in indexes)
