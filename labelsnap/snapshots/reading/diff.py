"""What one version has that another has not: rows, annotations, classes and the ontology, bucket by bucket."""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from msgspec import Struct

from labelsnap.formats.interface import predicted_labels
from labelsnap.records.choices.classes import ClassRegistry
from labelsnap.records.counts import kind_of
from labelsnap.records.geometry import Mask
from labelsnap.records.lines.fingerprint import line_digest
from labelsnap.records.model import ChecklistAnswer, RadioAnswer
from labelsnap.records.ontology import OntologyChanges, compare
from labelsnap.records.questions import questions_of
from labelsnap.records.tables.schema import SCHEMAS
from labelsnap.records.tables.tables import from_tables
from labelsnap.snapshots.tables.bucket_tables import (
    CLASSES_PATH,
    ONTOLOGY_PATH,
    bucket_files,
    decoding,
    read_classes,
    read_ontology,
    read_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from labelsnap.records.model import Answer, Label, Sample
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.snapshots.tables.bucket_tables import BucketFiles
    from labelsnap.storage import ObjectStore

    Buckets = Sequence[BucketFiles]

Counts: TypeAlias = dict[str, int]

_PARALLEL: Final = 4
_CHANGES: Final = ("added", "removed", "changed", "moved")  # classes know but the first three


class RowChanges(Struct, frozen=True):
    """Data row ids, sorted. A row that ``moved`` to another split and changed too is in both lists."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    moved: tuple[str, ...]


class ClassChange(Struct, frozen=True):
    """How many objects of one class were added, removed or changed; ``class_id`` is the same in every version."""

    class_id: int
    name: str
    added: int
    removed: int
    changed: int


class AnnotationChanges(Struct, frozen=True):
    """Counts by kind, without zeros; ``moved`` are those of rows that moved. ``classes`` counts objects by class.

    An object that was given another class is removed from the one and added to the other, and ``changed`` by kind.
    """

    added: Counts
    removed: Counts
    changed: Counts
    moved: Counts
    classes: tuple[ClassChange, ...]


class NamedClass(Struct, frozen=True):
    """A class by its id, which never changes, and its name."""

    id: int
    name: str


class RenamedClass(Struct, frozen=True):
    """A class whose name changed."""

    id: int
    before: str
    after: str


class ClassChanges(Struct, frozen=True):
    """Classes in use, by id: those that came, went, or have another name."""

    added: tuple[NamedClass, ...]
    removed: tuple[NamedClass, ...]
    renamed: tuple[RenamedClass, ...]


class Diff(Struct, frozen=True):
    """What became of a version on the way to another. ``predictions`` is about a model run's.

    ``ontology`` is None where one of the two has none: nothing is known of it.
    """

    rows: RowChanges
    annotations: AnnotationChanges
    predictions: AnnotationChanges
    classes: ClassChanges
    ontology: OntologyChanges | None = None


class _Part(NamedTuple):
    """One annotation: its kind, its class if it is an object, and everything else that it says."""

    kind: str
    class_id: int | None
    content: object


_Parts: TypeAlias = "dict[tuple[object, ...], _Part]"


class _Tally:
    """Counts of annotations on the way."""

    def __init__(self) -> None:
        self.kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.classes: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def note(self, change: str, parts: Iterable[_Part]) -> None:
        for part in parts:
            self.kinds[change][part.kind] += 1
            self._note_class(change, part)

    def compare(self, before: _Parts, after: _Parts) -> bool:
        """Count what differs in one row; say whether anything does."""
        self.note("added", (after[key] for key in after.keys() - before.keys()))
        self.note("removed", (before[key] for key in before.keys() - after.keys()))
        changed = [(before[key], after[key]) for key in before.keys() & after.keys() if before[key] != after[key]]
        for one, other in changed:
            self.kinds["changed"][other.kind] += 1
            if one.class_id == other.class_id:
                self._note_class("changed", other)
            else:
                self._note_class("removed", one)
                self._note_class("added", other)
        return bool(changed) or before.keys() != after.keys()

    def _note_class(self, change: str, part: _Part) -> None:
        if part.class_id is not None and change != "moved":
            self.classes[change][part.class_id] += 1

    def add(self, other: _Tally) -> None:
        for change, kinds in other.kinds.items():
            self.kinds[change].update(kinds)
        for change, classes in other.classes.items():
            self.classes[change].update(classes)

    def summary(self, names: Mapping[int, str]) -> AnnotationChanges:
        counts = {
            change: dict(sorted(self.kinds[change].items())) for change in ("added", "removed", "changed", "moved")
        }
        touched = sorted({each for classes in self.classes.values() for each in classes})
        numbers = (
            {change: self.classes[change][each] for change in ("added", "removed", "changed")} for each in touched
        )
        classes = (ClassChange(each, names[each], **found) for each, found in zip(touched, numbers, strict=True))
        return AnnotationChanges(**counts, classes=tuple(classes))


class _Found:
    """What differs in some buckets."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, list[str]] = defaultdict(list)
        self.labelled, self.predicted = _Tally(), _Tally()

    def add(self, other: _Found) -> None:
        for change, rows in other.rows.items():
            self.rows[change] += rows
        self.labelled.add(other.labelled)
        self.predicted.add(other.predicted)


def diff(
    store: ObjectStore,
    before: Manifest,
    after: Manifest,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Diff:
    """Compare two snapshots of one dataset, row by row and annotation by annotation.

    Buckets whose tables are the same objects in both are not read; of the others a few are in memory at a time. A row
    has changed when the export says something else about it, or something else was published of it; where its image or
    masks can be fetched does not count. An annotation is known by its label and feature id, an answered question by
    what it is about. ``on_progress`` is told how many buckets of how many are compared. Raises StorageRefusedError for
    an object that is missing or damaged.
    """
    registries = _registry(store, before), _registry(store, after)
    pairs = [pair for pair in _pairs(before, after) if not _same(*pair)]
    found = _Found()
    on_progress(0, len(pairs))
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="diff") as pool:
        compared = pool.map(lambda pair: _compare(store, pair, registries), pairs)
        for done, each in enumerate(compared, start=1):
            found.add(each)
            on_progress(done, len(pairs))
    names = registries[0].unique_names() | registries[1].unique_names()
    rows = {change: tuple(sorted(found.rows[change])) for change in _CHANGES}
    return Diff(
        rows=RowChanges(**rows),
        annotations=found.labelled.summary(names),
        predictions=found.predicted.summary(names),
        classes=_class_changes(*registries),
        ontology=_ontology_changes(store, before, after),
    )


def _registry(store: ObjectStore, manifest: Manifest) -> ClassRegistry:
    file = manifest.file(CLASSES_PATH)
    return read_classes(store, file) if file else ClassRegistry()


def _ontology_changes(store: ObjectStore, before: Manifest, after: Manifest) -> OntologyChanges | None:
    one, other = before.file(ONTOLOGY_PATH), after.file(ONTOLOGY_PATH)
    if one is None or other is None:
        return None
    if one == other:
        return OntologyChanges()
    return compare(read_ontology(store, one), read_ontology(store, other))


def _pairs(before: Manifest, after: Manifest) -> Iterator[tuple[Buckets, Buckets]]:
    """Give the buckets that hold the same rows' places: one of each, or several of whichever snapshot has more.

    The number of buckets is a power of two and a row's bucket the low bits of its hash, so buckets that agree in the
    smaller number's bits belong together.
    """
    sides = bucket_files(before.files), bucket_files(after.files)
    fewest = min((count for side in sides for count, _ in side), default=1)
    for index in sorted({each % fewest for side in sides for _, each in side}):
        one, other = ([files for (_, each), files in side.items() if each % fewest == index] for side in sides)
        yield one, other


def _same(before: Buckets, after: Buckets) -> bool:
    one, other = (
        [{name: file[name].key for name in file.keys() & SCHEMAS} for file in side] for side in (before, after)
    )
    return one == other


def _compare(
    store: ObjectStore, pair: tuple[Buckets, Buckets], registries: tuple[ClassRegistry, ClassRegistry]
) -> _Found:
    before, after = ({sample.record.data_row.id: sample for sample in _samples(store, side)} for side in pair)
    found = _Found()
    found.rows["added"] += sorted(after.keys() - before.keys())
    found.rows["removed"] += sorted(before.keys() - after.keys())
    for row in after.keys() | before.keys():
        one, other = before.get(row), after.get(row)
        parts = [_parts_of(sample, registry) for sample, registry in zip((one, other), registries, strict=True)]
        labels, predictions = zip(*parts, strict=True)
        differs = [found.labelled.compare(*labels), found.predicted.compare(*predictions)]
        if one is None or other is None:
            continue
        if any(differs) or _content(one) != _content(other):
            found.rows["changed"].append(row)
        if one.split != other.split:
            found.rows["moved"].append(row)
            found.labelled.note("moved", labels[1].values())
            found.predicted.note("moved", predictions[1].values())
    return found


def _samples(store: ObjectStore, buckets: Buckets) -> Iterator[Sample]:
    for files in buckets:
        tables = {name: read_table(store, files[name]) for name in files.keys() & SCHEMAS}
        with decoding(_named(files)):
            samples = list(from_tables(tables))
        yield from samples


def _named(files: BucketFiles) -> str:
    """Name the tables of a bucket by one of them."""
    return min((file.path for file in files.values()), default="a bucket")


def _content(sample: Sample) -> tuple[object, ...]:
    """What a row says beside its annotations; the fingerprint stands for all that the export says."""
    labels = (*sample.record.entry.labels, *predicted_labels(sample))
    return line_digest(sample.record.fingerprint), sample.image, sorted(label.id for label in labels)


def _parts_of(sample: Sample | None, registry: ClassRegistry) -> tuple[_Parts, _Parts]:
    if sample is None:
        return {}, {}
    return _parts(sample.record.entry.labels, registry), _parts(predicted_labels(sample), registry)


def _parts(labels: Iterable[Label], registry: ClassRegistry) -> _Parts:
    """Everything annotated, each under a key of its own: where two have one name, their order tells them apart."""
    parts: _Parts = {}
    seen: Counter[tuple[object, ...]] = Counter()
    for label in labels:
        for key, part in _of_label(label, registry):
            seen[key] += 1
            parts[label.id, seen[key], *key] = part
    return parts


def _of_label(label: Label, registry: ClassRegistry) -> Iterator[tuple[tuple[object, ...], _Part]]:
    for each in label.annotations:
        geometry = each.geometry
        place = geometry.runs if isinstance(geometry, Mask) else geometry
        content = (place, each.z_order, each.confidence)
        yield ("object", each.feature_id), _Part(kind_of(geometry), registry.class_of(each).id, content)
    for tie in label.relationships:
        yield ("relationship", tie.feature_id), _Part("relationship", None, (tie.name, tie.source, tie.target))
    for owner, _, _, owner_feature_id, asked in questions_of(label):
        key = (owner, owner_feature_id, asked.feature_schema_id, asked.name)
        yield key, _Part(kind_of(asked.answer), None, _answer(asked.answer))


def _answer(answer: Answer) -> object:
    """What was answered, without the questions below it."""
    if isinstance(answer, RadioAnswer):
        return answer.option.name
    return tuple(each.name for each in answer.options) if isinstance(answer, ChecklistAnswer) else answer.content


def _class_changes(before: ClassRegistry, after: ClassRegistry) -> ClassChanges:
    one, other = ({each.id: each.name for each in registry.classes if not each.removed} for registry in (before, after))
    return ClassChanges(
        added=tuple(NamedClass(each, other[each]) for each in sorted(other.keys() - one.keys())),
        removed=tuple(NamedClass(each, one[each]) for each in sorted(one.keys() - other.keys())),
        renamed=tuple(
            RenamedClass(each, one[each], other[each])
            for each in sorted(one.keys() & other.keys())
            if one[each] != other[each]
        ),
    )
