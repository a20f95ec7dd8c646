"""What formats have to make anew: looked up once a run, in the version before and in what came of its buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelsnap.buckets.base import BasePart
from labelsnap.buckets.parts.index import PARTS, format_folder, index_files
from labelsnap.buckets.parts.work import BucketWork, Conversion
from labelsnap.formats.interface import Artifact, OfAllRows
from labelsnap.records.choices.splits import SPLITS
from labelsnap.records.tables.schema import SCHEMAS
from labelsnap.snapshots.manifest import digest, packs_of
from labelsnap.snapshots.reading.pull import FORMATS, REPORT
from labelsnap.snapshots.tables.bucket_tables import CLASSES_PATH, bucket_files
from labelsnap.snapshots.writing.draft import Uploads
from labelsnap.snapshots.writing.presence import absent_of, keys_in
from tasks.formats.given import format_input
from tasks.machines.software import outputs_alike, same_outputs
from tasks.run.receipts import FormatReceipt

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from config.dataset import Dataset
    from labelsnap.buckets.parts.work import BucketMade
    from labelsnap.buckets.receipt import BucketReceipt
    from labelsnap.formats.description.census import Census
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.snapshots.manifest import File, Manifest
    from labelsnap.storage import ObjectStore

DESCRIBED = ("README.md", "croissant.json")
"""The files of a format's tree that describe it."""
_DECIDING = (*SCHEMAS, "images")
"""The tables that decide what formats hold of a bucket."""


def conversion_of(
    store: ObjectStore,
    dataset: Dataset,
    earlier: Manifest | None,
    built: Collection[BucketReceipt],
    classes: File,
    registry: ClassRegistry,
    census: Census,
) -> Conversion:
    """Look up what is made of each bucket for a dataset's outputs, and what stands.

    A row stands in each output where it is as it was, the base was written alike with the same classes and this
    output's options, and its rows lie in as many buckets. Nothing stands of an output that lost an object, or whose
    rows depend on other rows that are not as they were; and nothing of any where an index is lost. A bucket's index
    tells of the outputs that there are: where there were others it is made anew.
    """
    names = dataset.formats.keys()
    filled = [receipt for receipt in built if receipt.files]
    tables = {receipt.index: bucket_files(receipt.files) for receipt in filled}
    counts = {count for found in tables.values() for count, _ in found}
    before = _indexes(earlier, counts) if earlier else {}
    bases: dict[str, BasePart] = {}
    lost = _lost(store, earlier) if earlier and before else frozenset()
    if earlier and before and lost.isdisjoint(keys_in(before.values())):
        decided = [name for name in names if _is_decided_alike(dataset, name, earlier, registry, census)]
        bases = _bases(earlier, decided, lost)
    same_classes = earlier is not None and _content(earlier.file(CLASSES_PATH)) == _content(classes)
    is_alike = bool(bases) and same_classes and all(each.alike for each in built)
    alike = outputs_alike(earlier, dataset) & bases.keys() if earlier and is_alike else frozenset()
    may_stand = bool(alike) and alike >= names and earlier is not None and same_outputs(earlier, dataset)
    tables_before = bucket_files(earlier.files) if earlier else {}
    works: list[BucketWork] = []
    standing: list[int] = []
    for receipt in filled:
        ((place, files),) = tables[receipt.index].items()
        stood = tables_before.get(place, {})
        is_same = all(_content(files.get(name)) == _content(stood.get(name)) for name in _DECIDING)
        if may_stand and receipt.changed == () and is_same and receipt.index in before:
            standing.append(receipt.index)
        else:
            changed = receipt.changed if is_alike else None
            count, index = place
            works.append(BucketWork(index, count, receipt.files, changed, before.get(index) if bases else None))
    is_whole = bool(standing) and not works and before.keys() == set(standing)
    whole = {name: _whole(earlier, name) for name in names} if is_whole and earlier else {}
    return Conversion(tuple(works), tuple(standing), before if bases else {}, bases, whole, alike, tuple(sorted(lost)))


def _is_decided_alike(dataset: Dataset, name: str, earlier: Manifest, registry: ClassRegistry, census: Census) -> bool:
    """Whether the rows of an output depend on no other rows, or these are as they were for it."""
    output = dataset.outputs[name]
    form = output.form
    if not isinstance(form, OfAllRows) or not form.decided_by:
        return True
    described = format_input(dataset, output, registry, census)
    files = (each for each in form.files(described, SPLITS[0]) if isinstance(each, Artifact))
    chunks = next(each.chunks for each in files if each.path == form.decided_by)
    stood = earlier.file(f"{format_folder(name)}{form.decided_by}")
    return stood is not None and stood.sha256 == digest(b"".join(chunks))


def _indexes(earlier: Manifest, counts: set[int]) -> dict[int, File]:
    """The indexes of a version by bucket, where it has as many buckets as there are now."""
    found = index_files(earlier.files)
    return {index: file for (_, index), file in found.items()} if {count for count, _ in found} == counts else {}


def _lost(store: ObjectStore, earlier: Manifest) -> frozenset[str]:
    """The keys of a version's indexes, of what it has of formats, and of its report, that are not there."""
    files = (file for file in earlier.files if file.path.startswith((PARTS, FORMATS)) or file.path == REPORT)
    return frozenset(absent_of(store, earlier, files))


def _bases(earlier: Manifest, names: Collection[str], lost: Collection[str]) -> dict[str, BasePart]:
    """What a version has of those formats of which no object is lost, but for files of rows."""
    files = {name: earlier.below(format_folder(name)) for name in names}
    return {name: _without_rows(earlier, found) for name, found in files.items() if found and _is_whole(found, lost)}


def _is_whole(files: Iterable[File], lost: Collection[str]) -> bool:
    return keys_in(files).isdisjoint(lost)


def _without_rows(earlier: Manifest, files: Iterable[File]) -> BasePart:
    whole = tuple(file for file in files if file.offset is None)
    return BasePart(whole, packs_of(earlier, whole))


def _whole(earlier: Manifest, name: str) -> BasePart:
    """All files that a version has of a format, but for those that describe it, and the packs that they lie in."""
    folder = format_folder(name)
    described = {f"{folder}{of_tree}" for of_tree in DESCRIBED}
    files = tuple(file for file in earlier.below(folder) if file.path not in described)
    keys = keys_in(file for file in files if file.parts or file.offset is not None)
    return BasePart(files, tuple(pack for pack in earlier.packs if pack.key in keys))


def _content(file: File | None) -> tuple[str, str] | None:
    return (file.path, file.sha256) if file else None


def standing_of(conversion: Conversion) -> tuple[FormatReceipt, ...]:
    """What formats have where nothing of them is made."""
    return tuple(FormatReceipt(name, each.files, each.packs, Uploads()) for name, each in conversion.whole.items())


def indexes_of(conversion: Conversion, made: Iterable[BucketMade]) -> FormatReceipt:
    """The indexes of a snapshot: those of the version before that stand, and those of the buckets that were made."""
    each = list(made)
    files = (*(conversion.before[index] for index in conversion.standing), *(one.file for one in each))
    return FormatReceipt("", files, (), sum((one.uploads for one in each), Uploads()))
