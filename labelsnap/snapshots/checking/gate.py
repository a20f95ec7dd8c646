"""The publish gate: what a run wrote is read back from the store, decoded and measured before it becomes a version.

1. Every object that the base snapshot has not got, and every file joined from parts that the base has not got as it is,
   is read from end to end: it is there, has its size and sha256, and reads as what its name says.
2. Of every bucket with a new table all tables are measured, and so is every COCO file that is read: by split and class
   they come to what the records came to before they were written, with what the base's tables have of those rows that
   were taken over.
3. In what is measured, the area and box beside an outline are its own, and a mask has the size of its image.

All of this is seen by code that shares nothing with what wrote it. Objects that stand in the base snapshot are not read
again on their own account: they were, when they were written. A joined file is looked at whole, those of its lines
included that lie in such objects: comparing their outlines too costs some 0.15 ms a row.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from labelsnap.memory import give_back
from labelsnap.snapshots.checking.decoding import UndecodableError, passed_over
from labelsnap.snapshots.checking.measures import add
from labelsnap.snapshots.checking.objects import Fault, Whole, check_object, undecodable, wholes_of
from labelsnap.snapshots.checking.of_coco import expected_in_coco, held_by, measure_coco
from labelsnap.snapshots.checking.of_tables import MEASURED, TableTotals
from labelsnap.snapshots.checking.once import ReadOnce
from labelsnap.snapshots.keeping.epochs import keys_of
from labelsnap.snapshots.reading.content import scratch_file
from labelsnap.snapshots.tables.bucket_tables import bucket_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from labelsnap.records.choices.selection import Choice
    from labelsnap.snapshots.checking.decoding import OnBatch
    from labelsnap.snapshots.checking.measures import Amounts, Group, Measure
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.storage import ObjectStore

_PARALLEL: Final = 8
_ROUNDING: Final = 1e-6  # of one area or side, computed in another way
_ROUNDING_OF_SUMS: Final = 1e-11  # relative: the same numbers added in another order


@dataclass(frozen=True, slots=True)
class Inspection:
    """How many objects and bytes were read back, how many of the base snapshot's were not, and what is wrong."""

    objects: int
    bytes: int
    reused: int
    faults: tuple[Fault, ...]


def inspect(
    store: ObjectStore,
    manifest: Manifest,
    base: Manifest | None,
    expected: Mapping[int, Iterable[Measure]],
    coco: Mapping[str, Choice],
    *,
    scratch: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Inspection:
    """Read back what ``manifest`` has and ``base`` has not. ``expected`` are the records' measures by bucket.

    ``coco`` are the outputs in COCO by name, with what each selects of the dataset.

    It comes from the store itself, whatever of it is at hand, each object once; what stands in the base may be at hand.

    Files come to ``scratch`` (the system's folder by default), a few at a time, and memory stays flat. Raises
    StorageError when the store does not answer.
    """
    give_back()
    wholes = wholes_of(manifest)
    written = _written(wholes, base)
    buckets = _measured(manifest, {whole.key for whole in written})
    measured = {whole.key for tables in buckets.values() for whole in tables.values()}
    with TemporaryDirectory(prefix="labelsnap-", dir=scratch) as folder:
        there = frozenset() if base is None else keys_of(base)
        objects = ReadOnce(store, there, _shared(written, there), Path(folder))
        records = add(chain.from_iterable(expected.values()))
        in_coco = {name: expected_in_coco(records, choice) for name, choice in coco.items()}
        gate = _Gate(objects, Path(folder), expected, in_coco)
        checks = (
            *(partial(gate.check_bucket, index, tables) for index, tables in buckets.items()),
            *(partial(gate.check_alone, whole) for whole in written if whole.key not in measured),
        )
        faults: list[Fault] = []
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="gate") as pool:
            for done, found in enumerate(pool.map(lambda check: check(), checks), start=1):
                faults += found
                on_progress(done, len(checks))
    size = sum(whole.size for whole in written)
    return Inspection(len(written), size, len(wholes) - len(written), tuple(sorted(faults, key=lambda each: each.key)))


def _written(wholes: Iterable[Whole], base: Manifest | None) -> tuple[Whole, ...]:
    """Return what the base has not got: objects by their keys, joined files by all that its manifest says of them."""
    if base is None:
        return tuple(wholes)
    keys, files = keys_of(base), frozenset(base.files)
    return tuple(whole for whole in wholes if (whole.files[0] not in files if whole.joined else whole.key not in keys))


