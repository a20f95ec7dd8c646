"""When requests are sent: the budget of a minute, pauses, back-off and ``Retry-After``."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.labelbox.downloads.addresses import Origin
from labelsnap.labelbox.downloads.pace import Pace
from labelsnap.labelbox.retry import Backoff, retry_after

LABELBOX, ELSEWHERE = Origin("https", "labelbox", 443), Origin("https", "elsewhere", 443)
NOW = datetime(2024, 4, 8, 12, 0, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    now: float = 0.0

    def __call__(self):
        """The time."""
        return self.now

    def sleep(self, seconds):
        """Let it pass."""
        self.now += seconds


@pytest.fixture
def clock():
    """A clock at zero."""
    return Clock()


@given(st.integers(1, 20), st.lists(st.floats(0, 30), min_size=1, max_size=80))
def test_no_minute_has_more_requests_than_the_budget(budget, gaps):
    """Whenever requests are wanted, any 60 seconds hold at most the budget, and nothing waits that need not."""
    clock = Clock()
    pace = Pace(budget, clock=clock, sleep=clock.sleep)
    sent = []
    for gap in gaps:
        clock.sleep(gap)
        wanted = clock()
        waited = pace.wait(LABELBOX, counted=True)
        assert waited == pytest.approx(clock() - wanted)
        if waited:
            assert clock() == pytest.approx(sent[-budget] + 60)
        sent.append(clock())
    for index, moment in enumerate(sent):
        assert index - bisect_left(sent, moment - 60 + 1e-6) < budget


def test_only_counted_requests_take_from_the_budget(clock):
    """Images and chunks come from other hosts, whose limits are not Labelbox's."""
    pace = Pace(1, clock=clock, sleep=clock.sleep)
    assert pace.wait(LABELBOX, counted=True) == 0
    assert [pace.wait(ELSEWHERE, counted=False) for _ in range(5)] == [0] * 5
    assert pace.wait(LABELBOX, counted=True) == 60


def test_a_pause_holds_for_its_origin_and_the_longest_counts(clock):
    """Who asks the paused origin waits until the end of the longest pause; another origin is free."""
    pace = Pace(1000, clock=clock, sleep=clock.sleep)
    pace.pause(LABELBOX, 7)
    pace.pause(LABELBOX, 3)
    assert pace.wait(ELSEWHERE, counted=False) == 0
    assert pace.wait(LABELBOX, counted=True) == 7
    assert pace.wait(LABELBOX, counted=True) == 0


def test_an_origin_that_fails_again_and_again_is_failing_until_it_serves_one(clock):
    """Three bodies in a row; one that is served ends it."""
    pace = Pace(1000, clock=clock, sleep=clock.sleep)
    for failed in (True, True, False, True, True):
        pace.note(LABELBOX, failed=failed)
        assert not pace.is_failing(LABELBOX)
    pace.note(LABELBOX, failed=True)
    assert pace.is_failing(LABELBOX)
    assert not pace.is_failing(ELSEWHERE)
    pace.note(LABELBOX, failed=False)
    assert not pace.is_failing(LABELBOX)


@given(st.integers(1, 2000))
def test_backoff_is_drawn_from_zero_to_base_doubled_and_never_above_the_cap(attempt):
    """Full jitter: anything between nothing and min(cap, base·2ⁿ⁻¹)."""
    backoff = Backoff(base=1, cap=8)
    assert 0 <= backoff.delay(attempt) <= min(8, 2 ** min(attempt - 1, 3))


@given(st.integers(0, 10**6))
def test_retry_after_in_seconds(seconds):
    """RFC 9110's delay-seconds, with blanks around it or not; and the decimals that some servers send."""
    assert retry_after(str(seconds)) == retry_after(f" {seconds} ") == seconds
    assert retry_after(f"{seconds}.25") == seconds + 0.25


@given(st.integers(-(10**6), 10**6))
def test_retry_after_as_a_date(seconds):
    """RFC 9110's HTTP-date; a time that has passed means now."""
    header = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(header, now=NOW) == max(0, seconds)


@given(st.text() | st.text("0123456789:,+- GMTJanMonEpoch"))
def test_retry_after_may_be_anything(text):
    """A header that says nothing is None; no text raises, and no wait is negative."""
    seconds = retry_after(text)
    assert seconds is None or seconds >= 0
    assert retry_after(None) is None


def test_a_long_retry_after_is_longer_than_what_is_waited_for():
    """An hour is more than the default allows."""
    assert retry_after("3600") > Backoff().longest_retry_after
