"""Hypothesis strategies for samples of every shape that the model has."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from labelsnap.records.geometry import BoundingBox, Mask, MaskReference, Overlap, Point, Polygon, Polyline, Runs
from labelsnap.records.image import Image
from labelsnap.records.model import (
    Annotation,
    Attachment,
    ChecklistAnswer,
    Classification,
    DataRow,
    DataRowDetails,
    Embedding,
    Label,
    LabelDetails,
    MediaAttributes,
    MetadataField,
    ModelRunEntry,
    Option,
    PerformanceDetails,
    ProjectDetails,
    ProjectEntry,
    RadioAnswer,
    Record,
    Relationship,
    Review,
    Sample,
    TextAnswer,
    Unanswered,
    Unreadable,
    WorkflowMove,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
maybe = st.none() | texts
numbers = st.floats(allow_nan=False, allow_infinity=False)
sizes = st.integers(0, 2**31 - 1)
counts = st.dictionaries(texts, sizes, max_size=2)
bytes_of_colour = st.integers(0, 255)
positions = st.tuples(numbers, numbers)
vertices = st.lists(positions, min_size=1, max_size=4).map(tuple)
references = st.builds(MaskReference, texts, st.none(), st.none()) | st.builds(
    MaskReference, maybe, texts, st.tuples(bytes_of_colour, bytes_of_colour, bytes_of_colour)
)
runs = st.builds(
    Runs,
    sizes,
    sizes,
    st.text("0123abcdefPQ`", max_size=8).map(str.encode),
    st.integers(0, 2**40),
    st.tuples(sizes, sizes, sizes, sizes),
)
geometries = st.one_of(
    st.builds(BoundingBox, numbers, numbers, numbers, numbers),
    st.builds(Polygon, vertices),
    st.builds(Polyline, vertices),
    st.builds(Point, numbers, numbers),
    references,
    st.builds(Mask, references, runs, st.none() | st.builds(Overlap, sizes, sizes)),
)


def few(elements: Any) -> Any:
    """A tuple of up to two."""
    return st.lists(elements, max_size=2).map(tuple)


def _questions(below: Any) -> Any:
    options = st.builds(Option, maybe, maybe, texts, maybe, below)
    answers = st.one_of(
        st.builds(RadioAnswer, options),
        st.builds(ChecklistAnswer, few(options)),
        st.builds(TextAnswer, texts, below),
    )
    return few(st.builds(Classification, maybe, maybe, texts, maybe, answers))


questions = st.recursive(st.just(()), _questions, max_leaves=4)
objects = st.builds(
    Annotation, texts, maybe, texts, maybe, geometries, questions, st.none() | sizes, st.none() | numbers
)
relationships = st.builds(Relationship, texts, maybe, texts, maybe, texts, texts, questions)
labels = st.builds(
    Label,
    texts,
    maybe,
    maybe,
    st.none() | st.builds(LabelDetails, maybe, maybe, maybe, maybe, few(st.builds(Review, texts))),
    st.none() | st.builds(PerformanceDetails, st.none() | numbers, st.none() | numbers, st.none() | st.booleans()),
    few(objects),
    questions,
    few(relationships),
    st.booleans(),
    maybe,
    st.none() | numbers,
    few(st.builds(Unanswered, texts, maybe, maybe, maybe, maybe, maybe, maybe, maybe)),
)
moves = st.builds(WorkflowMove, maybe, maybe, maybe, maybe, maybe, maybe, maybe)
project_details = st.builds(ProjectDetails, *[maybe] * 6, st.none() | sizes, st.none() | sizes, maybe, few(moves))
entries = st.builds(ProjectEntry, texts, maybe, st.none() | project_details, few(labels)) | st.builds(
    ModelRunEntry, texts, maybe, texts, maybe, maybe, maybe, few(labels), few(labels)
)
metadata = st.builds(
    MetadataField,
    maybe,
    maybe,
    maybe,
    st.none() | texts | st.booleans() | numbers | st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
)
media = st.builds(MediaAttributes, st.none() | sizes, st.none() | sizes, maybe, st.none() | st.integers(1, 8), maybe)
embeddings = st.builds(Embedding, maybe, maybe, st.none() | sizes, st.none() | st.booleans(), few(numbers))


def samples_of(row_id: Any) -> Any:
    """Samples of one data row."""
    data_row = st.builds(
        DataRow,
        st.just(row_id),
        maybe,
        maybe,
        texts,
        st.none() | st.builds(DataRowDetails, *[maybe] * 6),
        media,
        few(metadata),
        few(st.builds(Attachment, maybe, maybe, maybe, maybe)),
        few(embeddings),
    )
    image = st.builds(Image, texts, sizes, sizes, texts, maybe, st.none() | sizes)
    unreadable = few(st.builds(Unreadable, texts, texts))
    records = st.builds(Record, data_row, entries, texts, counts, counts, unreadable, sizes)
    rules = st.sampled_from([None, "composite", "instance"])
    return st.builds(Sample, records, image, st.sampled_from(["train", "val"]), rules)


@st.composite
def sample_lists(draw: Any) -> Any:
    """Up to three samples of different data rows, in any order."""
    row_ids = draw(st.lists(texts, unique=True, max_size=3))
    return [draw(samples_of(row_id)) for row_id in row_ids]
