"""A range of history cut into windows."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.reading import parse_dataset
from deploy.sandbox import Fault
from flows.backfill import check_range, in_utc
from labelsnap.errors import ConfigurationError, LabelboxAnswerError, LabelboxRefusedError
from tasks.export import start_exports
from tasks.windows import Window, cut, export_window

MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1)).map(lambda m: m.replace(microsecond=0, tzinfo=UTC))  # noqa: DTZ001
TOO_LARGE = Fault(
    "graphql:exportDataRows*",
    "graphql_error",
    code="GRAPHQL_VALIDATION_FAILED",
    message="Query complexity limit exceeded",
)
HEADER = "graphql:GetExportMetadataHeaderPyApi"
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


@given(MOMENTS, st.timedeltas(timedelta(seconds=1), timedelta(days=900)), st.integers(1, 40))
def test_windows_cover_the_range_without_gap_or_overlap(start, length, number):
    """Whatever the range and the windows' length."""
    end = start + timedelta(seconds=int(length.total_seconds()))
    windows = list(cut(start, end, timedelta(seconds=max(1, int(length.total_seconds()) // number))))
    assert (windows[0].start, windows[-1].end) == (start, end)
    assert all(earlier.end == later.start for earlier, later in pairwise(windows))


@given(MOMENTS, st.integers(2, 10**8))
def test_halves_are_the_whole(start, seconds):
    """Cut at a whole second, because Labelbox takes no fractions."""
    first, second = Window(start, start + timedelta(seconds=seconds)).halves()
    assert first.end == second.start
    assert first.start < first.end < second.end == start + timedelta(seconds=seconds)
    assert first.end.microsecond == 0


def test_three_years_in_windows_of_thirty_days():
    """2022 to 2025 are 1,096 days: 36 whole windows and one of 16 days."""
    windows = list(cut(datetime(2022, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=30)))
    assert len(windows) == 37
    assert windows[-1].end - windows[-1].start == timedelta(days=16)


def test_a_window_may_be_longer_than_time_itself():
    """It ends where the range does."""
    end = NEW_YEAR + timedelta(days=1)
    assert list(cut(NEW_YEAR, end, timedelta(days=999_999))) == [Window(NEW_YEAR, end)]


@pytest.fixture
def streets(sandbox, tmp_path):
    """A dataset of the sandbox's project."""
    content = {"dataset": "streets", "store": f"file://{tmp_path}/store", "source": {"project": sandbox.project_id}}
    return parse_dataset(content)


def test_a_window_has_its_own_rows(sandbox, streets):
    """Labelbox is asked for both bounds, so that no row lies between two windows; what is beyond is left out later."""
    first, *_, last = sorted(sandbox.rows(), key=lambda row: row.last_activity_at)
    window = Window(first.last_activity_at, last.last_activity_at)
    assert export_window.fn(streets, "run", 0, window, "last_activity_at").rows == len(sandbox.rows())


def test_a_window_without_rows_is_as_announced(sandbox, streets, caplog):
    """Most windows of a long history have none: nothing is warned of."""
    before_all = Window(datetime(1990, 1, 1, tzinfo=UTC), datetime(1991, 1, 1, tzinfo=UTC))
    assert export_window.fn(streets, "run", 0, before_all, "last_activity_at").rows == 0
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_window_whose_header_is_lost_once_keeps_its_rows(sandbox, streets):
    """What looks like no rows is asked for again."""
    sandbox.faults.add(Fault(HEADER, "body", body=json.dumps({"data": {"task": {"exportMetadataHeader": None}}})))
    first, *_, last = sorted(sandbox.rows(), key=lambda row: row.last_activity_at)
    window = Window(first.last_activity_at, last.last_activity_at)
    assert export_window.fn(streets, "run", 0, window, "last_activity_at").rows == len(sandbox.rows())


@pytest.mark.parametrize(
    "hiccup",
    [
        pytest.param("too_many_exports", marks=pytest.mark.slow),
        pytest.param("too_many_requests", marks=pytest.mark.slow),
        "start_lost",
    ],
)
def test_a_window_waits_for_what_may_pass(sandbox, streets, hiccup):
    """As it is: it is not too large, however often there is no place for it."""
    before = len(sandbox.exports)
    sandbox.faults.hiccup(hiccup, 4, on="graphql:exportDataRows*")
    receipt = export_window.fn(streets, "run", 0, Window(NEW_YEAR, NEW_YEAR + timedelta(days=30)), "last_activity_at")
    assert (receipt.rows, receipt.exports) == (len(sandbox.rows()), 1)
    assert len(sandbox.exports) == before + 1


def test_a_window_is_not_halved_for_want_of_a_place(sandbox, streets, monkeypatch):
    """The limit is told when the time for it is over."""
    monkeypatch.setenv("LABELSNAP_EXPORT_TIMEOUT", "1")
    sandbox.faults.hiccup("too_many_exports", 1000)
    with pytest.raises(LabelboxRefusedError, match="10 may run") as caught:
        export_window.fn(streets, "run", 0, Window(NEW_YEAR, NEW_YEAR + timedelta(days=8)), "last_activity_at")
    assert caught.value.code == "labelbox_limit"


def test_a_bad_query_is_asked_once(sandbox, streets):
    """It says nothing of the window's size."""
    sandbox.faults.add(Fault("graphql:exportDataRows*", "graphql_error", code="MALFORMED_REQUEST", times=None))
    with pytest.raises(LabelboxRefusedError) as caught:
        export_window.fn(streets, "run", 0, Window(NEW_YEAR, NEW_YEAR + timedelta(days=8)), "last_activity_at")
    assert caught.value.code == "labelbox_refused"
    assert sandbox.requests.count("graphql:exportDataRows*") == 1


def test_a_window_that_is_too_large(sandbox, streets):
    """Its rows come in two exports; a second call finds them in the ledger."""
    sandbox.faults.add(TOO_LARGE)
    window = Window(NEW_YEAR, NEW_YEAR + timedelta(days=8))
    receipt = export_window.fn(streets, "run", 0, window, "last_activity_at")
    assert receipt.rows == sum(row.last_activity_at < window.end for row in sandbox.rows())
    assert receipt.exports == 2
    sandbox.requests.clear()
    assert export_window.fn(streets, "run", 0, window, "last_activity_at") == receipt
    assert sandbox.requests.count() == 0


def test_an_export_that_takes_too_long_is_halved(sandbox, streets, monkeypatch):
    """At once: three times as long would be too long too."""
    monkeypatch.setenv("LABELSNAP_EXPORT_TIMEOUT", "0.1")
    sandbox.settings.polls = 1000
    with pytest.raises(LabelboxRefusedError) as caught:
        export_window.fn(streets, "run", 0, Window(NEW_YEAR, NEW_YEAR + timedelta(hours=2)), "last_activity_at")
    assert caught.value.code == "export_timeout"
    assert sandbox.requests.count("graphql:exportDataRows*") == 2


def test_what_is_refused_however_small_it_is_fails(sandbox, streets):
    """An hour is not halved any more."""
    sandbox.settings.outcome = "FAILED"
    with pytest.raises(LabelboxRefusedError):
        export_window.fn(streets, "run", 0, Window(NEW_YEAR, NEW_YEAR + timedelta(hours=1)), "last_activity_at")
    assert sandbox.requests.count("graphql:exportDataRows*") == 3


@pytest.mark.parametrize(
    "moment",
    [datetime(2024, 1, 1), datetime(2024, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5.5)))],  # noqa: DTZ001
)
def test_a_range_is_taken_in_utc(moment):
    """Without an offset as it is, with one converted: Labelbox would take five o'clock for five o'clock in UTC."""
    assert in_utc(moment).isoformat() == "2024-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "days", "every"),
    [
        ({"source": {"model_run": "m"}}, 1, timedelta(days=1)),
        ({}, 0, timedelta(days=1)),
        ({}, -1, timedelta(days=1)),
        ({}, 1, timedelta(0)),
        ({}, 365, timedelta(seconds=1)),
    ],
)
def test_a_range_that_is_none_is_refused(changes, days, every):
    """Before anything is exported."""
    content = {"dataset": "streets", "store": "s3://datasets/team", "source": {"project": "p"}} | changes
    with pytest.raises(ConfigurationError) as caught:
        check_range(parse_dataset(content), NEW_YEAR, NEW_YEAR + timedelta(days=days), every)
    assert caught.value.code == "bad_range"


def test_a_run_that_is_gone_on_with_finds_the_export_whose_id_it_never_got(sandbox, streets, monkeypatch):
    """It was killed between the request and its answer: the export is found by its name, and none is started."""
    monkeypatch.setenv("LABELSNAP_QUESTION_SECONDS", "0.01")
    before = len(sandbox.exports)
    sandbox.faults.hiccup("start_lost")
    sandbox.faults.hiccup("not_listed", 1000)
    with pytest.raises(LabelboxAnswerError, match="cannot be told"):
        start_exports.fn(streets, "run")
    sandbox.faults.clear()
    found = start_exports.fn(streets, "run")
    assert len(sandbox.exports) == before + 1
    assert found.ids[0] in sandbox.exports
    assert start_exports.fn(streets, "run") == found
