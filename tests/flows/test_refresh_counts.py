"""Labelbox's own count: what it announces and does not send is never published over."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from deploy.sandbox import Fault
from flows.backfill import backfill
from flows.refresh import refresh
from labelsnap.errors import DatasetRejectedError, LabelboxRefusedError
from labelsnap.snapshots.reading.read import list_versions, read_snapshot
from labelsnap.storage import open_store
from tasks.export import fetch_stream
from tasks.parts import standing_rows

TABLES = {"formats": {}}
LIMIT = 40
"""More than there are rows: so many unknown values behind those of rows make another list."""
HEADER = "graphql:GetExportMetadataHeaderPyApi"
OF_RESULT = f"{HEADER}:RESULT"
"""Both streams are asked for at once."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """Between two looks at a header."""
    monkeypatch.setenv("LABELSNAP_POLL_INTERVAL", "0.01")


@pytest.fixture(autouse=True)
def short_lists(monkeypatch):
    """Few values to an export."""
    monkeypatch.setattr("labelsnap.labelbox.export.LIST_LIMIT", LIMIT)


def versions(dataset):
    """How many versions there are."""
    return len(list_versions(open_store(dataset.url)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"unsent_lines": 5},
        pytest.param({"error_lines": 1, "unsent_errors": 2}, marks=pytest.mark.slow),
        pytest.param({"unsent_lines": -5}, marks=pytest.mark.slow),
        pytest.param({"short_size": True}, marks=pytest.mark.slow),
        pytest.param({"short_size": True, "chunk_bytes": 4099, "cut": "byte"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_other_lines_than_announced_are_refused(sandbox, dataset_file, labelsnap, wrong):
    """In both streams, with status 3 and no version, after they were asked for twice; then all is as ever."""
    for name, value in wrong.items():
        setattr(sandbox.settings, name, value)
    path = dataset_file(problems={"max_share": 0.5}, **TABLES)
    status, answer = labelsnap.json("refresh", path)
    assert (status, answer["error"]["code"]) == (3, "lines_missing")
    for name in wrong:
        setattr(sandbox.settings, name, {"chunk_bytes": 1 << 20, "cut": "line"}.get(name, 0))
    status, result = labelsnap.json("refresh", path)
    assert (status, result["version"]) == (0, 1)


@pytest.mark.slow
def test_a_header_that_is_right_when_it_is_asked_for_again_is_believed(sandbox, dataset, first_version):
    """The lines are fetched once more, and published."""
    whole = first_version(dataset(**TABLES))
    wrong = {"data": {"task": {"exportMetadataHeader": {"totalSize": 3, "totalLines": 7}}}}
    sandbox.faults.add(Fault(OF_RESULT, "body", body=json.dumps(wrong)))
    again = refresh(dataset(**TABLES))
    assert (again["reason"], again["rows"]) == ("unchanged", whole["rows"])


@pytest.mark.parametrize("rows", [0, 1], ids=["new", "over a version"])
def test_an_export_without_a_header_is_no_empty_dataset(sandbox, dataset, first_version, rows):
    """Over a version with rows it is refused; of a new dataset it may be true."""
    chosen = dataset(**TABLES)
    if rows:
        first_version(chosen)
    sandbox.settings.no_header = True
    if not rows:
        assert refresh(chosen)["rows"]["exported"] == 0
        return
    with pytest.raises(LabelboxRefusedError) as caught:
        refresh(chosen)
    assert (caught.value.code, caught.value.exit_status, versions(chosen)) == ("export_without_rows", 3, 1)


def listed(sandbox, filtered):
    """What each row that is Done and not skipped has for that list; it may be none."""
    name = {"data_row_ids": "id", "global_keys": "global_key"}[filtered]
    return [getattr(row, name) for row in sandbox.rows("DONE") if not row.skipped]


@pytest.mark.parametrize("filtered", ["data_row_ids", pytest.param("global_keys", marks=pytest.mark.slow)])
def test_one_export_of_several_without_rows_is_refused(sandbox, dataset, filtered):
    """Where the version before has rows that it asks for, though the others have theirs; it is asked twice."""
    ids = [found for found in dict.fromkeys(listed(sandbox, filtered)) if found]
    missing = ids[-1]
    filters = {filtered: [*ids[:-1], *(f"none-{number}" for number in range(LIMIT)), missing]}
    chosen = dataset(filters=filters, **TABLES)
    whole = refresh(chosen)
    sandbox.settings.no_header_for = f'"{missing}"'
    with pytest.raises(
        LabelboxRefusedError, match=f"2 of 2 .* {listed(sandbox, filtered).count(missing)} of"
    ) as caught:
        refresh(chosen)
    assert (caught.value.code, caught.value.exit_status, versions(chosen)) == ("export_without_rows", 3, 1)
    sandbox.settings.no_header_for = ""
    assert refresh(chosen)["rows"] == whole["rows"]


@pytest.mark.slow
def test_a_part_that_has_only_blank_lines_has_no_rows(sandbox, dataset, monkeypatch):
    """As one that has no lines."""
    ids = listed(sandbox, "data_row_ids")
    chosen = dataset(filters={"data_row_ids": [*ids[1:], *(f"none-{n}" for n in range(LIMIT)), ids[0]]})
    refresh(chosen)
    monkeypatch.setattr("deploy.sandbox.server.exports.with_oddities", blanked(ids[0]))
    with pytest.raises(LabelboxRefusedError) as caught:
        refresh(chosen)
    assert (caught.value.code, versions(chosen)) == ("export_without_rows", 1)


def blanked(row_id):
    """An export that has this row has blank lines in place of its rows."""

    def lines(rows, *_):
        found = list(rows)
        return iter(["", " "] if any(row_id in line for line in found) else found)

    return lines


def test_rows_of_a_version_are_counted_by_every_list_that_asks_for_them(sandbox, dataset, first_version):
    """A row has to be on all lists of an export; without any the export asks for all of them."""
    chosen = dataset(**TABLES)
    published = first_version(chosen)["rows"]["published"]
    store = open_store(chosen.url)
    manifest, row = read_snapshot(store, 1).manifest, next(row for row in sandbox.rows("DONE") if row.global_key)
    of_row = {"data_row_ids": [row.id, "none"], "global_keys": [row.global_key], "batch_ids": [row.batch_id]}
    for filters, rows in (
        ({}, published),
        ({"batch_ids": [row.batch_id]}, published),
        (of_row, 1),
        (of_row | {"batch_ids": ["none"]}, 0),
        ({"global_keys": ["none"]}, 0),
    ):
        assert standing_rows(store, manifest, filters) == rows


@pytest.mark.slow
def test_a_part_that_never_had_rows_may_have_none(sandbox, dataset):
    """Its ids may be those of rows to come."""
    none = [f"none-{number}" for number in range(LIMIT)]
    chosen = dataset(filters={"data_row_ids": [*listed(sandbox, "data_row_ids"), *none]}, **TABLES)
    assert refresh(chosen)["version"] == 1
    assert refresh(chosen)["reason"] == "unchanged"


@pytest.mark.slow
def test_a_window_without_a_header_is_asked_for_again(sandbox, dataset):
    """Its rows come after all; and they may be in another window by now, so that a second time is believed."""
    chosen, years = dataset(**TABLES), [datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2036)]
    sandbox.faults.add(Fault(HEADER, "body", body=json.dumps({"data": {"task": {"exportMetadataHeader": None}}})))
    assert backfill(chosen, *years, timedelta(days=9000))["rows"]["published"]
    sandbox.settings.no_header = True
    assert backfill(chosen, *years, timedelta(days=9000))["reason"] == "unchanged"


def test_a_header_that_was_missing_once_is_no_reason(sandbox, dataset, first_version):
    """It is asked for again before anything is concluded from it."""
    first = first_version(dataset(**TABLES))
    sandbox.faults.add(Fault(OF_RESULT, "body", body=json.dumps({"data": {"task": {"exportMetadataHeader": None}}})))
    assert refresh(dataset(**TABLES))["version"] == first["version"]


@pytest.mark.parametrize(("errors", "rejected"), [(8, True), pytest.param(1, False, marks=pytest.mark.slow)])
def test_rows_of_the_error_stream_count_as_problems(sandbox, dataset, errors, rejected):
    """They are of the share that the dataset's policy allows: 8 of 28 are too many for a tenth, and 1 of 21 is not."""
    assert len(sandbox.rows("DONE")) == 20
    sandbox.settings.error_lines = errors
    chosen = dataset(problems={"max_share": 0.1}, **TABLES)
    if not rejected:
        assert refresh(chosen)["export_errors"] == errors
        return
    with pytest.raises(DatasetRejectedError, match="8 of 28") as caught:
        refresh(chosen)
    assert (caught.value.code, versions(chosen)) == ("too_many_problems", 0)


def test_both_streams_are_fetched_side_by_side(dataset, monkeypatch):
    """Each is a chain of questions to Labelbox, and none of the one waits for the other."""
    met = Barrier(2)

    def meeting(*given):
        met.wait(20)
        return fetch_stream(*given)

    monkeypatch.setattr("flows.refresh.fetch_stream", meeting)
    assert refresh(dataset(**TABLES))["published"]
