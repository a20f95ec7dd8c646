"""Projects with lines that are no rows of them, and with rows that have something about them that is a trifle."""

from __future__ import annotations

import json

import pytest

from deploy.sandbox import ExportSettings, Sandbox
from deploy.sandbox.server import exports
from flows.refresh import refresh
from labelsnap.references import pull


@pytest.mark.slow
def test_five_broken_lines_among_two_hundred_rows(dataset, monkeypatch, tmp_path):
    """Exported equals published, excluded and problems; each broken line is named by its number, the rest published."""
    odd = ("not_json", "truncated", "video", "legacy", "text")
    with Sandbox(rows=200, directory=tmp_path / "own", settings=ExportSettings(odd_lines=odd)) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        result = refresh(dataset(source={"project": sandbox.project_id}, filters={}))
        skipped = sum(row.skipped for row in sandbox.rows())
    rows = result["rows"]
    assert rows == {"exported": 205, "published": 200 - skipped, "excluded": {"skipped": skipped}, "problems": 5}
    pull(result["ref"], "raw", tmp_path / "raw")
    lines = (tmp_path / "raw" / "export.ndjson").read_bytes().splitlines()
    problems = [json.loads(line) for line in (tmp_path / "raw" / "problems.ndjson").read_bytes().splitlines()]
    assert len(lines) == 205
    codes = {problem["code"] for problem in problems}
    assert codes == {"not_json", "video_row", "legacy_export", "text_row"}
    for problem in problems:
        if problem["code"] == "not_json":
            with pytest.raises(json.JSONDecodeError):
                json.loads(lines[problem["line"] - 1])


OTHERS = ("other_cuboid", "other_video", "other_doubles", "other_types", "other_text", "other_null")


@pytest.mark.parametrize("model_run", [False, True], ids=["project", "model run"])
def test_what_is_wrong_in_another_project_costs_nothing(dataset, monkeypatch, tmp_path, model_run):
    """Rows with other media, doubled ids, cut text and wrong types elsewhere are published, and nothing is noted."""
    with Sandbox(rows=12, directory=tmp_path / "own", settings=ExportSettings(odd_lines=OTHERS)) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        asked = {"source": {"model_run": sandbox.model_run_id}}
        if not model_run:
            asked = {"source": {"project": sandbox.project_id}, "filters": {}}
        result = refresh(dataset(model_run=model_run, skipped="keep", formats={}, **asked))
    exported = result["rows"]["exported"]
    assert result["rows"] == {"exported": exported, "published": exported, "excluded": {}, "problems": 0}
    assert (result["fields"], result["text"]) == ({"unreadable": 0}, {"replaced": 0})
    pull(result["ref"], "raw", tmp_path / "raw")
    assert (tmp_path / "raw" / "export.ndjson").read_bytes().count(b'"elsewhere": ') == 3 * len(OTHERS)


TIE = "ImageBidirectionalRelationship"


def masks_of(row):
    """The objects of a row's first label that are masks with an image of their own and one that they share."""
    (entry, *_) = row["projects"].values()
    objects = [each for label in entry["labels"][:1] for each in label["annotations"]["objects"]]
    return [each for each in objects if "mask" in each and "composite_mask" in each]


def changed(line, number, change):
    """A line under a row id of its own, with one change to its values, its project's entry and its first label."""
    row = json.loads(line)
    row["data_row"] |= {"id": f"trifle{number}", "global_key": f"trifle {number}"}
    (entry, *_) = row["projects"].values()
    label = entry["labels"][0]
    label["performance_details"]["skipped"] = False
    change(row, entry, label)
    return json.dumps(row)


def asked(label, **answers):
    """Add a question about the image to a label."""
    label["annotations"]["classifications"].append({"name": "extra", **answers})


TRIFLES = {
    "null answers": lambda _, __, label: [asked(label, **{key: None}) for key in ("radio_answer", "text_answer")],
    "no answers": lambda _, __, label: [asked(label), asked(label, text_answer={"content": None})],
    "half a character": lambda row, _, __: row["data_row"].update(external_id="half \ud83d"),
    "relationship": lambda _, __, label: label["annotations"]["relationships"].append({"annotation_kind": TIE}),
    "composite": lambda row, _, __: masks_of(row)[0]["composite_mask"].pop("color_rgb"),
    "rotation": lambda row, _, __: row["media_attributes"].update(exif_rotation="undefined"),
    "no size": lambda row, _, __: row["media_attributes"].update(height=0, width=0),
    "size as text": lambda row, _, __: row["media_attributes"].update(height=str(row["media_attributes"]["height"])),
    "priority": lambda _, entry, __: entry["project_details"].update(priority=1.0),
    "score": lambda _, __, label: label["performance_details"].update(consensus_score="high", seconds_to_create="1.5"),
    "author": lambda row, _, __: row["data_row"]["details"].update(created_by={"id": 1}),
    "numbers": lambda row, _, label: (row["data_row"].update(external_id=5), label.update(version=1)),
    "metadata": lambda row, _, __: row.update(metadata_fields=[{"schema_id": 1, "value": 2}, None]),
    "attachments": lambda row, _, __: row.update(attachments=[None]),
    "z order": lambda _, __, label: label["annotations"].update(z_order=[None]),
    "value": lambda _, __, label: label["annotations"]["objects"][0].update(value="vehicle", name=""),
    "colour": lambda row, _, __: masks_of(row)[0]["composite_mask"]["color_rgb"].append(255),
    "twice": lambda _, __, label: label["annotations"].update(relationships=label["annotations"]["relationships"] * 2),
}
BLANK = ("", "\r", "\ufeff", "\ufeff\r")


def with_trifles(lines, *_):
    """The lines of an export, some that are blank, one that is no row, and one of each trifle."""
    known = []
    for line in lines:
        yield line
        known += [line] if masks_of(json.loads(line)) else []
    yield from BLANK
    yield "<html>"
    for number, change in enumerate(TRIFLES.values()):
        yield changed(known[0], number, change)
    yield "\ufeff" + changed(known[0], len(TRIFLES), lambda *_: None) + "\r"


@pytest.mark.slow
def test_rows_with_trifles_are_published_and_blank_lines_are_none(sandbox, dataset, monkeypatch, tmp_path):
    """No row is refused, what was done about them is counted, and the raw export has the lines as they came."""
    monkeypatch.setattr(exports, "with_oddities", with_trifles)
    chosen = dataset(filters={}, problems={"max_share": 0.1})
    result = refresh(chosen)
    exported = len(sandbox.rows()) + len(TRIFLES) + 2
    skipped = sum(row.skipped for row in sandbox.rows())
    rows = result["rows"]
    assert (rows["exported"], rows["problems"], rows["excluded"]) == (exported, 1, {"skipped": skipped})
    assert rows["published"] == exported - skipped - 1
    assert result["answers"]["unanswered"] == 4
    assert result["text"]["replaced"] == 1
    assert result["fields"]["unreadable"] == 9
    pull(result["ref"], "raw", tmp_path / "raw")
    lines = (tmp_path / "raw" / "export.ndjson").read_bytes().removesuffix(b"\n").split(b"\n")
    assert len(lines) == exported + len(BLANK)
    assert {line.encode() for line in BLANK} <= set(lines)
    (problem,) = map(json.loads, (tmp_path / "raw" / "problems.ndjson").read_bytes().splitlines())
    assert lines[problem["line"] - 1] == b"<html>"
    again = refresh(chosen)
    assert (again["published"], again["reason"], again["reused_rows"]) == (False, "unchanged", rows["published"])
    assert (again["answers"], again["fields"], again["text"]) == (result["answers"], result["fields"], result["text"])
