"""Years of history: each row once, one version, also when it is broken off in the middle."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from config.reading import load_dataset
from deploy.sandbox.oddities.oddities import ODDITIES
from flows.backfill import backfill
from flows.refresh import refresh
from labelsnap.references import open_snapshot, pull
from labelsnap.snapshots.reading.read import list_versions, read_snapshot
from labelsnap.snapshots.tables.bucket_tables import bucket_files, read_table
from labelsnap.storage import open_store
from tasks.telling.progress import listening

pytestmark = pytest.mark.slow

YEARS = ("--from", "2022-01-01", "--to", "2025-01-01", "--windows", "36")


class PowerCutError(RuntimeError):
    """What no part of a run expects."""


def files(result):
    """What a version holds by path, without the raw export and what counts its lines."""
    manifest = open_snapshot(result["ref"]).manifest
    bound = ("raw/", "tables/problems/")
    return {file.path: file.sha256 for file in manifest.files if not file.path.startswith(bound)}


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch):
    """Windows that are exported side by side."""
    monkeypatch.setenv("LABELSNAP_EXPORTS", "2")


class PowerCut:
    """A cut when so much of a stage is done, once."""

    def __init__(self, stage, done):
        self.at = stage, done

    def __call__(self, stage, done, _total):
        if self.at == (stage, done):
            self.at = None
            raise PowerCutError


@pytest.mark.prefect
@pytest.mark.parametrize("again", [False, True], ids=["retried", "again"])
def test_three_years_in_36_windows(sandbox, dataset_file, tmp_path, labelsnap, again):
    """Two windows find no place, the run is broken off and started again: what comes of it is what a refresh gives.

    A retry of the same flow run keeps the 20 windows that it had; another run asks for all of them anew.
    """
    whole = refresh(load_dataset(dataset_file(store=f"file://{tmp_path}/whole")))
    path = dataset_file()
    sandbox.requests.clear()
    sandbox.faults.hiccup("too_many_exports", 2)
    with listening(PowerCut("windows", 20)):
        if again:
            status, result = labelsnap.json("backfill", path, *YEARS)
            assert (status, result["error"]["code"]) == (1, "unforeseen")
            before = sandbox.requests.count("graphql:exportDataRows*")
            status, result = labelsnap.json("backfill", path, *YEARS)
            assert (status, sandbox.requests.count("graphql:exportDataRows*")) == (0, before + 36)
        else:
            start, end = (datetime(year, 1, 1, tzinfo=UTC) for year in (2022, 2025))
            retried = backfill.with_options(retries=1, retry_delay_seconds=0)
            result = retried(load_dataset(path), start, end, (end - start) / 36)
            assert sandbox.requests.count("graphql:exportDataRows*") == 36 + 2
    assert (result["resumed"], result["version"]) == (True, 1)
    assert result["rows"] == whole["rows"]
    assert files(result).keys() == files(whole).keys()
    assert {p: h for p, h in files(result).items() if p.startswith("tables/")} == {
        p: h for p, h in files(whole).items() if p.startswith("tables/")
    }

    edited = next(row for row in sandbox.rows("DONE") if not row.skipped)
    sandbox.edit_row(edited.index)
    status, again = labelsnap.json("backfill", path, "--from", "2026-01-01", "--to", "2036-01-01", "--every", "1000d")
    assert (status, again["version"], again["base"]) == (0, 2, 1)
    assert again["rows"]["published"] == whole["rows"]["published"]
    assert again["rows"]["excluded"]["duplicate"] == 1
    assert again["rows"]["exported"] == whole["rows"]["exported"] + 1
    assert again["reused_rows"] == whole["rows"]["published"] - 1
    url = result["ref"].rpartition("@")[0]
    assert len(list_versions(open_store(url))) == 2


@pytest.mark.parametrize("first", ["backfill", "refresh"])
def test_work_is_taken_over_between_backfills_and_refreshes(sandbox, dataset_file, tmp_path, first):
    """Of one dataset file: the other kind of run asks for no mask and no image again, and nothing is left in work/."""
    chosen, whole = load_dataset(dataset_file()), (datetime(2020, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC))
    runs = {
        "backfill": lambda: backfill(chosen, *whole, timedelta(days=9000)),
        "refresh": lambda: refresh(chosen),
    }
    with pytest.raises(PowerCutError), listening(PowerCut("files", 3)):
        runs.pop(first)()
    asked = sandbox.requests.count("*mask"), sandbox.requests.count("image")
    assert min(asked) > 0
    (other,) = runs.values()
    result = other()
    assert (result["version"], result["resumed"], result["base"]) == (1, True, None)
    assert (sandbox.requests.count("*mask"), sandbox.requests.count("image")) == asked
    assert not [found.key for found in open_store(chosen.url).list("work/") if found.key != "work/exported.json"]


def test_a_backfill_that_finds_nothing_publishes_nothing(sandbox, dataset_file, monkeypatch):
    """Though every row has two lines by then: rows decide over how many buckets they are spread, not lines."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "6")
    chosen = load_dataset(dataset_file())
    refresh(chosen)
    again = backfill(chosen, datetime(2020, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC), timedelta(days=9000))
    assert again["rows"]["excluded"]["duplicate"] == len(sandbox.rows("DONE"))
    for result in (again, refresh(chosen)):
        assert (result["published"], result["reason"], result["version"]) == (False, "unchanged", 1)
    assert len(list_versions(open_store(chosen.url))) == 1


