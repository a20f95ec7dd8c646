"""What a dataset holds, counted: the source of the loss report, the dataset card and the report's plots.

Each bucket of rows is counted once, where it is built; counts add up, so nothing is read again to know them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from msgspec.structs import replace

from labelsnap.formats.shared.attributes import Path, joined
from labelsnap.formats.shared.endings import ending
from labelsnap.formats.shared.label_maps import BYTE_VOID
from labelsnap.records.choices.selection import RELATIONSHIP, Thing
from labelsnap.records.lines.moments import instant
from labelsnap.records.tables.areas import areas_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

Key = TypeVar("Key", bound="Hashable")
_Part: TypeAlias = tuple[str, bool, str, str, str, bool, str, "Things", "Above"]
"""The fields of a ``Part``."""
_Place: TypeAlias = tuple[str, str]
"""A row's split, and the ending of its image's file; "" where that was not copied."""
_Member: TypeAlias = tuple[str, bool, str, str, str]
"""The fields of a ``Member``."""
_Asked: TypeAlias = tuple[bool, str, str, Path, bool, "Things", "Above"]
"""The fields of an ``Asked``."""
Things: TypeAlias = tuple[Thing, ...]
"""What objects something is about or is itself, sorted: none of an image, the two of a relationship."""
Above: TypeAlias = tuple[str, ...]
"""The kinds of the answers and relationships that an answer hangs on, sorted."""
_Choices: TypeAlias = defaultdict[tuple[str, str, str], set[str]]
"""The options that were chosen in a row about its image: by row, "label" or "prediction", and question."""
_Tie: TypeAlias = tuple[str, str, int, int]
"""A relationship: its row, "label" or "prediction", its label's place and its own."""
_PLACES: Final = BYTE_VOID - 1
"""How many objects of an image 8 bits can number, beside the background and void."""
PREDICTION: Final = "prediction"
_REGIONS: Final = ("polygon", "mask")
_AREAS: Final = 4.0 ** np.arange(32)
"""The least area of an object whose side is in the second bin, in the third, and so on."""


class Part(Struct, frozen=True, order=True):
    """A kind of annotation in a split. ``about`` is what a question is about: a kind, or "image"; else the own kind.

    ``question`` is the name of a radio question about the image that has one answer in all labels of its row. ``flat``
    is true of objects without an area where their kind has one, and of questions about them. ``ending`` is that of the
    image file's name; "" where the dataset refers to the image. ``things`` and ``above`` are what an output selects by.
    """

    split: str
    predicted: bool
    about: str
    kind: str
    question: str = ""
    flat: bool = False
    ending: str = ""
    things: Things = ()
    above: Above = ()


class Member(Struct, frozen=True, order=True):
    """A class as the objects of a split name it; "" stands for a feature schema that has no id."""

    split: str
    predicted: bool
    feature_schema_id: str
    name: str
    kind: str


class Asked(Struct, frozen=True, order=True):
    """A question that was answered about objects of a kind, by its name and those of the questions above it.

    ``kind`` is that of the answer; ``flat`` is true where the objects have no area; ``things`` and ``above`` are as in
    ``Part``.
    """

    predicted: bool
    about: str
    kind: str
    path: Path
    flat: bool = False
    things: Things = ()
    above: Above = ()


Bins: TypeAlias = dict[int, int]
"""Counts by the least value of a bin: 0, 1, 2, 4, 8, … up to the next one."""


class Census(Struct, frozen=True):
    """Counts over rows; sums of counts over disjoint rows are counts over all of them.

    ``parts`` are all annotations, ``members`` the objects by class, ``asked`` the answers about objects by question.
    ``rows`` are by split, ``endings`` are of those whose images were copied, by split and ending of the file's name
    (with its dot). ``objects`` is how many objects a row's labels have; ``sides`` are the square roots of the
    objects' areas, in pixels, by kind. ``crowded`` is how many rows have a polygon or mask that is beyond the 254th of
    their boxes, polygons and masks with an area. ``latest`` is the latest time at which Labelbox saw a row or a label
    change. ``image_bytes`` are those of copied images, by split. ``choices`` are the labels' answers to each radio
    question about the image, of rows that have one answer to it, and what the project's ontology offers beside.
    """

    rows: dict[str, int] = {}
    parts: tuple[tuple[Part, int], ...] = ()
    members: tuple[tuple[Member, int], ...] = ()
    objects: Bins = {}
    sides: dict[str, Bins] = {}
    latest: str = ""
    endings: dict[str, dict[str, int]] = {}
    asked: tuple[tuple[Asked, int], ...] = ()
    crowded: int = 0
    image_bytes: dict[str, int] = {}
    choices: dict[str, tuple[str, ...]] = {}

    def kinds(self, *, predicted: bool = False) -> dict[str, int]:
        """How many annotations there are by kind, labels' or predictions'."""
        return _sum({part.kind: count} for part, count in self.parts if part.predicted is predicted)


