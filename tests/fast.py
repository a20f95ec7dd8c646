"""What a fast test may take. Whatever takes more has the mark ``slow``, and a fast one of its kind beside it."""

from __future__ import annotations

import time
from typing import Final

import pytest
from hypothesis import settings

from tests.examples import FEW

SECONDS: Final = 8
"""Processor time of a test's own process, traced and beside other work: two or three where nothing else runs."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Have a fast test fail that takes longer, where all loops over masks were compiled before."""
    begun = time.process_time()
    result = yield
    compiled = getattr(item.config, "workerinput", {}).get("compiled")
    if compiled and is_fast(item) and time.process_time() > begun + SECONDS:
        pytest.fail(f"it took more than {SECONDS} seconds of the processor: mark it slow")
    return result


def is_fast(item):
    """Whether it runs among the fast tests, which draw few examples."""
    marked = any(item.get_closest_marker(name) for name in ("slow", "integration"))
    return not marked and settings().max_examples == FEW
