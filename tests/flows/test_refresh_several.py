"""Datasets of several sources: three projects, a slice and more make one version, whatever order they stand in."""

from __future__ import annotations

from collections import Counter

import pytest
from several_sources import FORMATS, ODD, WINS, files, lines, several, sources, trees

from deploy.sandbox.server import exports
from flows.commands.console import describe
from flows.refresh import refresh

__all__ = ["several", "sources"]


@pytest.mark.slow
def test_the_order_of_sources_changes_no_byte(several, sources, sandbox, tmp_path, monkeypatch):
    """Every file of the version is the same, in several buckets, and every pulled one; the exports ran side by side."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "16")
    sandbox.settings.polls = 1
    others = sandbox.exports.most_running = len(sandbox.exports.running())  # that other tests left
    results = [
        refresh(several(sources=listed, store=f"file://{tmp_path}/{name}", formats={"coco": {}}))
        for name, listed in (("one", sources), ("other", sources[::-1]))
    ]
    one, other = results
    assert files(one) == files(other)
    assert len([path for path in files(one) if path.startswith("tables/sources/")]) == 4
    pulled = [trees(each, tmp_path / str(number), "coco", "parquet") for number, each in enumerate(results)]
    assert pulled[0] == pulled[1]
    assert b"Rows by source" in (tmp_path / "0" / "coco" / "report.html").read_bytes()
    assert len(pulled[0]) > 50
    raw = [lines(each, tmp_path / f"raw-{number}") for number, each in enumerate(results)]
    assert raw[0] == raw[1]
    assert len(raw[0]) == one["rows"]["exported"] > len(sandbox.rows())
    assert one["sources"] == other["sources"]
    assert sandbox.exports.most_running == others + 4


def test_lines_that_cannot_be_used_are_problems_of_their_rows(several, sandbox, tables):
    """Such as real exports have, in each of four: each line is in one place, and no row of such a line is published."""
    sandbox.settings.odd_lines = ODD
    result = refresh(several(formats={}, problems={"max_share": 1}))
    rows = result["rows"]
    assert rows["exported"] == rows["published"] + sum(rows["excluded"].values()) + rows["problems"]
    assert rows["exported"] == sum(told["exported"] for told in result["sources"].values())
    assert rows["excluded"]["duplicate"] == 4
    problems = tables(result, "problems")
    assert len(problems) == rows["problems"] == len({each["line"] for each in problems})
    assert {each["code"] for each in problems} >= {"not_json", "not_an_object", "bad_geometry"}
    published = {each["data_row_id"] for each in tables(result, "data_rows")}
    assert not published & {each["data_row_id"] for each in problems}
    again = refresh(several(formats={}, problems={"max_share": 1}))
    assert (again["reason"], again["rows"]) == ("unchanged", rows)


def test_a_row_of_several_sources_is_one_row_and_its_lines_are_counted_by_name(several, sandbox, tables, first_version):
    """By the sandbox's own rows: second has every second, third every third, the slice every fifth that first has."""
    result = first_version(several())
    rows = [row.index for row in sandbox.rows()]
    has = {
        "first": set(rows),
        "second": {index for index in rows if index % 2 == 0},
        "third": {index for index in rows if index % 3 == 0},
        "fifths": {index for index in rows if index % 5 == 0},
    }
    labelled = {index for index in rows if sandbox.row(index).labels and not sandbox.row(index).skipped}
    skipped = {index for index in rows if sandbox.row(index).skipped}

    def winner(index):
        of_others = [name for name in ("third", "second") if index in has[name] and index not in skipped]
        of_first = [name for name in ("fifths", "first") if index in has[name] and index not in skipped]
        return (of_others + of_first)[0] if of_others or of_first else None

    won = Counter(winner(index) for index in rows)
    published = [index for index in rows if winner(index)]
    assert result["rows"] == {
        "exported": sum(map(len, has.values())),
        "published": len(published),
        "excluded": {
            "repeated": sum(map(len, has.values())) - len(rows),
            "skipped": len(rows) - len(published),
        },
        "problems": 0,
    }
    for name, indices in has.items():
        told, mine = result["sources"][name], indices - skipped
        assert told["exported"] == len(indices)
        assert (told["rows"], told["won"]) == (len(mine), won[name])
        assert told["repeated"] == len(mine) - won[name]
        assert told["labels"] == (len(mine & labelled) if name in {"first", "fifths"} else len(mine))
    assert f"source second  12 exported, 12 rows, {won['second']} won, 12 labels" in describe(result)
    assert [row["data_row_id"] for row in tables(result, "data_rows")] == sorted(
        sandbox.row(index).id for index in published
    )


