"""The outputs of a dataset file: names of trees, each with its format, that format's options, and what it selects.

``{yolo-detect: {format: yolo, task: detect, classes: [car, person]}, coco: {}}``: a plain name is a format's. Formats
know neither the name nor the selection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from labelsnap.errors import ConfigurationError
from labelsnap.formats.registry import FORMATS, STANDING, format_of, unknown
from labelsnap.records.choices.names import DEVICES
from labelsnap.records.choices.selection import (
    CLASSES,
    EVERYTHING,
    FORMAT,
    KINDS_OF,
    OF_OUTPUTS,
    RELATIONSHIP,
    Selection,
)
from labelsnap.records.counts import KINDS
from labelsnap.records.ontology import OBJECTS
from labelsnap.redaction import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelsnap.formats.interface import Dataset, Format, Holdings, Row, Shard
    from labelsnap.records.choices.selection import Choice
    from labelsnap.records.model import Sample

OWN_NAME: Final = " An output with a name of its own needs `format: FORMAT` among its options."
MOST_CLASSES: Final = 65_534
"""As many numbers as label maps of 16 bits have."""
_NAME: Final = re.compile(rf"(?!(?:{DEVICES})$)[A-Za-z0-9][A-Za-z0-9_-]{{0,62}}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Output:
    """A tree that ``pull`` lays out: its name, its format with options, and what of the dataset it has."""

    name: str
    form: Format
    selection: Selection = EVERYTHING

    @property
    def is_named(self) -> bool:
        """Whether it has another name than its format."""
        return self.name != self.form.name


def selected(dataset: Dataset, choice: Choice) -> Dataset:
    """Give what an output's format is given: every row, with what is selected of its annotations and of classes."""
    if choice.selection == EVERYTHING:
        return dataset

    def rows(split: str) -> Iterator[Row]:
        return (replace(row, sample=choice.sample(row.sample)) for row in dataset.rows(split))

    def shards(split: str, size: int) -> Iterator[Shard]:
        for shard in dataset.shards(split, size):
            yield replace(shard, samples=partial(of_shard, shard))

    def of_shard(shard: Shard) -> Iterator[Sample]:
        return map(choice.sample, shard.samples())

    return replace(dataset, registry=choice.registry, rows=rows, shards=shards)


def outputs_of(formats: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Output]:
    """Give the outputs by name, as ``formats`` of a dataset file says.

    Raises ``ConfigurationError``: ``bad_output_name``, ``bad_selection``, or what ``format_of`` raises.
    """
    outputs = {name: output_of(name, options) for name, options in formats.items()}
    spelled: dict[str, str] = {}
    for name in outputs:
        if (other := spelled.setdefault(name.lower(), name)) != name:
            raise _bad_name(name, f"{other!r} beside it, which is the same folder where case is ignored")
    return outputs


def output_of(name: str, options: Mapping[str, Any] | None = None) -> Output:
    """Give one output. Raises ``ConfigurationError`` as ``outputs_of`` does."""
    given = dict(options or {})
    form = format_of(_format(name, given), {key: each for key, each in given.items() if key not in OF_OUTPUTS})
    if name != form.name:
        _check_name(name, form)
    selection = Selection(_classes(name, given.get(CLASSES)), _kinds(name, form, given.get(KINDS_OF)))
    if selection != EVERYTHING and form.name in STANDING:
        raise _bad_selection(
            name, "classes or kinds", "its files are the snapshot's own, and hold all of it", "Take them out."
        )
    return Output(name, form, selection)


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Spell an output's options so that they survive any journey as JSON: in an object keys have no order.

    ``classes: {car: vehicle, person: person}`` becomes ``classes: [{car: vehicle}, person]``.
    """
    classes = options.get(CLASSES)
    if not isinstance(classes, Mapping):
        return dict(options)
    return {**options, CLASSES: [name if name == given else {name: given} for name, given in classes.items()]}


def _format(name: str, given: Mapping[str, Any]) -> str:
    """The name of an output's format."""
    if FORMAT not in given:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS, code="unknown_format", more=OWN_NAME)
        return name
    if not isinstance(given[FORMAT], str):
        raise _bad_selection(name, "format", f"found {shown(given[FORMAT])}", "Give the name of a format.")
    return given[FORMAT]


