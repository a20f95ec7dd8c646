"""The publish gate: what a run wrote is read back from the store, decoded and measured before it becomes a version.

Every object, and every file that is joined from several, that the base snapshot has not got is read from end to end
and hashed. Bucket tables and COCO files are measured again, and what they come to by split and class must be what the
records came to before they were written, with what the base's tables have of those rows that were taken over.
Objects that stand in the base snapshot are not read again: they were, when they were written. Nor are the outlines in
those parts of a joined COCO file that lie in such objects compared with their areas and boxes.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from labelsnap.records.choices.classes import SeenClass
from labelsnap.snapshots.checking.decoding import UndecodableError
from labelsnap.snapshots.checking.measures import ROW, Group, Totals
from labelsnap.snapshots.checking.objects import Fault, check_object, wholes_of
from labelsnap.snapshots.checking.remeasure import MEASURED, TableTotals, measure_coco
from labelsnap.snapshots.keeping.epochs import keys_of
from labelsnap.snapshots.reading.content import scratch_file
from labelsnap.snapshots.tables.bucket_tables import bucket_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pyarrow as pa

    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.snapshots.checking.measures import Amounts, Measure
    from labelsnap.snapshots.checking.objects import Whole
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.storage import ObjectStore

_PARALLEL: Final = 8
_COCO: Final = re.compile(
    r"formats/coco/annotations/(?P<what>instances|person_keypoints|predictions|keypoint_predictions)_(?P<split>[a-z]+)\.json"
)
_PREDICTED: Final = frozenset({"predictions", "keypoint_predictions"})
_OF_POINTS: Final = frozenset({"person_keypoints", "keypoint_predictions"})
_IN_COCO: Final = {"bounding_box": "object", "polygon": "object", "mask": "object", "point": "point"}
"""What each kind of object counts as in COCO files: points are in files of their own."""
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
    registry: ClassRegistry,
    *,
    scratch: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Inspection:
    """Read back what ``manifest`` has and ``base`` has not. ``expected`` are the records' measures by bucket.

    Files come to ``scratch`` (the system's folder by default), a few at a time, and memory stays flat. Raises
    StorageError when the store does not answer.
    """
    standing = keys_of(base) if base else frozenset()
    known = {(file.path, file.sha256) for file in base.files} if base else set()
    wholes = wholes_of(manifest)
    written = tuple(
        whole
        for whole in wholes
        if ((whole.path, whole.sha256) not in known if whole.joined else whole.key not in standing)
    )
    with TemporaryDirectory(prefix="labelsnap-", dir=scratch) as folder:
        gate = _Gate(store, Path(folder), written, expected, _in_coco(expected, registry), base)
        units = gate.units(manifest)
        faults: list[Fault] = []
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="gate") as pool:
            for done, found in enumerate(pool.map(gate.check, units), start=1):
                faults += found
                on_progress(done, len(units))
    size = sum(whole.size for whole in written)
    return Inspection(len(written), size, len(wholes) - len(written), tuple(sorted(faults, key=lambda each: each.key)))


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is checked together: one object, or the tables of one bucket that are measured."""

    wholes: tuple[Whole, ...]
    bucket: int | None = None


@dataclass(frozen=True, slots=True)
class _Gate:
    store: ObjectStore
    scratch: Path
    written: tuple[Whole, ...]
    expected: Mapping[int, Iterable[Measure]]
    in_coco: Mapping[Group, Amounts]
    base: Manifest | None

    def units(self, manifest: Manifest) -> tuple[_Unit, ...]:
        """Divide what was written into units; of a bucket with a new table, all tables that are measured are read."""
        wholes = {file.key: whole for whole in wholes_of(manifest) if not whole.pack for file in whole.files}
        written = {whole.key for whole in self.written}
        buckets = []
        for (_, index), files in bucket_files(manifest.files).items():
            keys = [files[name].key for name in MEASURED if name in files]
            if not written.isdisjoint(keys):
                buckets.append(_Unit(tuple(wholes[key] for key in keys), index))
        measured = {whole.key for unit in buckets for whole in unit.wholes}
        alone = (_Unit((whole,)) for whole in self.written if whole.key not in measured)
        return (*buckets, *alone)

    def check(self, unit: _Unit) -> list[Fault]:
        """Return what is wrong with a unit's objects, or, when they are sound, with what they come to."""
        if unit.bucket is not None:
            return self._check_bucket(unit.wholes, unit.bucket)
        (whole,) = unit.wholes
        with scratch_file(self.scratch) as path:
            outcome = check_object(self.store, whole, path)
            return [outcome] if isinstance(outcome, Fault) else list(self._miscounts_of_coco(whole, path))

    def _check_bucket(self, wholes: tuple[Whole, ...], bucket: int) -> list[Fault]:
        """Check the tables of a bucket; they are measured while they are decoded."""
        totals, unmeasured = TableTotals(), list[str]()

        def measure(table: str, batch: pa.RecordBatch) -> None:
            try:
                totals.add(table, batch)
            except (UndecodableError, KeyError, TypeError) as error:
                unmeasured.append(str(error))

        faults = []
        for whole in wholes:
            with scratch_file(self.scratch) as path:
                outcome = check_object(self.store, whole, path, measure)
            if isinstance(outcome, Fault):
                faults.append(outcome)
        if faults:
            return faults
        if unmeasured:
            return [_unmeasured(wholes[0], unmeasured[0])]
        if totals.misfits:
            return [Fault(wholes[0].key, wholes[0].path, "content", "masks of their images' sizes", totals.misfits[0])]
        of_table = {whole.name.split("/")[1]: whole for whole in wholes}
        expected = {each.group: each.amounts for each in self.expected.get(bucket, ())}
        return [
            _miscount(of_table[_table_of(group)], group, *amounts)
            for group, *amounts in _differences(expected, totals.measures)
        ]

    def _miscounts_of_coco(self, whole: Whole, path: Path) -> Iterator[Fault]:
        """Compare the measures of a COCO file with those of the records; other files have none."""
        coco = _COCO.fullmatch(whole.name)
        if not coco:
            return
        split, predicted = coco["split"], coco["what"] in _PREDICTED
        kind = "point" if coco["what"] in _OF_POINTS else "object"
        try:
            found = measure_coco(path, split, predicted=predicted, pieces=self._pieces(whole))
            for group, *amounts in _differences(self._expected_in_coco(split, kind, predicted=predicted), found):
                yield _miscount(whole, group, *amounts)
        except (UndecodableError, KeyError, TypeError) as error:
            yield _unmeasured(whole, str(error))

    def _pieces(self, whole: Whole) -> list[tuple[int, bool]]:
        """Say of each part of a file how long it is, and whether the base's file of this path lies there as well."""
        earlier = self.base.file(whole.name) if self.base else None
        held = {part.key for part in earlier.ranges} if earlier else set()
        return [(part.size, part.key in held) for part in whole.files[0].ranges]

    def _expected_in_coco(self, split: str, kind: str, *, predicted: bool) -> dict[Group, Amounts]:
        return {
            group: amounts
            for group, amounts in self.in_coco.items()
            if group.split == split and group.predicted is predicted and group.kind in {kind, ROW}
        }


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


def _unmeasured(whole: Whole, reason: str) -> Fault:
    return Fault(whole.key, whole.path, "content", "a file that can be measured", reason)


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


def _in_coco(expected: Mapping[int, Iterable[Measure]], registry: ClassRegistry) -> dict[Group, Amounts]:
    """What the records come to in COCO: by category, points and whatever shape has an area, over all buckets."""
    totals = Totals()
    for group, amounts in ((each.group, each.amounts) for each in chain.from_iterable(expected.values())):
        if group.kind == ROW:
            totals.add_amounts(group, amounts)
        elif group.kind in _IN_COCO and not group.flat:
            category = registry.class_of(SeenClass(group.feature_schema_id or None, group.name)).id
            shape = Group(group.split, group.predicted, _IN_COCO[group.kind], str(category))
            totals.add_amounts(shape, amounts)
    return dict(totals.sums)