def _shared(written: Iterable[Whole], standing: Collection[str]) -> dict[str, int]:
    """Return the new objects that joined files point into, each with its size: they are read for themselves too."""
    found = tuple(written)
    parts = {part.key for whole in found for file in whole.files for part in file.parts}
    return {whole.key: whole.size for whole in found if whole.pack and whole.key in parts and whole.key not in standing}


def _measured(manifest: Manifest, written: Iterable[str]) -> dict[int, dict[str, Whole]]:
    """Return the tables that are measured, by bucket: all of those of a bucket of which one is under a key written."""
    buckets: dict[int, dict[str, Whole]] = {}
    for (_, index), files in bucket_files(manifest.files).items():
        tables = {name: files[name] for name in MEASURED if name in files}
        if any(file.key in written for file in tables.values()):
            buckets[index] = {name: Whole(file.key, file.size, file.sha256, (file,)) for name, file in tables.items()}
    return buckets


@dataclass(frozen=True, slots=True)
class _Gate:
    objects: ReadOnce
    scratch: Path
    expected: Mapping[int, Iterable[Measure]]
    in_coco: Mapping[str, Mapping[Group, Amounts]]

    def check_bucket(self, bucket: int, tables: Mapping[str, Whole]) -> list[Fault]:
        """Check the tables of a bucket, and measure them until one is not sound: what it lacks, others would lack too.

        They are measured while they are decoded: decoding them once more takes twice as long as measuring does.
        """
        totals, faults = TableTotals(), list[Fault]()
        for whole in tables.values():
            on_batch: OnBatch = passed_over if faults else totals.read_back
            with scratch_file(self.scratch) as path:
                outcome = check_object(self.objects, whole, path, on_batch)
            faults += [outcome] if isinstance(outcome, Fault) else []
        give_back()
        if faults:
            return faults
        expected = {each.group: each.amounts for each in self.expected.get(bucket, ())}
        first, *_ = tables.values()
        return [
            _miscount(tables.get(_table_of(group), first), group, *amounts)
            for group, *amounts in _differences(expected, totals.measures)
        ]

    def check_alone(self, whole: Whole) -> list[Fault]:
        """Check an object, or a joined file; if it is a sound file of COCO, compare what it comes to."""
        held = held_by(whole.name)
        with scratch_file(self.scratch) as path:
            outcome = check_object(self.objects, whole, path)
            if isinstance(outcome, Fault):
                return [outcome]
            if held is None or held.output not in self.in_coco:
                return []
            try:
                found = measure_coco(path, held.split, predicted=held.predicted)
            except UndecodableError as error:
                return [undecodable(whole, error)]
        expected = {group: amounts for group, amounts in self.in_coco[held.output].items() if held.has(group)}
        return [_miscount(whole, group, *amounts) for group, *amounts in _differences(expected, found)]


def _differences(
    expected: Mapping[Group, Amounts], found: Iterable[Measure]
) -> Iterator[tuple[Group, Amounts | None, Amounts | None]]:
    measured = {each.group: each.amounts for each in found}
    for group in sorted(expected.keys() | measured.keys()):
        one, other = expected.get(group), measured.get(group)
        if one is None or other is None or one[0] != other[0] or not _close(one, other):
            yield group, one, other


def _close(one: Amounts, other: Amounts) -> bool:
    """Whether sums of areas and boxes differ by no more than the rounding of their parts and of the addition."""
    count, *_ = one
    pairs = zip(one, other, strict=True)
    return all(abs(this - that) <= _ROUNDING * count + _ROUNDING_OF_SUMS * abs(this) for this, that in pairs)


def _miscount(whole: Whole, group: Group, expected: Amounts | None, found: Amounts | None) -> Fault:
    return Fault(whole.key, whole.path, "counts", f"{group}: {_amounts(expected)}", _amounts(found))


def _amounts(amounts: Amounts | None) -> str:
    if amounts is None:
        return "none"
    count, area, *box = amounts
    return f"{count} with areas of {area:.10g} and boxes of {', '.join(f'{side:.10g}' for side in box)} in all"


def _table_of(group: Group) -> str:
    if group.kind in {"row", "label", "relationship"}:
        return {"row": "data_rows", "label": "labels", "relationship": "relationships"}[group.kind]
    if group.kind in {"radio", "checklist", "text"}:
        return "classifications"
    return "predictions" if group.predicted else "annotations"
