"""Who of a cluster fits: what is found once is told to all who wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier, Event

import pytest

from labelsnap.errors import ConfigurationError
from tasks.machines import roster
from tasks.machines.roster import Roster

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


class Late:
    """A cluster that is empty at the first look; its one member then answers as it is told to."""

    def __init__(self, answer):
        self.looks = 0
        self.answer = answer

    def members(self):
        """Whoever has come."""
        self.looks += 1
        return {"late": "late (10.0.0.7)"} if self.looks > 1 else {}

    def ask(self, *_):
        """What the answer does."""
        return self.answer()

    def send(self, *_):
        """Nobody takes it."""
        return self

    def cancel(self):
        """Nothing was begun."""


@pytest.fixture
def quick(monkeypatch):
    """A tenth of a second between two looks."""
    monkeypatch.setattr(roster, "LOOK_SECONDS", 0.1)


def test_a_member_that_comes_late_is_asked_again_soon(quick, caplog):
    """Its first answer fails, because it has just started; the wait for it is told once."""
    answers = iter([OSError("a node of that id is not known yet"), None])

    def answer():
        if error := next(answers):
            raise error
        return []

    with closing(Roster(Late(answer), b"", patience=20)) as members:
        assert members.begin() == {"late"}
    assert caplog.text.count("cannot be used yet. It is waited for one that fits for 20 seconds.") == 1
    assert "late (10.0.0.7) gets no work: it cannot answer" in caplog.text


def test_a_member_that_has_come_in_time_may_answer_later(quick):
    """A process has to start there first; that the time for workers to come is over is no matter then."""
    asked = Event()
    late = Late(lambda: [] if asked.wait(20) else ["it was not waited for"])
    with closing(Roster(late, b"", patience=0.3)) as members, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(members.begin)
        with pytest.raises(TimeoutError):
            waiting.result(2)
        asked.set()
        assert waiting.result() == {"late"}


def test_a_member_that_never_answers_ends_the_wait(quick, monkeypatch):
    """After its own time, and it is named."""
    monkeypatch.setattr(roster, "ANSWER_SECONDS", 0.5)
    released = Event()
    with closing(Roster(Late(lambda: released.wait(20)), b"", patience=0.3)) as members:
        with pytest.raises(ConfigurationError, match=r"late \(10.0.0.7\): it has not answered") as caught:
            members.begin()
        released.set()
    assert caught.value.code == "no_worker"