def _check_name(name: str, form: Format) -> None:
    """Raise ``ConfigurationError`` where a name of an output's own cannot be that of a folder."""
    if not _NAME.fullmatch(name):
        raise _bad_name(name, "what is no such name")
    if name.lower() in FORMATS:
        raise _bad_name(name, f"the name of another format than {form.name}")
    if form.name in STANDING:
        raise _bad_name(name, f"a second {form.name}, whose files are the snapshot's own: there is one, {form.name!r}")


def _bad_name(name: str, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"The output {shown(name)} cannot be called so: found {found}.",
        remedy="Take 1 to 63 letters, digits, - and _, the first a letter or digit; no other format's name, none that "
        "Windows takes for a device, and no two that differ in upper and lower case alone.",
        code="bad_output_name",
    )


def _bad_selection(name: str, key: str, found: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"`{key}` of the output {shown(name)} cannot be used: {found}.", remedy=remedy, code="bad_selection"
    )


def _classes(name: str, given: Any) -> tuple[tuple[str, str], ...] | None:
    """Read a list of names, some of them with the name that the class has in the output, or a mapping to these."""
    if given is None:
        return None
    remedy = "Give a list of names, `[car, person]`, or `{car: vehicle, person: person}`; quote what is no text."
    entries = plain({CLASSES: given})[CLASSES]
    if not isinstance(entries, list | tuple) or not 0 < len(entries) <= MOST_CLASSES:
        raise _bad_selection(name, CLASSES, f"found {shown(given)}, where 1 to {MOST_CLASSES} names belong", remedy)
    pairs = tuple(map(_pair, entries))
    for entry, pair in zip(entries, pairs, strict=True):
        if not all(isinstance(each, str) and each.strip() for each in pair):
            raise _bad_selection(name, CLASSES, f"found {shown(entry)} for a name", remedy)
    if twice := _repeated(own for own, _ in pairs):
        raise _bad_selection(name, CLASSES, f"{shown(twice)} stands there twice", "Give each class one place.")
    return pairs


def _pair(entry: Any) -> tuple[Any, Any]:
    """A class's name in the dataset and in the output; nothing that is text where it is neither."""
    if isinstance(entry, Mapping):
        return next(iter(entry.items())) if len(entry) == 1 else (None, None)
    return entry, entry


def _kinds(name: str, form: Format, given: Any) -> tuple[str, ...] | None:
    """Read a list of kinds, in the order that kinds have."""
    if given is None:
        return None
    remedy = f"There are: {', '.join(KINDS)}."
    if not isinstance(given, list | tuple) or not given:
        raise _bad_selection(name, KINDS_OF, f"found {shown(given)}, where a list of kinds belongs", remedy)
    for kind in given:
        if kind not in KINDS:
            near = get_close_matches(str(kind), KINDS, n=1)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            raise _bad_selection(name, KINDS_OF, f"{shown(kind)} is none", f"{meant}{remedy}")
    if twice := _repeated(given):
        raise _bad_selection(name, KINDS_OF, f"{shown(twice)} stands there twice", "Name each kind once.")
    held = {kind for holds in (form.holds, form.holds_of_predictions) for kind in KINDS if _is_held(holds, kind)}
    if held.isdisjoint(given):
        able = f"It holds: {', '.join(kind for kind in KINDS if kind in held)}."
        raise _bad_selection(name, KINDS_OF, f"{form.name}, as it is set, holds none of {', '.join(given)}", able)
    if RELATIONSHIP in given and set(given).isdisjoint(OBJECTS):
        objects = f"Name kinds of objects too: {', '.join(OBJECTS)}."
        raise _bad_selection(name, KINDS_OF, "a relationship goes with its two objects, and there are none", objects)
    return tuple(kind for kind in KINDS if kind in given)


def _is_held(holds: Holdings, kind: str) -> bool:
    return getattr(holds, kind) not in {False, "nowhere"}


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
