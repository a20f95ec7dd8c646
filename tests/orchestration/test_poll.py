"""The look at Labelbox for rows that are Done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from config.reading import parse_dataset
from flows.listen import Watch
from labelsnap.labelbox.export import LIST_LIMIT
from labelsnap.snapshots.layout import EXPORTED
from labelsnap.storage import open_store
from tasks.poll import done_since
from tasks.run.hints import note_exported, pending_hints

SINCE = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def streets(sandbox):
    """A dataset of the sandbox's project with these filters."""
    content = {"dataset": "streets", "store": "s3://datasets/team", "source": {"project": sandbox.project_id}}
    return lambda **filters: parse_dataset(content | {"filters": filters})


def test_rows_that_were_done_since_are_counted(sandbox, streets):
    """One edit of a row that is Done is one row; of one that is in review, none."""
    assert done_since(streets(), SINCE) == 0
    for status in ("DONE", "IN_REVIEW"):
        sandbox.edit_row(sandbox.rows(status)[0].index)
    assert done_since(streets(), SINCE) == 1


def test_each_project_of_several_sources_is_asked(sandbox):
    """A row that two projects have is counted of both: it is a reason to refresh, and no number of rows."""
    project = sandbox.workspace.project
    sources = [
        {"project": project.id, "name": "one"},
        {"project": project.partners[0], "name": "other"},
        {"slice": project.slice_id, "name": "some", "project_ids": [project.id]},
    ]
    names = [each["name"] for each in sources]
    content = {"dataset": "streets", "store": "s3://datasets/team", "sources": sources, "wins": names}
    assert done_since(parse_dataset(content), SINCE) == 0
    for index in (0, 1):
        sandbox.edit_row(index)
    assert done_since(parse_dataset(content), SINCE) == 3


def test_a_range_that_ended_before_is_not_asked_for(sandbox, streets):
    """Nothing can have come into it, and Labelbox would be asked for a range that ends before it begins."""
    assert done_since(streets(last_activity_at=[None, "2024-05-31T23:59:59Z"]), SINCE) == 0
    assert sandbox.requests.count("graphql:export*") == 0


def test_long_lists_are_asked_for_in_parts(sandbox, streets):
    """As a refresh asks for them."""
    row = sandbox.rows("DONE")[0]
    sandbox.edit_row(row.index)
    ids = (*(f"none-{number}" for number in range(LIST_LIMIT)), row.id)
    assert done_since(streets(data_row_ids=ids), SINCE) == 1
    assert sandbox.requests.count("graphql:export*") == 2


@pytest.fixture
def looked(sandbox, tmp_path):
    """How many hints there are after a look, for a dataset with these changes."""
    content = {"dataset": "streets", "store": tmp_path.as_uri(), "source": {"project": sandbox.project_id}}

    def look(**changes):
        dataset = parse_dataset(content | changes)
        Watch(dataset, quiet=60, poll=60).look()
        return len(pending_hints(open_store(dataset.url)))

    return look, parse_dataset(content)


def test_a_dataset_file_that_asks_something_else_was_never_exported(looked):
    """An edit of it is a hint, whatever the source says; how and when it is written is no edit."""
    look, dataset = looked
    note_exported(open_store(dataset.url), dataset, datetime.now(UTC))
    assert look() == 0
    assert look(overlap="refuse", schedule={"cron": "0 2 * * *"}) == 0
    assert look(labels="all") == 1
    assert look(labels="all") == 1
    assert look(filters={"workflow_status": "Done"}) == 2


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"at": 5}', b'{"at":"2024-06-01T00:00:00Z"}'], ids=repr)
def test_a_note_that_does_not_tell_what_was_exported_is_none(looked, body):
    """Damaged, or of a version that did not note what was asked: a refresh is started."""
    look, dataset = looked
    open_store(dataset.url).put(EXPORTED, body)
    assert look() == 1


def test_an_export_of_the_future_is_not_believed(looked):
    """A clock that was ahead noted it; nothing could happen after it for as long as that."""
    look, dataset = looked
    note_exported(open_store(dataset.url), dataset, datetime.now(UTC) + timedelta(hours=1))
    assert look() == 1
