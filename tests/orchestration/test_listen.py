"""From hints to refreshes: one for many, none twice, none lost."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from config.reading import parse_dataset
from flows.listen import OVERLAP, PATIENCE, Quiet, Watch, check_listenable
from flows.service.receiver import concerned
from labelsnap.errors import ConfigurationError, DatasetRejectedError, LabelboxAnswerError, StorageOutcomeUnknownError
from labelsnap.storage import open_store
from tasks.run.hints import HINTS, KEPT, name_of, note_exported, note_hint, pending_hints, settle_hints
from tests.contracts.memory_store import MemoryStore


def dataset(folder, **changes):
    """A dataset in a folder."""
    content = {"dataset": "streets", "store": folder.as_uri(), "source": {"project": "p"}}
    return parse_dataset(content | changes)


def test_a_refresh_is_due_when_it_was_quiet():
    """Each hint begins the quiet time anew, but not for ever."""
    quiet = Quiet(60)
    assert quiet.due() is None
    quiet.hint(0)
    quiet.hint(50)
    assert quiet.due() == 110
    for second in range(50, 2000, 50):
        quiet.hint(second)
    assert quiet.due() == PATIENCE * 60
    quiet.clear()
    assert quiet.due() is None


class Starts:
    """Refreshes that were asked for."""

    def __init__(self, failures=0):
        self.keys, self.failures = [], failures

    def __call__(self, _dataset, key):
        if self.failures:
            self.failures -= 1
            raise LabelboxAnswerError("It does not answer.", remedy="Repeat.", code="labelbox_unreachable")
        self.keys.append(key)


def watching(folder, starts, quiet=0.05):
    """A running watch that does not poll."""
    watch = Watch(dataset(folder), quiet=quiet, poll=0, start=starts)
    watch.open()
    return closing(watch), watch


def until(condition):
    """Wait for it, for at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_many_hints_start_one_refresh(tmp_path):
    """Three deliveries, each three times; afterwards none is pending."""
    starts = Starts()
    closes, watch = watching(tmp_path, starts, quiet=0.3)
    with closes:
        for number in (1, 2, 3) * 3:
            watch.accept(f"delivery-{number}")
        until(lambda: starts.keys)
        until(lambda: not pending_hints(open_store(watch.dataset.url)))
    assert len(starts.keys) == 1


def test_a_hint_that_came_while_nobody_worked_is_answered_by_the_next_listener(tmp_path):
    """Acknowledged, then killed: the hint stands in the store."""
    Watch(dataset(tmp_path), quiet=0, poll=0).accept("delivery-1")
    starts = Starts()
    closes, _ = watching(tmp_path, starts)
    with closes:
        until(lambda: starts.keys)


@pytest.mark.parametrize("body", [b"", b'"n', b'"handl'])
def test_a_delivery_whose_note_is_cut_short_is_answered(tmp_path, body):
    """By the next listener, and where it is delivered once more; then it is known."""
    for repeated in (False, True):
        store = open_store(dataset(tmp_path / str(repeated)).url)
        if not repeated:
            store.put(f"{HINTS}delivery-1.json", body)
        starts = Starts()
        closes, watch = watching(tmp_path / str(repeated), starts)
        with closes:
            if repeated:
                time.sleep(0.2)  # what a listener that starts looks for is over
                store.put(f"{HINTS}delivery-1.json", body)
                assert watch.accept("delivery-1") is False
            until(lambda starts=starts: starts.keys)
        assert (len(starts.keys), pending_hints(store)) == (1, ())


def test_a_refresh_that_cannot_be_started_is_tried_again(tmp_path):
    """Its hints stay until it is."""
    starts = Starts(failures=2)
    closes, watch = watching(tmp_path, starts)
    with closes:
        watch.accept("delivery-1")
        until(lambda: starts.keys)


