"""Calls side by side, and what of a run goes so: its chains of requests decide how long it takes far from a store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import ContextVar
from functools import partial
from threading import Barrier, Event

import pytest

from config.reading import parse_dataset
from labelsnap.errors import LabelboxRefusedError, StorageOutcomeUnknownError, StorageRefusedError
from tasks import prepare as preparing
from tasks.machines.beside import Later, beside
from tasks.machines.here import Here
from tasks.run.beginning import Head

RUN = ContextVar("run", default="none")
SECONDS = 20
"""Longer than any of these waits where what it waits for comes at all."""


def test_calls_know_the_run_of_who_starts_them():
    """Each gives its result, in a thread whose log records and tasks are the run's."""
    told = RUN.set("this one")
    met = Barrier(2)
    with beside() as start:
        both = [start(lambda: (met.wait(SECONDS) >= 0, RUN.get())) for _ in range(2)]
    RUN.reset(told)
    assert [each.result() for each in both] == [(True, "this one")] * 2


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_goes_on_behind_the_block(fails):
    """Also where it fails: what comes then tidies up, and would meet what is still written."""
    ended = Event()
    begun = Event()

    def work():
        begun.wait(SECONDS)
        ended.set()
        raise StorageRefusedError("no", remedy="", code="access_denied")

    def block():
        with beside() as start:
            future = start(work)
            begun.set()
            if fails:
                raise LabelboxRefusedError("no", remedy="", code="key_refused")
        return future

    if fails:
        with pytest.raises(LabelboxRefusedError):
            block()
    else:
        assert isinstance(block().exception(), StorageRefusedError)
    assert ended.is_set()


def test_a_process_that_is_told_to_end_waits_for_no_call():
    """An answer that does not come must not keep it."""
    never = Event()

    def block():
        with beside() as start:
            start(lambda: never.wait(SECONDS))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        block()
    assert not never.is_set()
    never.set()


def test_the_work_goes_on_while_a_call_is_made_and_waits_for_it_later():
    """What comes of it is known as soon as it has ended."""
    go_on, made, later = Event(), [], Later()
    future = later.begin(lambda: (go_on.wait(SECONDS), made.append("made"), RUN.get())[-1])
    assert made == []
    go_on.set()
    later.settle()
    assert (made, future.result()) == (["made"], "none")


def test_a_call_that_failed_is_told_and_made_again_by_who_waits_next():
    """So a repeated step goes on behind nothing that was not written."""
    tried, later = [], Later()

    def call():
        tried.append("tried")
        if len(tried) == 1:
            raise StorageRefusedError("no", remedy="", code="access_denied")

    later.begin(call)
    later.rest()
    with pytest.raises(StorageRefusedError):
        later.settle()
    later.settle()
    later.settle()
    assert tried == ["tried"] * 2


def test_whoever_settles_waits_for_what_another_waits_for():
    """Two steps write beside their work, and neither goes on before all of it is written."""
    go, later, told = Event(), Later(), []

    def slow():
        assert go.wait(SECONDS)
        told.append("written")

    later.begin(slow)
    with ThreadPoolExecutor(2) as pool:
        settling = [pool.submit(later.settle) for _ in range(2)]
        assert wait(settling, timeout=0.2).done == set()
        go.set()
        for each in settling:
            each.result(SECONDS)
    assert told == ["written"]


def test_a_call_without_an_answer_is_made_again():
    """As a task would be: so a lost answer to one small write ends no run. What lasts is told, after so many tries."""
    tried, later = [], Later(pauses=(0.0, 0.0))

    def call(failures):
        tried.append(failures)
        if len(tried) <= failures:
            raise StorageOutcomeUnknownError("no answer", remedy="", code="storage_unreachable")

    later.begin(partial(call, 2))
    later.settle()
    assert tried == [2] * 3
    tried.clear()
    later.begin(partial(call, 3))
    with pytest.raises(StorageOutcomeUnknownError):
        later.settle()
    assert tried == [3] * 3
    later.settle()


@pytest.fixture
def prepared(sandbox, tmp_path, monkeypatch):
    """Prepares a run of which the four first questions are these."""
    content = {"dataset": "streets", "store": f"file://{tmp_path}/store", "source": {"project": sandbox.project_id}}
    streets = parse_dataset(content)

    def run(**questions):
        for name, answer in questions.items():
            monkeypatch.setattr(preparing, name, answer)
        return preparing.prepare.fn(streets, "flow-run")

    return run


def test_the_first_questions_of_a_run_are_asked_side_by_side(prepared):
    """The key and source, the store's promise, its newest version, and what was left: four chains of requests."""
    met = Barrier(4)

    def meeting(question):
        def ask(*given, **named):
            met.wait(SECONDS)
            return question(*given, **named)

        return ask

    names = ("check_source", "probe", "head_of", "recall_left")
    begun = prepared(**{name: meeting(getattr(preparing, name)) for name in names})
    assert (begun.way, begun.base) == ("anew", Head())


def test_of_several_faults_the_first_question_is_told(prepared):
    """As ever: the key first, then whether the store can be written."""

    def refused(error):
        def ask(*_, **__):
            raise error

        return ask

    key = refused(LabelboxRefusedError("the key", remedy="", code="key_refused"))
    store = refused(StorageRefusedError("the store", remedy="", code="access_denied"))
    with pytest.raises(StorageRefusedError, match="the store"):
        prepared(probe=store)
    with pytest.raises(LabelboxRefusedError, match="the key"):
        prepared(check_source=key, probe=store, head_of=store, recall_left=store)


def test_what_cannot_be_read_ahead_is_told_by_who_needs_it(monkeypatch):
    """Reading ahead is a help and no step of its own."""
    error = StorageRefusedError("the manifest is gone", remedy="", code="damaged")

    def gone(*_):
        raise error

    monkeypatch.setattr("tasks.machines.here.read_snapshot", gone)
    here = Here(store=None)
    here.read_ahead(3)
    with pytest.raises(StorageRefusedError, match="gone"):
        here.manifest(3)