def test_what_the_other_sources_have_is_kept_apart_with_its_masks(several, sandbox, tables, first_version):
    """Of a row in all four each has its label, by its own id; outputs are made of the label of the one that won."""
    result = first_version(several())
    row = sandbox.row(0)
    told = [each for each in tables(result, "sources") if each["data_row_id"] == row.id]
    assert [(each["source_index"], each["from_source"], each["labels"]) for each in told] == [
        (number, name, 1) for number, name in enumerate(WINS)
    ]
    (label,) = (each for each in tables(result, "labels") if each["data_row_id"] == row.id)
    assert label["label_id"] == row.label_id(row.partners_label(2))
    apart = [each for each in tables(result, "source_labels") if each["data_row_id"] == row.id]
    first = row.label_id(row.labels[0])
    assert [(each["from_source"], each["label_id"]) for each in apart] == [
        ("second", row.label_id(row.partners_label(1))),
        ("fifths", first),
        ("first", first),
    ]
    objects = [each for each in tables(result, "source_annotations") if each["data_row_id"] == row.id]
    masks = Counter(each["from_source"] for each in objects if each["kind"] == "mask")
    assert set(masks) == {"second", "fifths", "first"}
    assert all((each["kind"] == "mask") == (each["mask"] is not None) for each in objects)
    every = [each for name in ("annotations", "source_annotations") for each in tables(result, name) if each["mask"]]
    asked = {each["label_id"] for each in every if each["mask_reference"]["composite_url"]}
    assert result["requests"]["composite_masks"] == len(asked)
    named = {each["name"] for name in ("annotations", "source_annotations") for each in tables(result, name)}
    assert "car" in named
    assert "automobile" not in named


@pytest.mark.slow
def test_classes_of_several_ontologies_are_told_apart_by_name(several, sources, tables, first_version):
    """The third project calls cars automobiles: without a map of its own there is one class more."""
    result = first_version(several(formats={}))
    named = {each["name"] for each in tables(result, "classes")}
    del sources[2]["classes"]
    more = refresh(several(formats={}))
    (added,) = {each["name"] for each in tables(more, "classes") if not each["removed"]} - named
    assert added == "automobile"
    assert all(each["unique_name"] == each["name"] for each in tables(more, "classes"))


def test_another_night_without_a_change_publishes_nothing(several, sandbox, first_version):
    """Rows of several lines are known again by all of them: nothing of them is asked for."""
    first_version(several())
    sandbox.requests.clear()
    again = refresh(several())
    assert (again["published"], again["reason"]) == (False, "unchanged")
    assert again["reused_rows"] == again["rows"]["published"]
    assert not [kind for kind in sandbox.requests.kinds if "mask" in kind or "image" in kind]


def test_a_row_changes_when_a_source_that_did_not_win_has_another_label(several, sandbox, monkeypatch, first_version):
    """It is that row alone, of which the composite that was edited is asked for, and no image."""
    first = first_version(several())
    line = exports.partners_line

    def edited(row, params, task, number):
        found = line(row, params, task, number)
        if number == 1 and row.index == 0:
            found["projects"][row.project.partners[0]]["labels"][0]["label_details"]["created_by"] = "dan@example.com"
        return found

    monkeypatch.setattr(exports, "partners_line", edited)
    exports._packed_line.cache_clear()
    second = refresh(several())
    exports._packed_line.cache_clear()
    assert (second["version"], second["reused_rows"]) == (2, first["rows"]["published"] - 1)
    assert second["requests"]["images"] == 0
    assert second["formats"] == first["formats"]


@pytest.mark.slow
def test_which_source_wins_is_what_the_dataset_file_says(several, sandbox, tables, first_version, tmp_path):
    """Another order of ``wins`` publishes other labels of the same rows, and downloads no mask and no image.

    It comes to what a dataset does that always had that order.
    """
    first_version(several(formats={"coco": {}}))
    wins = ["first", "second", "third", "fifths"]
    result = refresh(several(formats={"coco": {}}, wins=wins))
    assert {name: result["requests"][name] for name in ("images", "composite_masks", "instance_masks")} == {
        "images": 0,
        "composite_masks": 0,
        "instance_masks": 0,
    }
    row = sandbox.row(0)
    (label,) = (each for each in tables(result, "labels") if each["data_row_id"] == row.id)
    assert label["label_id"] == row.label_id(row.labels[0])
    assert result["sources"]["first"]["repeated"] < result["sources"]["third"]["repeated"]
    always = refresh(several(formats={"coco": {}}, wins=wins, store=f"file://{tmp_path}/other"))
    told, expected = (
        {path: sha256 for path, sha256 in files(each).items() if not path.startswith("parts/bucket-")}
        for each in (result, always)
    )
    assert told == expected


