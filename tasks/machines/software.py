"""Which code writes a snapshot: what other code wrote of a row is not kept, because it may write it otherwise."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

import labelsnap
import tasks
from config.dataset import Dataset, Split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelsnap.snapshots.manifest import Manifest

LIBRARIES = ("msgspec", "numpy", "pyarrow", "PyYAML")
"""Those whose own doing shows in the bytes of files."""


@cache
def software() -> str:
    """A digest of what writes: the library's and the tasks' source, and libraries' versions; 16 hexadecimal digits."""
    digest = hashlib.sha256(repr([(name, version(name)) for name in LIBRARIES]).encode())
    for package in (labelsnap, tasks):
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder.parent).as_posix()
            digest.update(f"{name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def written_alike(earlier: Manifest, dataset: Dataset) -> bool:
    """Whether this code wrote an earlier snapshot from a dataset file that says the same, but for its outputs."""
    return earlier.software == software() and _of_rows(earlier.config) == _of_rows(dataset.content())


def outputs_alike(earlier: Manifest, dataset: Dataset) -> frozenset[str]:
    """The outputs that an earlier snapshot's dataset file had as they are now."""
    before = _outputs(earlier)
    return frozenset(name for name, each in dataset.content()["formats"].items() if before.get(name) == each)


def same_outputs(earlier: Manifest, dataset: Dataset) -> bool:
    """Whether an earlier snapshot has outputs of these names, and no others."""
    return _outputs(earlier).keys() == dataset.formats.keys()


def _outputs(earlier: Manifest) -> Mapping[str, object]:
    found = earlier.config.get("formats")
    return found if isinstance(found, dict) else {}


def _of_rows(config: Mapping[str, object]) -> dict[str, object]:
    """What of a dataset file decides tables and images: what is made of them is looked at output by output."""
    return {key: value for key, value in config.items() if key != "formats"}


def splits_alike(earlier: Manifest, dataset: Dataset) -> bool:
    """Whether an earlier snapshot's rows were given their splits under the settings that hold now.

    Where splits are taken from does not count: what it says of a row is heeded in any case, and what it does not say
    any more stands.
    """
    try:
        return Split.model_validate(earlier.config.get("split")).dealt == dataset.split.dealt
    except ValidationError:
        return False
