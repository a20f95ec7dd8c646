"""One label of a row: who drew it, its ids, its colours and its masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from deploy.sandbox.project.identifiers import colours, cuid, uuid
from deploy.sandbox.scenes.drawing import KEPT, Instances, encode_png, instance_map

PREDICTION = 9  # the label number of a model's predictions; labellers are 0, 1 and 2, partners' are above it
LABEL_STRIDE = 1000  # an id's part number = label number · 1000 + number within the label (1 to 255: masks)
MARGIN = 16  # no label shifts its geometry further than this
_COMPOSITE = 999
_LEAST_VISIBLE = 30  # pixels; what shows less is not annotated


@dataclass(frozen=True, slots=True)
class Label:
    """Who drew it (``number``) on which row, and how often it has been edited since (``revision``)."""

    seed: int
    index: int
    number: int = 0
    revision: int = 0

    @property
    def shift(self) -> tuple[int, int]:
        """By how many pixels (right, down) this labeller's geometry differs from the picture's, each at most 16."""
        x, y = (5, 3) if self.number == PREDICTION else (2 * self.number, self.number)
        if self.number > PREDICTION:
            x, y = self.number - PREDICTION, 7
        return x + 3 * (self.revision % 4), y + 2 * (self.revision % 4)

    @property
    def composite_part(self) -> int:
        """The part number of its composite's id, which changes with every edit."""
        return self.number * LABEL_STRIDE + _COMPOSITE - self.revision

    @classmethod
    def of_composite(cls, seed: int, index: int, part: int) -> Label:
        """The label, as it was then, that a composite's part number names."""
        number, revision = divmod(part, LABEL_STRIDE)
        return cls(seed, index, number, _COMPOSITE - revision)


@dataclass(frozen=True, slots=True)
class Style:
    """Which of the ways that real exports have this row's line takes."""

    composite: bool = True
    instance: bool = True
    composite_suffix: str = "/index/1"
    instance_suffix: str = "/index/1/mask"
    old: bool = False
    open_rings: bool = False
    whole_numbers: bool = False
    z_order: bool = False
    shared_colour: bool = False
    hidden_instance: bool = False
    unused_colour: bool = False


@lru_cache(maxsize=64)
def visible(seed: int, index: int) -> tuple[int, ...]:
    """The instance numbers that show enough pixels to be annotated, in drawing order."""
    inner = instance_map(seed, index)[:-MARGIN, :-MARGIN]
    pixels = np.bincount(inner.ravel(), minlength=256)
    return tuple(number for number in range(1, 256) if pixels[number] >= _LEAST_VISIBLE)


def label_map(label: Label) -> Instances:
    """The instance numbers as this labeller drew them, H × W: the scene's, shifted, without what shows too little."""
    seen = instance_map(label.seed, label.index)
    height, width = seen.shape
    x, y = label.shift
    numbers = np.array(visible(label.seed, label.index), np.uint8)
    keep = np.zeros(256, np.uint8)
    keep[numbers] = numbers
    drawn = np.zeros_like(seen)
    drawn[y:, x:] = keep[seen[: height - y, : width - x]]
    return drawn


def label_colours(label: Label, style: Style) -> dict[int, tuple[int, int, int]]:
    """The composite's colour of each annotated instance number."""
    numbers = visible(label.seed, label.index)
    chosen = colours(label.seed, label.index * 16 + label.number, len(numbers))
    if style.shared_colour and len(chosen) > 1:
        chosen[1] = chosen[0]
    return dict(zip(numbers, chosen, strict=True))


@lru_cache(maxsize=KEPT)
def instance_mask(label: Label, part: int) -> bytes | None:
    """One instance as a PNG: grey, 255 where it is seen; None where the label has no such instance."""
    if part not in visible(label.seed, label.index):
        return None
    return encode_png((label_map(label) == part).astype(np.uint8) * 255)


@lru_cache(maxsize=KEPT)
def composite_mask(label: Label, style: Style) -> bytes:
    """All instances of a label as a PNG: each in its colour, black where nothing is annotated."""
    palette = np.zeros((256, 3), np.uint8)
    named = label_colours(label, style)
    for number in list(named)[style.hidden_instance :]:
        palette[number] = named[number]
    pixels = palette[label_map(label)]
    if style.unused_colour:
        pixels[:6, :6] = (1, 2, 3)
    return encode_png(pixels)


def feature_id(label: Label, part: int, *, model_run: bool = False) -> str:
    """The ``feature_id`` of part ``part`` of a label: a cuid in a project's export, a UUID in a model run's."""
    number = label.number * LABEL_STRIDE + part
    return (uuid if model_run else cuid)(label.seed, "feature", label.index, number)
