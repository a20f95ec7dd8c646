"""Who of a cluster fits: what is found once is told to all who wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest

from tasks.errors import ConfigurationError
from tasks.steps import roster
from tasks.steps.roster import Roster

WAITING = 6


class Hung:
    """A cluster of one member whose head is asked once more, and does not answer in its time."""

    def __init__(self):
        self.asked = 0

    def members(self):
        """Answer the first time."""
        self.asked += 1
        if self.asked > 1:
            raise ConfigurationError("It is lost.", remedy="Start it.", code="cluster_unusable")
        return {"a": "a"}

    def ask(self, *_):
        """It fits."""
        return []


def test_a_head_that_hangs_is_waited_for_once(monkeypatch):
    """However many tasks are in hand: each is told what the first of them found."""
    cluster = Hung()
    with closing(Roster(cluster, b"", patience=1)) as members, ThreadPoolExecutor(WAITING) as pool:
        while not members.fit():
            pass
        monkeypatch.setattr(roster, "LOOK_SECONDS", 0)
        together = Barrier(WAITING)

        def wait():
            together.wait()
            with pytest.raises(ConfigurationError) as caught:
                members.fit()
            return caught.value.code

        found = [each.result() for each in [pool.submit(wait) for _ in range(WAITING)]]
    assert found == ["cluster_unusable"] * WAITING
    assert cluster.asked == 2