def test_without_hints_nothing_is_started(tmp_path):
    """A listener that starts looks for hints, and finds none."""
    starts = Starts()
    closes, _ = watching(tmp_path, starts, quiet=0)
    with closes:
        time.sleep(0.1)
    assert starts.keys == []


def test_the_key_of_a_refresh_names_its_hints():
    """The same hints give the same key, whoever asks; with one more, or after them, it is another."""
    store = MemoryStore()
    assert note_hint(store, "b")
    store.pass_time(seconds=1)
    keys = [name_of(pending_hints(store))]
    assert name_of(pending_hints(store)) == keys[0]
    assert note_hint(store, "a")
    keys.append(name_of(pending_hints(store)))
    settle_hints(store, pending_hints(store))
    assert pending_hints(store) == ()
    assert not note_hint(store, "a")
    assert note_hint(store, "c")
    keys.append(name_of(pending_hints(store)))
    assert len(set(keys)) == 3


class Deployment:
    """Starts a run once an idempotency key, as a deployment of Prefect's does; a run sees the hints of its start."""

    def __init__(self, store):
        self.store, self.keys, self.seen = store, set(), set()

    def __call__(self, _dataset, key):
        if key not in self.keys:
            self.keys.add(key)
            self.seen |= {hint.key for hint in self.store.list(HINTS)}


def test_a_hint_that_comes_after_a_refresh_was_started_is_answered_by_another(tmp_path, monkeypatch):
    """Though the first one's hints could not be settled, because the store failed in between."""
    watch = Watch(dataset(tmp_path), quiet=0, poll=0)
    store = open_store(watch.dataset.url)
    watch.start = deployment = Deployment(store)
    watch.accept("first")
    with monkeypatch.context() as patch:
        patch.setattr("flows.listen.settle_hints", Starts(failures=1))
        with pytest.raises(LabelboxAnswerError):
            watch.answer()
    watch.accept("second")
    watch.answer()
    assert pending_hints(store) == ()
    assert deployment.seen == {f"{HINTS}first.json", f"{HINTS}second.json"}


def test_a_delivery_whose_answer_was_lost_is_answered_without_a_poll(tmp_path, monkeypatch):
    """The store wrote it down and did not say so; the sender hears 503 and delivers once more, or not."""

    def lost(store, delivery, **options):
        note_hint(store, delivery, **options)
        raise StorageOutcomeUnknownError("No answer.", remedy="Repeat.", code="storage_unreachable")

    for repeated in (False, True):
        starts = Starts()
        closes, watch = watching(tmp_path / str(repeated), starts)
        with closes:
            time.sleep(0.2)  # the look of a listener that starts is over
            with monkeypatch.context() as patch:
                patch.setattr("flows.listen.note_hint", lost)
                with pytest.raises(StorageOutcomeUnknownError):
                    watch.accept("delivery-1")
            if repeated:
                assert watch.accept("delivery-1") is False
            until(lambda starts=starts: starts.keys)


def test_a_rejected_refresh_is_not_started_again_until_something_happens(tmp_path):
    """Its policy would reject the same once more; the next delivery starts the next one."""
    rejections = []

    def start(_dataset, key):
        rejections.append(key)
        raise DatasetRejectedError("Too many problems.", remedy="Mend them.", code="too_many_problems")

    closes, watch = watching(tmp_path, start, quiet=0.01)
    with closes:
        watch.accept("delivery-1")
        until(lambda: rejections)
        time.sleep(0.3)
        assert len(rejections) == 1
        watch.accept("delivery-2")
        until(lambda: len(rejections) == 2)


