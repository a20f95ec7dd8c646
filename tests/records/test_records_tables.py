"""The canonical tables: the same samples come back, and the same content gives the same bytes."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pyarrow import parquet
from records_lines import MODEL_RUN, PROJECT, published, reference_row
from records_strategies import entries, sample_lists

from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.choices.policy import Policy
from labelsnap.records.geometry import Mask, MaskReference, Runs
from labelsnap.records.image import Image
from labelsnap.records.model import Apart, ModelRunEntry, Problem, Sample, Source, Unanswered, Unreadable
from labelsnap.records.tables.schema import OF_SOURCES, SCHEMAS
from labelsnap.records.tables.tables import (
    classes_of,
    classes_table,
    from_tables,
    problems_of,
    problems_table,
    to_tables,
    write_table,
)
from tests.examples import of_a_hundred


def by_row(samples: Any) -> Any:
    """Samples in the canonical order."""
    return sorted(samples, key=lambda sample: sample.record.data_row.id)


def project_sample(row_id: Any = "row1") -> Any:
    """The reference document's project row under another id."""
    record = published(reference_row("project_row"), Policy(Source("project", PROJECT)))
    record = replace(record, data_row=replace(record.data_row, id=row_id))
    return Sample(record, Image("a.jpg", 2560, 1707, "image/jpeg", "0" * 64, 9), "val")


@given(sample_lists())
@settings(max_examples=of_a_hundred(30), deadline=None)
def test_samples_come_back_from_tables(samples: Any) -> None:
    """Every sample that the model can express is the same after the tables."""
    assert list(from_tables(to_tables(samples))) == by_row(samples)


def test_tables_of_before_there_were_counts_are_read() -> None:
    """An older version's data rows do not tell what policies left out: nothing is read for it."""
    made = project_sample()
    counted = replace(made, record=replace(made.record, labels_excluded={"skipped": 2}))
    tables = to_tables([counted])
    tables["data_rows"] = tables["data_rows"].drop_columns(["labels_excluded", "annotations_dropped"])
    assert list(from_tables(tables)) == [made]


def test_tables_of_before_anything_was_noted_are_read() -> None:
    """An older version has no tables of unreadable fields and unanswered questions, and fewer columns."""
    made = project_sample()
    (label,) = made.record.entry.labels
    noted = replace(
        label,
        benchmark_reference_label="l9",
        benchmark_score=0.5,
        unanswered=(Unanswered("image", None, None, None, None, "q", None, "radio"),),
    )
    record = replace(
        made.record,
        entry=replace(made.record.entry, labels=(noted,)),
        unreadable=(Unreadable("$.attachments", "wrong_type"),),
        text_replaced=2,
    )
    tables = to_tables([replace(made, record=record)])
    assert list(from_tables(tables)) == [replace(made, record=record)]
    del tables["unanswered"], tables["unreadable"]
    tables["data_rows"] = tables["data_rows"].drop_columns(["text_replaced"])
    tables["labels"] = tables["labels"].drop_columns(["benchmark_reference_label", "benchmark_score"])
    assert list(from_tables(tables)) == [made]


@given(sample_lists())
@settings(max_examples=of_a_hundred(15), deadline=None)
def test_samples_come_back_from_parquet(samples: Any) -> None:
    """Every sample is the same after Parquet, and the tables of no samples are valid too."""
    tables = {name: parquet.read_table(BytesIO(write_table(table))) for name, table in to_tables(samples).items()}
    assert {name: table.schema for name, table in tables.items()} == SCHEMAS
    assert list(from_tables(tables)) == by_row(samples)


@given(st.permutations([project_sample(f"row{number}") for number in range(4)]))
@settings(max_examples=of_a_hundred(10), deadline=None)
def test_bytes_do_not_depend_on_the_order_of_samples(samples: Any) -> None:
    """Tables are ordered by data row, so that the same samples give the same bytes."""
    ordered = to_tables(by_row(samples))
    assert {name: write_table(table) for name, table in to_tables(samples).items()} == {
        name: write_table(table) for name, table in ordered.items()
    }


def test_bytes_do_not_depend_on_chunks() -> None:
    """A table that was put together of parts is written as the table in one part."""
    table = to_tables([project_sample()])["annotations"]
    parts = pa.concat_tables([table.slice(0, 5), table.slice(5)])
    assert write_table(parts) == write_table(table)


