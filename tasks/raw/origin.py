"""The snapshot whose lines are read again: found, held against the dataset file, and opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from config.sources import Filters, Params, Source
from labelsnap.errors import ConfigurationError
from labelsnap.references import open_snapshot
from labelsnap.snapshots.manifest import damaged
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.snapshots.writing.presence import absent, keys_in, sizes_of
from labelsnap.storage import open_store
from tasks.machines.here import here_of
from tasks.run.receipts import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from config.dataset import Dataset
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.storage import ObjectStore

MOST_SPOKEN: Final = 4
"""Of a longer list the length is told."""
_READ: Final = ("raw/", "tables/")
_IMAGES: Final = "data/images/"


def find_origin(dataset: Dataset, ref: str) -> Origin:
    """Find the snapshot that a reference means, and see that the dataset file can be applied to its lines.

    Raises ``ConfigurationError`` where there is none, or where it is of another source, or was exported otherwise; and
    ``StorageRefusedError`` where it is damaged, or an object of it is gone that is read, or pointed to.
    """
    snapshot = open_snapshot(ref)
    if faults := list(_unlike(dataset, snapshot.manifest.config)):
        raise ConfigurationError(
            f"{snapshot.ref} cannot be made anew as the dataset file says: {'; '.join(faults)}.",
            remedy="Nothing was started. Lines that were exported hold what was asked for then: correct the dataset "
            "file, or refresh.",
            code="other_export",
        )
    check_whole(open_store(snapshot.dataset_url), snapshot.manifest, str(snapshot.ref))
    return Origin(snapshot.dataset_url, snapshot.version)


def check_whole(store: ObjectStore, manifest: Manifest, ref: str) -> None:
    """Raise StorageRefusedError where an object of a snapshot's raw export, tables or images is gone."""
    wanted = keys_in(file for file in manifest.files if file.path.startswith(_READ))
    sizes = {key: size for key, size in sizes_of(manifest).items() if key in wanted or key.startswith(_IMAGES)}
    if gone := absent(store, sizes):
        more = f", and {len(gone) - 1} more are lost" if len(gone) > 1 else ""
        raise damaged(
            f"the object {gone[0]!r} of {ref}",
            f"none of that size{more}",
            remedy="Nothing was started. Restore the object from a copy of the bucket, or take a version that "
            "`labelsnap snapshots verify` finds whole.",
        )


def _unlike(dataset: Dataset, before: Mapping[str, Any]) -> Iterator[str]:
    """What the dataset file asks of Labelbox that the lines of a snapshot with this configuration were not asked for.

    A status that was not asked for is no such thing: rows are left out by it here, too.
    """
    source = {name: value for name, value in _part(before, "source").items() if value and name in Source.model_fields}
    asked = dataset.source.model_dump(exclude_none=True) if dataset.source else {}
    if source != asked:
        yield f"it is of {_spoken(source) if source else 'several sources'}, and the file asks for {dataset.spoken}"
        return
    if not dataset.source and before.get("sources") != dataset.content()["sources"]:
        yield "its `sources`, with their names, filters and classes, are not those of the file"
        return
    yield from _differing("filters", dataset.filters, Filters(), before)
    yield from _differing("params", dataset.params, Params(), before)


def _differing(name: str, now: Filters | Params, usual: Filters | Params, before: Mapping[str, Any]) -> Iterator[str]:
    exported = usual.model_dump(mode="json") | _part(before, name)
    for key, value in now.model_dump(mode="json").items():
        is_applied_here = (key == "workflow_status" and exported[key] is None) or (key == "embeddings" and not value)
        if value != exported[key] and not is_applied_here:
            yield f"`{name}.{key}` was {_spoken(exported[key])} when it was exported, and is {_spoken(value)}"


def _part(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _spoken(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{name.replace('_', ' ')} {each}" for name, each in value.items()) or "nothing"
        case list() if len(value) > MOST_SPOKEN:
            return f"{len(value)} values"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def opened(url: str, origin: Origin) -> tuple[ObjectStore, Manifest]:
    """The store of the snapshot whose lines are read again, by a run on the dataset of this URL; and its manifest."""
    if origin.url == url:
        here = here_of(url)
        return here.store, here.manifest(origin.version) or read_snapshot(here.store, origin.version).manifest
    store = open_store(origin.url)
    return store, read_snapshot(store, origin.version).manifest
