"""A project of 200 rows with five lines that are no rows of it."""

from __future__ import annotations

import json

import pytest

from deploy.sandbox import ExportSettings, Sandbox
from flows.refresh import refresh
from flows.trees import lay_out

pytestmark = pytest.mark.xdist_group("prefect")


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
    lay_out(result["ref"], "raw", tmp_path / "raw", lambda *_: None)
    lines = (tmp_path / "raw" / "export.ndjson").read_bytes().splitlines()
    problems = [json.loads(line) for line in (tmp_path / "raw" / "problems.ndjson").read_bytes().splitlines()]
    assert len(lines) == 205
    codes = {problem["code"] for problem in problems}
    assert codes == {"not_json", "video_row", "legacy_export", "text_row"}
    for problem in problems:
        if problem["code"] == "not_json":
            with pytest.raises(json.JSONDecodeError):
                json.loads(lines[problem["line"] - 1])
