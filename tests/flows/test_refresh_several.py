"""Datasets of several sources: three projects, a slice and more make one version, whatever order they stand in."""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from prefect.settings import PREFECT_API_URL

from deploy.sandbox.server import exports
from flows.assembly import assembled
from flows.backfill import backfill
from flows.commands.console import describe
from flows.refresh import refresh
from flows.reprocess import reprocess
from labelsnap.errors import ConfigurationError, LabelboxRefusedError, StorageRefusedError
from labelsnap.records.lines.fingerprint import fingerprint
from labelsnap.references import pull
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.storage import open_store
from tests.contracts.processes import PROCESSES
from tests.orchestration.killing import run

WINS = ["third", "second", "fifths", "first"]
FORMATS = {"coco": {}, "yolo": {"task": "segment"}}
ODD = ("not_json", "truncated", "array", "legacy", "wrong_geometry", "duplicate", "blank", "without_size", "half_emoji")
OF_RUN = {"snapshot.json", "croissant.json", "report.html"}
"""What may differ in a tree of the same content: it names the version, and where it lies."""


@pytest.fixture
def sources(sandbox):
    """Three projects on the same data rows and a slice, whose labels are those of the first project."""
    project = sandbox.workspace.project
    second, third = project.partners
    return [
        {"project": project.id, "name": "first"},
        {"project": second, "name": "second"},
        {"project": third, "name": "third", "classes": {"automobile": "car"}},
        {"slice": project.slice_id, "name": "fifths", "project_ids": [project.id]},
    ]


@pytest.fixture
def several(dataset, sources):
    """Reads a dataset file of these sources, with changes."""

    def read(**changes):
        chosen = {"source": None, "filters": {}, "sources": sources, "wins": WINS, "formats": FORMATS}
        return dataset(**(chosen | changes))

    return read


def files(result):
    """The hash of every file of a version by its path, but for lines, in which is the id of their export."""
    url, _, version = result["ref"].rpartition("@")
    manifest = read_snapshot(open_store(url), int(version)).manifest
    return {file.path: file.sha256 for file in manifest.files if not file.path.startswith("raw/result-")}


def trees(result, directory, *formats):
    """Every file that is pulled of a version, by format and path."""
    for name in formats:
        pull(result["ref"], name, directory / name)
    found = ((path.relative_to(directory), path) for path in directory.rglob("*") if path.is_file())
    return {relative: path.read_bytes() for relative, path in found if relative.name not in OF_RUN}


def lines(result, directory):
    """The lines of a version, in order, without what every export writes anew."""
    pull(result["ref"], "raw", directory)
    return list(map(fingerprint, (directory / "export.ndjson").read_bytes().splitlines()))