def published(result):
    """The ids of the rows of a version."""
    store = open_store(result["ref"].rpartition("@")[0])
    tables = bucket_files(read_snapshot(store, result["version"]).manifest.files).values()
    return {row_id for files in tables for row_id in read_table(store, files["data_rows"])["data_row_id"].to_pylist()}


def at(sandbox, row, text):
    """Let the row's last activity have been then."""
    sandbox.workspace.edits[row.index] = replace(row.edit, at=datetime.fromisoformat(text))


def test_windows_have_no_gap_to_the_millisecond(sandbox, dataset_file, labelsnap):
    """In the last second of a window, on the bound of two (which comes twice), at the last moment, and just beyond."""
    rows = [row for row in sandbox.rows("DONE") if not row.skipped][:6]
    moments = (
        "2024-03-01T00:00:00Z",
        "2024-03-01T23:59:59.500Z",
        "2024-03-02T00:00:00Z",
        "2024-03-02T23:59:59.999Z",
        "2024-03-03T00:00:00Z",
        "2024-03-03T00:00:00.001Z",
    )
    for row, moment in zip(rows, moments, strict=True):
        at(sandbox, row, moment)
    span = ("--from", "2024-03-01", "--to", "2024-03-03", "--every", "1d")
    status, result = labelsnap.json("backfill", dataset_file(), *span)
    assert status == 0
    assert published(result) == {row.id for row in rows[:4]}
    assert result["rows"] == {
        "exported": 6,
        "published": 4,
        "excluded": {"duplicate": 1, "not_in_range": 1},
        "problems": 0,
    }


@pytest.mark.prefect
def test_a_killed_backfill_builds_on_what_was_published_since(sandbox, dataset_file, labelsnap):
    """A refresh adds rows after the kill: they are in the version that the backfill, run again, makes."""
    rows = sorted((row for row in sandbox.rows("DONE") if not row.skipped), key=lambda row: row.last_activity_at)
    middle = rows[len(rows) // 2].last_activity_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    path = dataset_file()
    span = ("--from", "2024-01-01", "--to", middle, "--every", "100d")
    with listening(PowerCut("windows", 1)):
        status, cut = labelsnap.json("backfill", path, *span)
    assert (status, cut["error"]["code"]) == (1, "unforeseen")
    refreshed = refresh(load_dataset(path))
    status, result = labelsnap.json("backfill", path, *span)
    assert (status, result["base"]) == (0, refreshed["version"])
    assert published(result) == published(refreshed) == {row.id for row in rows}


def test_a_line_that_was_mended_at_the_source_is_no_problem_any_more(sandbox, dataset_file, labelsnap, monkeypatch):
    """The version keeps the broken line, and a backfill reads it again beside the one that came since."""

    def broken(line, _number):
        row = json.loads(line)
        row["projects"] = "none"
        return json.dumps(row)

    monkeypatch.setitem(ODDITIES, "broken", broken)
    path = dataset_file(problems={"max_share": 0.5})
    sandbox.settings.odd_lines = ("broken",)
    first = refresh(load_dataset(path))
    assert first["rows"]["problems"] == 1
    sandbox.settings.odd_lines = ()
    for row in sandbox.rows("DONE"):
        sandbox.edit_row(row.index)
    status, result = labelsnap.json("backfill", path, *FUTURE)
    assert (status, result["rows"]["problems"]) == (0, 0)
    assert result["rows"]["published"] == first["rows"]["published"]


FUTURE = ("--from", "2026-01-01", "--to", "2046-01-01", "--every", "9999d")


def test_backfills_night_after_night_do_not_grow_the_raw_export(sandbox, dataset_file, labelsnap, tmp_path):
    """Two rows are edited each night: their older lines stay for one version, and of the rest nothing is touched."""
    sandbox.settings.chunk_bytes, sandbox.settings.cut = 30_000, "byte"
    path = dataset_file()
    whole = refresh(load_dataset(path))
    edited = [row for row in sandbox.rows("DONE") if not row.skipped][3:5]
    exported = []
    for night in range(4):
        for row in edited:
            sandbox.edit_row(row.index)
        status, result = labelsnap.json("backfill", path, *FUTURE)
        assert (status, result["rows"]["published"]) == (0, whole["rows"]["published"])
        exported.append(result["rows"]["exported"])
        pull(result["ref"], "raw", tmp_path / str(night))
        lines = (tmp_path / str(night) / "export.ndjson").read_bytes().splitlines()
        assert len(lines) == exported[-1]
        assert len({json.loads(line)["data_row"]["id"] for line in lines}) == whole["rows"]["exported"]
    assert exported == [whole["rows"]["exported"] + 2] * 4
    anew = refresh(load_dataset(path))
    assert (anew["reason"], anew["version"]) == ("unchanged", 5)


def test_what_was_not_in_a_backfills_range_comes_into_no_later_version(sandbox, dataset_file, labelsnap):
    """Though the raw export of the first one has it."""
    inside, beyond, later = [row for row in sandbox.rows("DONE") if not row.skipped][:3]
    for row, moment in (
        (inside, "2024-03-01T12:00:00Z"),
        (beyond, "2024-03-02T00:00:00Z"),
        (later, "2024-03-05T12:00:00Z"),
    ):
        at(sandbox, row, moment)
    path = dataset_file()
    _, first = labelsnap.json("backfill", path, "--from", "2024-03-01", "--to", "2024-03-02", "--every", "1d")
    _, second = labelsnap.json("backfill", path, "--from", "2024-03-05", "--to", "2024-03-06", "--every", "1d")
    assert (published(first), published(second)) == ({inside.id}, {inside.id, later.id})
    assert second["rows"]["exported"] == 2