def census(tables: Mapping[str, pa.Table]) -> Census:
    """Count the rows of some canonical tables."""
    rows = _rows(tables["data_rows"])
    parts: Counter[_Part] = Counter()
    members: Counter[_Member] = Counter()
    for name, predicted in (("annotations", False), ("predictions", True)):
        columns = "feature_schema_id", "name", "kind", "has_area"
        for (split, of_image, schema, found, kind, has_area), count in _tally(tables[name], rows, *columns):
            thing = schema or "", found, kind
            members[split, predicted, *thing] += count
            parts[split, predicted, kind, kind, "", has_area is False, of_image, (thing,), ()] += count
    ties = _ends(tables)
    for (row_id, origin, _, _), things in ties.items():
        split, of_image = rows[row_id]
        parts[split, origin == PREDICTION, RELATIONSHIP, RELATIONSHIP, "", False, of_image, things, ()] += 1
    asked: Counter[_Asked] = Counter()
    choices: _Choices = defaultdict(set)
    parts.update(_answers(tables, rows, ties, asked, choices))
    objects = Counter(tables["annotations"]["data_row_id"].to_pylist())
    return Census(
        rows=_sum([Counter(split for split, _ in rows.values())]),
        parts=tuple((Part(*fields), count) for fields, count in sorted(parts.items())),
        members=tuple((Member(*fields), count) for fields, count in sorted(members.items())),
        objects=_sum([Counter([bin_of(objects[row_id]) for row_id in rows])]),
        sides=_sides(tables["annotations"]),
        latest=_latest(tables),
        endings=_endings(rows.values()),
        asked=tuple((Asked(*fields), count) for fields, count in sorted(asked.items())),
        crowded=_crowded(tables["annotations"], objects),
        image_bytes=_image_bytes(tables["data_rows"]),
        choices=_chosen(choices),
    )


def add(censuses: Iterable[Census]) -> Census:
    """Add counts over disjoint rows."""
    each = list(censuses)
    kinds, splits, asked = (
        sorted({key for one in each for key in getattr(one, name)}) for name in ("sides", "endings", "choices")
    )
    return Census(
        rows=_sum(one.rows for one in each),
        parts=tuple(_sum(dict(one.parts) for one in each).items()),
        members=tuple(_sum(dict(one.members) for one in each).items()),
        objects=_sum(one.objects for one in each),
        sides={kind: _sum(one.sides.get(kind, {}) for one in each) for kind in kinds},
        latest=max((one.latest for one in each), default=""),
        endings={split: _sum(one.endings.get(split, {}) for one in each) for split in splits},
        asked=tuple(_sum(dict(one.asked) for one in each).items()),
        crowded=sum(one.crowded for one in each),
        image_bytes=_sum(one.image_bytes for one in each),
        choices={
            name: tuple(sorted({*chain.from_iterable(one.choices.get(name, ()) for one in each)})) for name in asked
        },
    )


def with_choices(counted: Census, offered: Mapping[str, Iterable[str]]) -> Census:
    """Return a census that knows the options, too, which questions offer, whether anybody chose them or not."""
    names = sorted({*counted.choices, *offered})
    of = {name: tuple(sorted({*counted.choices.get(name, ()), *offered.get(name, ())})) for name in names}
    return replace(counted, choices=of)


def bin_of(value: int) -> int:
    """Give the least value of the bin that a value lies in: 0, or the greatest power of two that is not greater."""
    return 1 << value.bit_length() - 1 if value else 0