def test_the_order_of_sources_changes_no_byte(several, sources, sandbox, tmp_path, monkeypatch):
    """Every file of the version is the same, in several buckets, and every pulled one; the exports ran side by side."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "16")
    sandbox.settings.polls = 1
    began = sandbox.exports.most_running
    results = [
        refresh(several(sources=listed, store=f"file://{tmp_path}/{name}"))
        for name, listed in (("one", sources), ("other", sources[::-1]))
    ]
    one, other = results
    assert files(one) == files(other)
    assert len([path for path in files(one) if path.startswith("tables/sources/")]) == 4
    pulled = [trees(each, tmp_path / str(number), "coco", "yolo", "parquet") for number, each in enumerate(results)]
    assert pulled[0] == pulled[1]
    assert b"Rows by source" in (tmp_path / "0" / "coco" / "report.html").read_bytes()
    assert len(pulled[0]) > 50
    raw = [lines(each, tmp_path / f"raw-{number}") for number, each in enumerate(results)]
    assert raw[0] == raw[1]
    assert len(raw[0]) == one["rows"]["exported"] > len(sandbox.rows())
    assert one["sources"] == other["sources"]
    assert began < 4
    assert sandbox.exports.most_running == 4


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
def test_lines_that_are_read_again_are_those_of_their_sources(several, sandbox, tables, first_version):
    """With other ``wins`` and nothing asked of Labelbox, it is the version that a refresh would have made."""
    first = first_version(several())
    other = ["first", "third", "second", "fifths"]
    sandbox.requests.clear()
    result = reprocess(several(wins=other), first["ref"])
    assert not sandbox.requests.kinds
    assert result["sources"]["fifths"]["won"] == 0
    counts = ("exported", "rows", "labels")
    assert all(
        result["sources"][name][each] == told[each] for name, told in first["sources"].items() for each in counts
    )
    again = refresh(several(wins=other))
    assert (again["published"], again["version"]) == (False, result["version"])


def test_lines_are_not_read_again_as_those_of_other_sources(several, sources, first_version):
    """A source less, or other classes of one, are another export: named, before anything is begun."""
    first = first_version(several(formats={}))
    for changed in (sources[:3], [*sources[:2], sources[2] | {"classes": {}}, sources[3]]):
        names = [name for name in WINS if name in {each["name"] for each in changed}]
        with pytest.raises(ConfigurationError) as refused:
            reprocess(several(formats={}, sources=changed, wins=names), first["ref"])
        assert "`sources`" in refused.value.message


def test_a_source_that_fails_fails_the_run_by_its_name(several, sandbox, monkeypatch):
    """Nothing is published, and no export of the others is left in progress."""

    def gone(*_):
        raise LookupError("gone")

    monkeypatch.setattr(exports, "partners_line", gone)
    exports._packed_line.cache_clear()
    with pytest.raises(LabelboxRefusedError) as refused:
        refresh(several())
    assert refused.value.message.startswith("The source 'second' fails: ")
    assert refused.value.code == "export_failed"
    assert not list(open_store(several().url).list("commits/"))
    assert sandbox.exports.running() == []


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ((1, {"project": "cnothere"}), "'second' fails: .*project cnothere"),
        ((3, {"slice": "cnothere"}), "'fifths' fails: .*slice cnothere"),
        ((3, {"project_ids": ["cnothere"]}), "'fifths' fails: .*project cnothere"),
    ],
)
def test_a_source_that_is_not_there_is_refused_before_anything_is_exported(several, sources, sandbox, gone, said):
    """By its name, what it is, and its id; so is a project whose labels it should bring."""
    place, named = gone
    sources[place] |= named
    before = len(sandbox.exports)
    with pytest.raises(LabelboxRefusedError, match=said):
        refresh(several())
    assert len(sandbox.exports) == before


def test_a_source_without_rows_where_there_were_some_is_no_empty_one(several, monkeypatch, first_version):
    """It is refused by its name, as an export is that comes empty."""
    first_version(several(formats={}))
    has = exports.View.has
    monkeypatch.setattr(exports.View, "has", lambda view, row: view.kind != "slice" and has(view, row))
    with pytest.raises(LabelboxRefusedError, match="of the source 'fifths'") as refused:
        refresh(several(formats={}))
    assert refused.value.code == "export_without_rows"


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


def test_a_run_that_is_gone_on_with_has_the_exports_that_it_began(several, sandbox, monkeypatch):
    """One for each source, whichever of them had come when it ended."""
    before, failed = len(sandbox.exports), []

    def once(*given):
        if not failed:
            failed.append(True)
            raise StorageRefusedError("a test", remedy="none", code="test")
        return assembled(*given)

    monkeypatch.setattr("flows.refresh.assembled", once)
    result = refresh.with_options(retries=1, retry_delay_seconds=0)(several(formats={}))
    assert (result["published"], result["resumed"]) == (True, True)
    assert len(sandbox.exports) - before == 4


def test_a_backfill_of_several_sources_is_refused(several):
    """By name, with what to do instead."""
    with pytest.raises(ConfigurationError, match="several sources") as refused:
        backfill(several(), datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC), timedelta(days=9))
    assert "Refresh it" in refused.value.remedy


@pytest.mark.slow
@pytest.mark.prefect
def test_what_a_killed_run_of_several_sources_left_is_cancelled_and_the_next_one_comes_to_the_same(
    several, sandbox, tmp_path, monkeypatch
):
    """All four exports were in progress; the next run has four of its own, and makes what an undisturbed one does."""
    monkeypatch.setenv("LABELSNAP_LEASE_SECONDS", "2")
    undisturbed = refresh(several(store=f"file://{tmp_path}/other"))
    chosen, before = several(), frozenset(sandbox.exports)
    sandbox.settings.polls = 1_000_000
    environment = {name: os.environ[name] for name in (*sandbox.environment(), "LABELSNAP_LEASE_SECONDS")}
    given = (chosen.model_dump(mode="json"), environment, PREFECT_API_URL.value())
    process = PROCESSES.Process(target=run, args=given)
    process.start()
    while len(list((tmp_path / "store").glob("street-scenes/work/*/receipts/export-00?.json"))) < 4:
        time.sleep(0.05)
    process.kill()
    process.join()
    left = frozenset(sandbox.exports) - before
    assert left == {task for task in sandbox.exports.running() if task not in before}
    assert len(left) == 4
    sandbox.settings.polls = 0
    assert files(refresh(chosen)) == files(undisturbed)
    assert {sandbox.exports.get(task).poll()[0] for task in left} == {"CANCELED"}
    assert len(frozenset(sandbox.exports) - before - left) == 4
