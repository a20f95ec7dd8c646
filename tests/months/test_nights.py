"""Nights in any order: what a property of whole histories says of what is kept, and of what it costs to keep it."""

from __future__ import annotations

import os
from itertools import count

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from labelsnap.buckets.parts import documents
from labelsnap.snapshots.writing import small
from tests.months.nights import Nights, Place
from tests.months.power import Power, powered
from tests.months.project import Clock
from tests.months.test_months import histories

HISTORIES = int(os.environ.get("LABELSNAP_TEST_NIGHTS", "5"))
STEPS = 200


@pytest.fixture
def nights(tmp_path, monkeypatch):
    """The machine, with packs and documents that are large for rows as small as these."""
    monkeypatch.setattr(small, "SMALL_PACK", 128)
    monkeypatch.setattr(documents, "RUN_BYTES", 16)
    clock, power = Clock(), Power()
    with powered(lambda: clock, power):
        yield type("OurNights", (Nights,), {"place": Place(tmp_path, power, clock, count())})


@pytest.mark.slow
def test_some_nights(nights):
    """Two histories of some steps."""
    run_state_machine_as_test(nights, settings=histories(2, 20))


@pytest.mark.slow
def test_many_nights(nights):
    """Histories of two hundred steps; ``LABELSNAP_TEST_NIGHTS`` says how many."""
    whole = settings(histories(HISTORIES, STEPS), phases=[Phase.generate])  # a shorter one takes minutes to find
    run_state_machine_as_test(nights, settings=whole)