def test_tables_read_in_parts_and_from_slices() -> None:
    """Tables in several chunks, and slices of a larger table, are read like whole ones."""
    samples = [project_sample("row1"), project_sample("row2")]
    whole = to_tables(samples)
    joined = {name: pa.concat_tables([table.slice(0, 1), table.slice(1)]) for name, table in whole.items()}
    assert list(from_tables(joined)) == samples
    second = {name: table.filter(pa.compute.field("data_row_id") == "row2") for name, table in whole.items()}
    assert list(from_tables(second)) == samples[1:]
    half = {name: table.slice(table.num_rows // 2) for name, table in whole.items()}
    assert list(from_tables(half)) == samples[1:]


def test_other_tables_are_left_alone() -> None:
    """Tables of other names beside the canonical ones do not disturb."""
    tables = to_tables([project_sample()]) | {"images": pa.table({"a": [1]})}
    assert len(list(from_tables(tables))) == 1


def test_two_samples_of_one_row_are_refused() -> None:
    """A data row stands in the tables once."""
    with pytest.raises(ValueError, match="once"):
        to_tables([project_sample(), project_sample()])


def test_decoded_masks_in_columns() -> None:
    """A mask's runs stand in typed columns: counts as text, area, size and box as integers."""
    made = project_sample()
    (label,) = made.record.entry.labels
    runs = Runs(1707, 2560, b"PPYo1", 12, (3, 4, 5, 6))
    objects = tuple(
        replace(each, geometry=Mask(each.geometry, runs)) if isinstance(each.geometry, MaskReference) else each
        for each in label.annotations
    )
    entry = replace(made.record.entry, labels=(replace(label, annotations=objects),))
    made = replace(made, record=replace(made.record, entry=entry))
    tables = to_tables([made])
    masks = [row for row in tables["annotations"].to_pylist() if row["kind"] == "mask"]
    assert [row["mask"] for row in masks] == [
        {"height": 1707, "width": 2560, "counts": "PPYo1", "area": 12, "bounding_box": [3, 4, 5, 6]}
    ] * 5
    assert list(from_tables(tables)) == [made]


def test_rows_without_labels_stay() -> None:
    """A row that nobody labelled is a row of ``data_rows``."""
    made = project_sample()
    made = replace(made, record=replace(made.record, entry=replace(made.record.entry, labels=())))
    tables = to_tables([made])
    assert (tables["data_rows"].num_rows, tables["labels"].num_rows) == (1, 0)
    assert list(from_tables(tables)) == [made]


def test_labels_and_predictions_of_one_id_stay_apart() -> None:
    """In the reference document a label and a prediction carry one id; the tables tell them apart by origin."""
    record = published(reference_row("model_run_row"), Policy(Source("model_run", MODEL_RUN)))
    assert isinstance(record.entry, ModelRunEntry)
    assert record.entry.labels[0].id == record.entry.predictions[0].id
    tables = to_tables([Sample(record, Image("a.jpg", 1, 1, "image/jpeg", None, None), "test")])
    assert (tables["annotations"].num_rows, tables["predictions"].num_rows) == (7, 6)
    assert tables["labels"].column("origin").to_pylist() == ["label", "prediction"]


def test_questions_name_what_they_hang_on() -> None:
    """A nested question names the question above by its index and the answer by its feature id."""
    questions = to_tables([project_sample()])["classifications"].to_pylist()
    below = next(each for each in questions if each["name"] == "sub_checklist_question")
    above = questions[below["owner_index"]]
    assert (below["owner"], below["owner_feature_id"], above["name"]) == (
        "answer",
        "clur5tlyr1n3207dc4u4nfg08",
        "nested_checklist_question",
    )
    about = next(each for each in questions if each["name"] == "sub_radio_question" and each["owner"] == "object")
    assert (about["owner_index"], about["owner_feature_id"]) == (2, "clur5tlyr1n2h07dc1pxnhoj3")


def test_classes_come_back() -> None:
    """A registry is the same after its table, merged names and tombstones included."""
    registry = ClassRegistry(
        (Class(1, "s1", "car", ("auto",), kinds=("mask",)), Class(2, None, "car", removed=True), Class(3, "s3", "bus")),
        ("car",),
    )
    table = classes_table(registry)
    assert classes_of(parquet.read_table(BytesIO(write_table(table)))) == registry
    assert table.column("unique_name").to_pylist() == ["car", "car_2", "bus"]
    assert classes_of(classes_table(ClassRegistry())) == ClassRegistry()


def test_problems_come_back() -> None:
    """Problems are the same after their table, in their order."""
    problems = [Problem(3, "row1", "$.a", "wrong_type", "why"), Problem(1, None, "$", "not_json", "why")]
    assert problems_of(parquet.read_table(BytesIO(write_table(problems_table(problems))))) == problems


@given(sample_lists(), st.lists(entries, max_size=3))
@settings(max_examples=of_a_hundred(30), deadline=None)
def test_what_other_sources_have_stands_in_tables_of_its_own(samples: Any, others: Any) -> None:
    """In the columns in which it would stand if that source had won; the tables of the one that won are as ever."""
    apart = tuple(Apart(f"other-{number}", each) for number, each in enumerate(others))
    told = [replace(each, record=replace(each.record, source="won", others=apart)) for each in samples]
    tables, plain = to_tables(told), to_tables(samples)
    assert {name: tables[name] for name in SCHEMAS} == plain
    assert tables.keys() == (SCHEMAS.keys() | OF_SOURCES.keys() if samples else SCHEMAS.keys())
    assert list(from_tables(tables)) == by_row(samples)
    for number, other in enumerate(others) if samples else ():
        alone = to_tables([replace(each, record=replace(each.record, entry=other)) for each in samples])
        for name in OF_SOURCES.keys() - {"sources"}:
            found = tables[name].filter(pc.equal(tables[name]["from_source"], f"other-{number}"))
            kept = found.drop_columns(["from_source", "source_kind", "source_id"])
            assert kept.equals(alone[name.removeprefix("source_")])
        rows = tables["sources"].filter(pc.equal(tables["sources"]["source_index"], number + 1))
        assert rows["source_id"].to_pylist() == [other.id] * len(samples)
        assert rows["labels"].to_pylist() == [len(other.labels)] * len(samples)
        assert rows["project_details"].to_pylist() == alone["data_rows"]["project_details"].to_pylist()
