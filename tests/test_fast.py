"""What a fast test may take."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from tests.fast import SECONDS, pytest_runtest_call


def item(worker, marks):
    """A test that has these marks, in a worker of pytest-xdist that is told this, or in a process that runs all."""
    config = SimpleNamespace() if worker is None else SimpleNamespace(workerinput=worker)
    return SimpleNamespace(config=config, get_closest_marker=lambda name: name if name in marks else None)


@pytest.mark.parametrize(
    ("worker", "marks", "seconds", "fails"),
    [
        ({"compiled": True}, (), SECONDS + 0.1, True),
        ({"compiled": True}, (), SECONDS - 0.1, False),
        ({"compiled": True}, ("slow",), SECONDS + 0.1, False),
        ({"compiled": True}, ("integration",), SECONDS + 0.1, False),
        ({"compiled": False}, (), SECONDS + 0.1, False),
        (None, (), SECONDS + 0.1, False),
    ],
)
def test_a_fast_test_that_takes_long_fails(worker, marks, seconds, fails):
    """One that is marked may take its time, and so may one that compiles loops for itself."""
    running = pytest_runtest_call(item(worker, marks))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "process_time", iter([10, 10 + seconds]).__next__)
        next(running)
        with pytest.raises(pytest.fail.Exception if fails else StopIteration):
            running.send(None)
