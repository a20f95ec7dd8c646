"""Splits that exist already: of a model run, of metadata, of tags, and of a list of ids."""

from __future__ import annotations

import csv
import json

import pytest

from config.reading import load_dataset
from flows.refresh import refresh
from flows.reprocess import reprocess
from labelsnap.errors import ConfigurationError
from labelsnap.references import compare, pull
from labelsnap.snapshots.checking.verify import verify
from tests.flows.versions import splits, store_of

OF_LABELBOX = {"training": "train", "validation": "val", "test": "test"}
"""Labelbox's words for ours."""


def moved(before, after):
    """The ids of the rows that moved, by ``snapshots diff``."""
    return set(compare(before["ref"], after["ref"])[1].rows.moved)


def asked(sandbox):
    """How many masks and images were asked for."""
    return sandbox.requests.count("*mask"), sandbox.requests.count("image")


def run_splits(sandbox):
    """What an export of the model run says of each row: three of five train, one val, one test, unless it was moved."""
    first = ("training", "training", "training", "validation", "test")
    return {row.id: OF_LABELBOX[row.edit.split or first[row.index % 5]] for row in sandbox.rows()}


@pytest.mark.slow
def test_the_splits_of_a_model_run_are_those_of_the_tree_and_what_moves_there_moves(dataset, sandbox, tmp_path):
    """Ten rows are moved at Labelbox: those move, in the tables and in the tree, and no mask or image is asked for."""
    chosen = dataset(model_run=True, split={"from": "model_run"})
    first = refresh(chosen)
    rows = {row.id: row for row in sandbox.rows()}
    expected = run_splits(sandbox)
    assert splits(first) == {row_id: expected[row_id] for row_id in splits(first)}
    assert set(splits(first).values()) == {"train", "val", "test"}
    assert refresh(chosen)["reason"] == "unchanged"

    ten = sorted(splits(first))[:10]
    for row_id in ten:
        now = splits(first)[row_id]
        sandbox.set_split(rows[row_id].index, "test" if now == "train" else "training")
    sandbox.requests.clear()
    second = refresh(chosen)
    assert asked(sandbox) == (0, 0)
    expected = run_splits(sandbox)
    assert splits(second) == {row_id: expected[row_id] for row_id in splits(first)}
    assert moved(first, second) == set(ten)
    assert second["reused_rows"] == len(splits(first)) - len(ten)
    pull(second["ref"], "coco", tmp_path / "tree")
    in_tree = {
        image["data_row_id"]: split
        for split in ("train", "val", "test")
        for image in json.loads((tmp_path / f"tree/annotations/instances_{split}.json").read_bytes())["images"]
    }
    assert in_tree == splits(second)
    assert verify(store_of(second)).faults == ()


@pytest.mark.slow
def test_what_the_source_says_no_more_stands(dataset, sandbox):
    """A row that is unassigned is where it was; a row that never was assigned goes by hash, as without a source."""
    hashed = splits(refresh(dataset(model_run=True, formats={}, dataset="hashed")))
    never = next(row for row in sandbox.rows() if row.id in hashed)
    sandbox.set_split(never.index, "UNASSIGNED")
    chosen = dataset(model_run=True, formats={}, split={"from": "model_run"})
    first = refresh(chosen)
    assert splits(first)[never.id] == hashed[never.id]
    held = next(row for row in sandbox.rows() if splits(first).get(row.id, "train") != "train")
    sandbox.set_split(held.index, "UNASSIGNED")
    second = refresh(chosen)
    assert splits(second) == splits(first)
    assert splits(refresh(dataset(model_run=True, formats={}))) == splits(first)


@pytest.mark.slow
def test_turning_a_source_on_moves_what_it_names_and_asks_for_nothing(dataset, sandbox):
    """Of a dataset that was dealt by hash: the rows that the run names otherwise move, and all others stand."""
    first = refresh(dataset(model_run=True))
    sandbox.requests.clear()
    second = refresh(dataset(model_run=True, split={"from": "model_run"}))
    expected = run_splits(sandbox)
    assert asked(sandbox) == (0, 0)
    assert moved(first, second) == {row_id for row_id, split in splits(first).items() if expected[row_id] != split}


def done(sandbox):
    """The rows that are published."""
    return [row for row in sandbox.rows("DONE") if not row.skipped]


@pytest.mark.slow
def test_a_metadata_field_names_splits_and_an_unknown_name_is_a_problem(dataset, sandbox):
    """Never dealt by hash: a row of the name that is not known is published when the dataset file says what it is."""
    one, other, odd, *rest = done(sandbox)
    for row, value in ((one, "Valid"), (other, " TEST "), (odd, "holdout")):
        sandbox.set_metadata(row.index, "split", value)
    chosen = dataset(formats={}, split={"from": "metadata:split"}, problems={"max_share": 0.2})
    first = refresh(chosen)
    assert first["problems"] == {"unknown_split": 1}
    assert {row.id: splits(first).get(row.id) for row in (one, other, odd)} == {
        one.id: "val",
        other.id: "test",
        odd.id: None,
    }
    assert splits(first).keys() == {row.id for row in (one, other, *rest)}
    named = refresh(dataset(formats={}, split={"from": "metadata:split", "names": {"Holdout": "test"}}))
    assert splits(named) == splits(first) | {odd.id: "test"}
    sandbox.set_metadata(one.index, "split", "train")
    after = refresh(dataset(formats={}, split={"from": "metadata:split", "names": {"Holdout": "test"}}))
    assert moved(named, after) == {one.id}
    assert splits(after)[one.id] == "train"