@pytest.fixture
def looking(tmp_path, monkeypatch):
    """A watch and its store; Labelbox, asked by a look, has had nothing since any moment, and says what it was."""
    asked = []
    monkeypatch.setattr("flows.listen.done_since", lambda _, since: asked.append(since) or 0)
    watch = Watch(dataset(tmp_path), quiet=0, poll=0)
    return watch, open_store(watch.dataset.url), asked


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\0" * 40, b"\xff", b"[]", b"{}", b'{"at": 5}', b'{"at": "2026-01-01T00:00:00"}', b'{"at": null}'],
    ids=repr,
)
def test_a_damaged_note_of_the_last_export_is_none(looking, body):
    """A hint tells that the dataset has to be looked after, as where there is no note; and the next look works too."""
    watch, store, asked = looking
    store.put("work/exported.json", body)
    for _ in range(2):
        watch.look()
    assert [hint.key.startswith(f"{HINTS}poll-never-") for hint in pending_hints(store)] == [True]
    assert asked == []


@pytest.mark.parametrize(
    ("minutes", "is_known"),
    [(-60, True), (4, True), (6, False), (60 * 24 * 300, False), (-60 * 24 * 365 * 1900, False)],
)
def test_a_last_export_that_is_to_come_is_none(looking, minutes, is_known):
    """A clock was ahead, and a look until then would find nothing; nor is one of before there was Labelbox."""
    watch, store, asked = looking
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    note_exported(store, watch.dataset, at)
    watch.look()
    assert asked == ([at - OVERLAP] if is_known else [])
    assert bool(pending_hints(store)) is not is_known


def test_old_deliveries_are_forgotten():
    """Not before they are too old to come again, and only when newer ones came."""
    store = MemoryStore()
    note_hint(store, "old")
    settle_hints(store, pending_hints(store))
    store.now += KEPT * 2
    note_hint(store, "new")
    settle_hints(store, pending_hints(store))
    assert [found.key for found in store.list(HINTS)] == [f"{HINTS}new.json"]


def test_a_delivery_that_is_still_to_be_answered_is_never_forgotten():
    """Nor is one because another was written by a clock that was ahead."""
    store = MemoryStore()
    note_hint(store, "pending")
    store.now += KEPT * 2
    note_hint(store, "from the future")
    settle_hints(store, pending_hints(store)[1:])
    store.now -= KEPT
    note_hint(store, "now")
    settle_hints(store, pending_hints(store)[1:])
    assert [found.key for found in pending_hints(store)] == [f"{HINTS}pending.json"]
    assert len(list(store.list(HINTS))) == 3


def test_a_single_writers_deliveries_need_no_conditional_creation():
    """Each is new once."""
    store = MemoryStore()
    store.create = None
    assert note_hint(store, "a", single_writer=True)
    assert not note_hint(store, "a", single_writer=True)


def test_listening_needs_a_secret_and_a_project(tmp_path, monkeypatch):
    """Refused before anything starts, with what to do."""
    with pytest.raises(ConfigurationError, match="LABELBOX_WEBHOOK_SECRET"):
        check_listenable([dataset(tmp_path)])
    monkeypatch.setenv("LABELBOX_WEBHOOK_SECRET", "s")
    assert check_listenable([dataset(tmp_path)]) == "s"
    with pytest.raises(ConfigurationError, match="model run"):
        check_listenable([dataset(tmp_path, source={"model_run": "m"})])


def test_of_several_sources_the_projects_are_listened_to(tmp_path, monkeypatch):
    """A delivery that names any of them concerns the dataset; without a project among them there is nothing to hear."""
    monkeypatch.setenv("LABELBOX_WEBHOOK_SECRET", "s")
    some = {"slice": "s1", "project_ids": ["p2"]}
    several = dataset(tmp_path, source=None, sources=[{"project": "p1"}, some], wins=["p1", "s1"])
    assert check_listenable([several]) == "s"
    watches = [Watch(each, quiet=0, poll=0) for each in (several, dataset(tmp_path, source={"project": "p3"}))]
    named = [concerned(watches, b'{"project": {"id": "%b"}}' % each) for each in (b"p1", b"p2", b"p3", b"p4")]
    assert named == [watches[:1], watches[:1], watches[1:], watches]
    with pytest.raises(ConfigurationError, match="slice s1"):
        check_listenable([dataset(tmp_path, source=None, sources=[some])])