@pytest.mark.slow
def test_datasets_and_the_catalog_bring_the_labels_of_projects_and_runs(several, sandbox, tables):
    """Each as the SDK exports it; the catalog's filters are its own, and a run's predictions stand with its labels."""
    project = sandbox.workspace.project
    some = [sandbox.row(index).id for index in (0, 1, 2)]
    listed = [
        {"dataset": project.dataset_id, "name": "all", "project_ids": [project.partners[0], project.id]},
        {
            "catalog": True,
            "name": "few",
            "project_ids": [project.partners[1]],
            "model_run_ids": [project.model_run_id],
            "filters": {"data_row_ids": some},
        },
        {"model_run": project.model_run_id, "name": "run"},
    ]
    params = {"data_row_details": True, "predictions": True, "model_run_details": True}
    result = refresh(several(sources=listed, wins=["all", "run", "few"], params=params, formats={}))
    in_run = [row for row in sandbox.rows() if row.in_model_run]
    exported = {name: told["exported"] for name, told in result["sources"].items()}
    assert exported == {"all": len(sandbox.rows()), "few": 3, "run": len(in_run)}
    told = [
        (each["from_source"], each["source_kind"], each["source_id"], each["labels"], each["predictions"])
        for each in tables(result, "sources")
        if each["data_row_id"] == some[0]
    ]
    assert told == [
        ("all", "project", project.partners[0], 1, 0),
        ("all", "project", project.id, 1, 0),
        ("run", "model_run", project.model_run_id, 1, 1),
        ("few", "project", project.partners[1], 1, 0),
        ("few", "model_run", project.model_run_id, 1, 1),
    ]
    predicted = {each["data_row_id"] for each in tables(result, "source_predictions")}
    assert predicted == {row.id for row in in_run}
    assert not tables(result, "predictions")


@pytest.mark.slow
def test_a_split_of_a_run_counts_whichever_source_wins(several, sandbox, tables):
    """Of rows that are in the run Labelbox's own split stands, and moves alone a row that is moved there."""
    listed = [
        {"project": sandbox.project_id, "name": "labels"},
        {"model_run": sandbox.model_run_id, "name": "run"},
    ]
    chosen = several(
        sources=listed,
        wins=["labels", "run"],
        params={"data_row_details": True, "model_run_details": True},
        split={"from": "model_run"},
        formats={},
    )
    in_run = {row.id: row for row in sandbox.rows() if row.in_model_run}
    names = ("train", "train", "train", "val", "test")
    first = {each["data_row_id"]: each["split"] for each in tables(refresh(chosen), "data_rows")}
    assert {row_id: first[row_id] for row_id in in_run} == {
        row_id: names[row.index % 5] for row_id, row in in_run.items()
    }
    sandbox.set_split(0, "test")
    result = refresh(chosen)
    second = {each["data_row_id"]: each["split"] for each in tables(result, "data_rows")}
    assert second == first | {sandbox.row(0).id: "test"}
    assert result["requests"]["images"] == result["requests"]["composite_masks"] == 0


@pytest.mark.slow
def test_a_dataset_goes_from_one_source_to_several_and_back(several, dataset, tables):
    """Splits and class ids stay, images are not downloaded again, and no table of several sources is left over."""
    results = [refresh(chosen) for chosen in (dataset(filters={}, formats=FORMATS), several())]
    results.append(refresh(dataset(filters={}, formats=FORMATS)))
    one, two, three = results
    assert [each["version"] for each in results] == [1, 2, 3]
    assert two["requests"]["images"] == three["requests"]["images"] == 0
    splits = [{each["data_row_id"]: each["split"] for each in tables(result, "data_rows")} for result in results]
    assert splits[0] == splits[1] == splits[2]
    ids = [{each["name"]: each["id"] for each in tables(result, "classes")} for result in results]
    assert ids[0] == ids[1] == ids[2]
    assert [path for path in files(two) if path.startswith("tables/source")]
    assert not [path for path in files(three) if path.startswith("tables/source")]
    assert tables(one, "annotations") == tables(three, "annotations")