@pytest.mark.slow
def test_of_tags_those_that_name_a_split_count(dataset, sandbox):
    """Other tags say nothing; a row with two that differ is a problem, and one with none goes by hash."""
    hashed = splits(refresh(dataset(formats={}, dataset="hashed")))
    one, two, both, other, *_ = done(sandbox)
    sandbox.set_metadata(one.index, "tag", "night", "test")
    sandbox.set_metadata(two.index, "tag", "validation", "val")
    sandbox.set_metadata(both.index, "tag", "train", "test")
    sandbox.set_metadata(other.index, "tag", "night", "rain")
    first = refresh(dataset(formats={}, split={"from": "tag:tag"}, problems={"max_share": 0.2}))
    assert first["problems"] == {"ambiguous_split": 1}
    assert splits(first) == {key: split for key, split in hashed.items() if key != both.id} | {
        one.id: "test",
        two.id: "val",
    }


@pytest.mark.parametrize("rows_per_bucket", [pytest.param("4", marks=pytest.mark.slow), "128"])
def test_a_list_of_ids_names_splits_and_a_line_of_it_touches_its_row_alone(
    dataset_file, sandbox, tmp_path, monkeypatch, rows_per_bucket
):
    """Beside the dataset file, wherever that is read from; a row that it names no more stays where it is."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", rows_per_bucket)
    listed = tmp_path / "splits.csv"
    rows = [row for row in done(sandbox) if row.global_key]
    first_splits = {row.global_key: ("test", "val", "train")[number % 3] for number, row in enumerate(rows)}

    def write(content):
        with listed.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                [("global_key", "split", "note"), *((*each, "other") for each in content.items())]
            )
        return load_dataset(dataset_file(split={"from": "file:splits.csv"}))

    first = refresh(write(first_splits))
    assert {row.id: first_splits[row.global_key] for row in rows}.items() <= splits(first).items()
    assert len(splits(first)) > len(rows)
    assert refresh(write(dict(reversed(first_splits.items()))))["reason"] == "unchanged"

    away, *two, last = rows[0], rows[1], rows[4], rows[-1]
    changed = first_splits | {
        row.global_key: "train" if first_splits[row.global_key] != "train" else "val" for row in two
    }
    sandbox.requests.clear()
    second = refresh(write({key: split for key, split in changed.items() if key != away.global_key}))
    assert asked(sandbox) == (0, 0)
    found = compare(first["ref"], second["ref"])[1].rows
    assert (set(found.moved), found.changed) == ({row.id for row in two}, ())
    assert second["reused_rows"] == len(splits(first)) - len(two) - 1
    assert splits(second)[away.id] == splits(first)[away.id]
    assert last.id not in found.moved


@pytest.mark.slow
def test_what_a_list_says_holds_for_lines_that_are_read_again(dataset_file, first_version, sandbox, tmp_path):
    """A version is made anew with a list of splits, without Labelbox: no mask is lost."""
    before = first_version(load_dataset(dataset_file()))
    lines = [f"{row_id},test" for row_id in splits(before)]
    (tmp_path / "splits.csv").write_text("\n".join(["data_row_id,split", *lines]), encoding="utf-8")
    sandbox.requests.clear()
    result = reprocess(load_dataset(dataset_file(split={"from": "file:splits.csv"})), before["ref"])
    assert (result["rows"], result["annotations"]) == (before["rows"], before["annotations"])
    assert set(splits(result).values()) == {"test"}
    assert moved(before, result) == {row for row, split in splits(before).items() if split != "test"}
    assert sandbox.requests.count("*") == 0


def test_a_list_that_went_ends_a_run_before_it_begins(dataset_file, sandbox, tmp_path):
    """Where the run is: by the list's name, and nothing is asked of Labelbox or written."""
    (tmp_path / "splits.csv").write_text("data_row_id,split\n", encoding="utf-8")
    chosen = load_dataset(dataset_file(split={"from": "file:splits.csv"}))
    (tmp_path / "splits.csv").unlink()
    with pytest.raises(ConfigurationError, match=r"splits\.csv") as refused:
        refresh(chosen)
    assert (refused.value.code, sandbox.requests.count("*")) == ("bad_split_file", 0)


@pytest.mark.slow
def test_what_the_source_says_comes_before_a_group(dataset, sandbox):
    """Rows of a drive stay together but for those that the source names; drives are as without a source."""
    grouped = {"group_by": "metadata:drive"}
    before = splits(refresh(dataset(formats={}, dataset="grouped", split=grouped)))
    one = next(row for row in done(sandbox) if before[row.id] == "train")
    sandbox.set_metadata(one.index, "split", "test")
    after = splits(refresh(dataset(formats={}, split=grouped | {"from": "metadata:split"})))
    assert after == before | {one.id: "test"}
