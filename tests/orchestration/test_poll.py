"""The look at Labelbox for rows that are Done."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from config.reading import parse_dataset
from tasks.labelbox.export import LIST_LIMIT
from tasks.steps.poll import done_since

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
