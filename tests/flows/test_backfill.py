"""Years of history: each row once, one version, also when it is broken off in the middle."""

from __future__ import annotations

import pytest

from config.reading import load_dataset
from deploy.sandbox import Fault
from flows.refresh import refresh
from flows.trees import read_ref
from tasks.snapshots.read import list_versions
from tasks.steps.progress import listening
from tasks.storage import open_store

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.slow]

YEARS = ("--from", "2022-01-01", "--to", "2025-01-01", "--windows", "36")


class PowerCutError(RuntimeError):
    """What no part of a run expects."""


def files(result):
    """What a version holds by path, without the raw export and what counts its lines."""
    manifest = read_ref(result["ref"]).manifest
    bound = ("raw/", "tables/problems/")
    return {file.path: file.sha256 for file in manifest.files if not file.path.startswith(bound)}


def test_three_years_in_36_windows(sandbox, dataset_file, tmp_path, labelsnap, monkeypatch):
    """A window fails twice, the run is broken off and started again: what comes of it is what a refresh gives."""
    monkeypatch.setenv("LABELSNAP_EXPORTS", "2")
    whole = refresh(load_dataset(dataset_file(store=f"file://{tmp_path}/whole")))
    path = dataset_file()
    sandbox.requests.clear()
    sandbox.faults.add(Fault("graphql:exportDataRows*", "graphql_error", times=2))

    def cut(stage, done, total):
        if stage == "windows" and done == 20:
            raise PowerCutError

    with pytest.raises(PowerCutError), listening(cut):
        labelsnap("backfill", path, *YEARS)
    status, result = labelsnap.json("backfill", path, *YEARS)
    assert (status, result["resumed"], result["version"]) == (0, True, 1)
    assert sandbox.requests.count("graphql:exportDataRows*") == 36 + 2
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