def _values(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


def _rows(table: pa.Table) -> dict[str, _Place]:
    columns = zip(*_values(table, "data_row_id", "split", "file_name", "sha256"), strict=True)
    return {row_id: (split, "" if sha256 is None else ending(name)) for row_id, split, name, sha256 in columns}


def _endings(places: Iterable[_Place]) -> dict[str, dict[str, int]]:
    """Count the images that are files by split and ending."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for split, of_image in places:
        if of_image:
            found[split][of_image] += 1
    return {split: dict(sorted(found[split].items())) for split in sorted(found)}


def _image_bytes(table: pa.Table) -> dict[str, int]:
    copied = zip(*_values(table.filter(table["size"].is_valid()), "split", "size"), strict=True)
    return _sum({split: size} for split, size in copied)


def _tally(table: pa.Table, rows: Mapping[str, _Place], *names: str) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Count a table's rows by split, ending and some columns: the same key may come more than once."""
    places = pc.index_in(table["data_row_id"].combine_chunks(), pa.array(rows, pa.string()))
    of_rows = [pa.array(column, pa.string()).take(places) for column in zip(*rows.values(), strict=True)]
    by = ["split", "ending", *names]
    grouped = pa.table([*(of_rows or [pa.array([], pa.string())] * 2), *(table[name] for name in names)], by)
    counted = grouped.group_by(by, use_threads=False).aggregate([([], "count_all")])
    *keys, counts = _values(counted, *by, "count_all")
    yield from zip(zip(*keys, strict=True), counts, strict=True)


def _ends(tables: Mapping[str, pa.Table]) -> dict[_Tie, Things]:
    """Return what the two objects of each relationship are; of several with one feature id all count."""
    ties = tables["relationships"]
    if not len(ties):
        return {}
    found: defaultdict[tuple[str, str, int, str], set[Thing]] = defaultdict(set)
    columns = "data_row_id", "origin", "label_index", "feature_id", "feature_schema_id", "name", "kind"
    for name in ("annotations", "predictions"):
        objects = tables[name].filter(pc.is_in(tables[name]["data_row_id"], ties["data_row_id"].combine_chunks()))
        for row_id, origin, label, feature_id, schema, own, kind in zip(*_values(objects, *columns), strict=True):
            found[row_id, origin, label, feature_id].add((schema or "", own, kind))
    of_tie = "data_row_id", "origin", "label_index", "relationship_index", "source", "target"
    return {
        (row_id, origin, label, index): tuple(
            sorted(found[row_id, origin, label, source] | found[row_id, origin, label, target])
        )
        for row_id, origin, label, index, source, target in zip(*_values(ties, *of_tie), strict=True)
    }


def _answers(
    tables: Mapping[str, pa.Table],
    rows: Mapping[str, _Place],
    ties: Mapping[_Tie, Things],
    asked_of_objects: Counter[_Asked],
    choices: _Choices,
) -> Iterator[_Part]:
    """Give the fields of a ``Part`` for each answer, at any depth. Questions come after those that they hang below.

    Those about objects are counted by path; the options that were chosen about images come into ``choices``.
    """
    asked = tables["classifications"]
    objects = {"label": _Objects(tables["annotations"]), "prediction": _Objects(tables["predictions"])}
    options = asked["options"].filter(pc.equal(asked["kind"], "radio")).combine_chunks().flatten()
    chosen = iter(options.field("name").to_pylist())
    about_image: list[tuple[str, str, str, str, Above]] = []
    asked_above: list[tuple[str, Path, bool, Things, Above]] = []
    columns = "data_row_id", "origin", "label_index", "question_index", "owner", "owner_index", "name", "kind"
    for row_id, origin, label, number, owner, index, name, kind in zip(*_values(asked, *columns), strict=True):
        if number == 0:  # the first of another label
            asked_above = []
        about, path, flat = owner, (name,), False
        things: Things = ()
        above: Above = ()
        if owner == "object":
            thing, flat = objects[origin].at(row_id, label, index)
            about, things = thing[-1], (thing,)
        elif owner == RELATIONSHIP:
            things, above = ties[row_id, origin, label, index], (RELATIONSHIP,)
        elif owner == "answer":
            about, below, flat, things, above = asked_above[index]
            path = (*below, name)
        asked_above.append((about, path, flat, things, tuple(sorted({*above, kind}))))
        option = next(chosen) if kind == "radio" else None
        if about != "image":
            split, of_image = rows[row_id]
            yield split, origin == PREDICTION, about, kind, "", flat, of_image, things, above
            if about != RELATIONSHIP:
                asked_of_objects[origin == PREDICTION, about, kind, path, flat, things, above] += 1
            continue
        question = joined(path)
        about_image.append((row_id, origin, question, kind, above))
        if option is not None:
            choices[row_id, origin, question].add(option)
    for row_id, origin, question, kind, above in about_image:
        is_choice = kind == "radio" and len(choices[row_id, origin, question]) == 1
        split, of_image = rows[row_id]
        yield split, origin == PREDICTION, "image", kind, question if is_choice else "", False, of_image, (), above


def _chosen(choices: _Choices) -> dict[str, tuple[str, ...]]:
    """Return the options that rows' labels have chosen by question, of those rows that have one answer to it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for (_, origin, question), options in choices.items():
        if origin == "label":
            found[question] |= options if len(options) == 1 else set()
    return {question: tuple(sorted(options)) for question, options in sorted(found.items())}


class _Objects:
    """What the objects of a table are, by their place in it, and whether they have no area."""

    def __init__(self, table: pa.Table) -> None:
        columns = _values(table, "feature_schema_id", "name", "kind", "has_area")
        self._found = [
            ((schema or "", name, kind), area is False) for schema, name, kind, area in zip(*columns, strict=True)
        ]
        firsts = np.flatnonzero(table["annotation_index"].to_numpy() == 0)
        labels = _values(table.select(["data_row_id", "label_index"]).take(firsts), "data_row_id", "label_index")
        self._firsts = dict(zip(zip(*labels, strict=True), firsts.tolist(), strict=True))

    def at(self, row_id: str, label: int, index: int) -> tuple[Thing, bool]:
        """Give what an object of a label is, whose objects stand together in order; true where it has no area."""
        found: tuple[Thing, bool] = self._found[self._firsts[row_id, label] + index]
        return found


def _crowded(table: pa.Table, objects: Mapping[str, int]) -> int:
    """Count the rows of which a polygon or mask is beyond those that 8 bits number; ``objects`` are all, by row."""
    many = [row_id for row_id, count in objects.items() if count > _PLACES]
    if not many:
        return 0
    numbered = table.filter(pc.and_(table["has_area"], pc.is_in(table["data_row_id"], pa.array(many, pa.string()))))
    places: Counter[str] = Counter()
    crowded: set[str] = set()
    for row_id, kind in zip(*_values(numbered, "data_row_id", "kind"), strict=True):
        places[row_id] += 1
        if places[row_id] > _PLACES and kind in _REGIONS:
            crowded.add(row_id)
    return len(crowded)


def _latest(tables: Mapping[str, pa.Table]) -> str:
    """Find when a row or a label last changed, in RFC 3339 in UTC to the second; "" where no time is told."""
    labels = tables["labels"]
    details = labels["label_details"].filter(pc.equal(labels["origin"], "label"))
    changes = [_told(details, name) for name in ("content_last_updated_at", "updated_at", "created_at")]
    told = [*zip(_told(tables["data_rows"]["details"], "last_activity_at")), *zip(*changes, strict=True)]
    moments = (next(filter(None, map(instant, texts)), None) for texts in told)
    latest = max(filter(None, moments), default=None)
    return latest.isoformat(timespec="seconds").replace("+00:00", "Z") if latest else ""


def _told(blocks: pa.ChunkedArray, name: str) -> list[str | None]:
    """Return a text of each block."""
    texts: list[str | None] = pc.struct_field(blocks, name).to_pylist()
    return texts


def _sides(table: pa.Table) -> dict[str, Bins]:
    """Count objects by kind and by the square root of their area."""
    bins = np.searchsorted(_AREAS, areas_of(table), side="right")
    counted = Counter(zip(table["kind"].to_pylist(), bins.tolist(), strict=True))
    sides: defaultdict[str, Bins] = defaultdict(dict)
    for (kind, place), count in sorted(counted.items()):
        sides[kind][(1 << place) >> 1] = count
    return dict(sides)


def _sum(counts: Iterable[dict[Key, int]]) -> dict[Key, int]:
    total: Counter[Key] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted((key, count) for key, count in total.items() if count))
