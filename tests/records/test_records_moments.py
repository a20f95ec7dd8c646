"""Times of exports as instants."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.records.lines.moments import instant, times_of

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2024-04-08T10:00:00Z", "2024-04-08T10:00:00.500Z"),
        ("2024-04-08T10:00:00.5Z", "2024-04-08T10:00:00.500001+00:00"),
        ("2024-04-08T12:00:00+02:00", "2024-04-08T10:00:01Z"),
        ("2024-04-08T09:59:59", "2024-04-08T10:00:00Z"),
        ("2024-04-08", "2024-04-08T00:00:00.001Z"),
    ],
)
def test_moments_compare_as_instants(earlier, later):
    """Whatever their text would say: ``Z`` sorts behind ``.500Z``, and an offset is no part of the hour."""
    assert instant(earlier) < instant(later)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=OFFSETS))  # noqa: DTZ001
def test_any_spelling_of_a_moment_is_that_moment(moment):
    """With any offset."""
    assert instant(moment.isoformat()) == moment


@given(st.one_of(st.none(), st.integers(), st.text(), st.just("0001-01-01T00:00:00+23:59"), st.just("2024-13-01")))
def test_what_tells_no_time_is_none(value):
    """Nothing is raised, whatever it is."""
    assert instant(value) is None or isinstance(value, str)


NOON = datetime(2024, 4, 8, 12, tzinfo=UTC)
LINE = {
    "data_row": {"id": "r", "details": {"last_activity_at": "2024-04-08T12:00:00.000+00:00"}},
    "projects": {
        "p": {"labels": [{"label_details": {"created_at": "2024-04-08T13:00:00+01:00"}}, {"id": "no details"}]},
        "q": {"labels": None},
    },
}


@pytest.mark.parametrize("by", ["last_activity_at", "label_created_at"])
def test_the_times_that_labelbox_filters_by(by):
    """The row's last activity, or the creation of its labels."""
    assert times_of(json.dumps(LINE).encode(), by, "p") == (NOON,)


@pytest.mark.parametrize("other", [5, {"labels": [{"label_details": {"created_at": "2020-01-01"}}]}, {"labels": [5]}])
@pytest.mark.parametrize("by", ["last_activity_at", "label_created_at"])
def test_another_project_tells_no_time(by, other):
    """Whatever its labels are, and whatever is wrong with it."""
    line = LINE | {"projects": {"other": other} | LINE["projects"]}
    assert times_of(json.dumps(line).encode(), by, "p") == (NOON,)


@pytest.mark.parametrize("by", ["last_activity_at", "label_created_at"])
@pytest.mark.parametrize("mended", [b"\xef\xbb\xbf%b\r", b'{"half": "\\ud83d", %b', b'{"cut": "\xe2", %b'])
def test_a_line_that_is_mended_tells_its_times(mended, by):
    """Behind a byte order mark, with half a character, and with bytes that are not UTF-8: the row is published too."""
    line = json.dumps(LINE).encode()
    assert times_of(mended % line.removeprefix(b"{" if mended.startswith(b"{") else b""), by, "p") == (NOON,)


@pytest.mark.parametrize("by", ["last_activity_at", "label_created_at"])
@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"\xff", b"{}", b'{"data_row": null}', b'{"data_row": {"details": {}}}', b"[" * 100_000]
)
def test_a_line_that_tells_no_time_has_none(line, by):
    """Whatever is on the line."""
    assert times_of(line, by, "p") == ()


@given(st.binary())
def test_no_line_is_too_odd(line):
    """Nothing is raised."""
    assert times_of(line, "last_activity_at", "p") == ()
