"""What a process has at hand in a flow run: each attempt asks the store anew."""

from __future__ import annotations

import pytest

from labelsnap.buckets.base import rows_path
from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.keeping.history import newest_record
from labelsnap.snapshots.layout import epoch_key
from labelsnap.snapshots.manifest import Manifest
from labelsnap.snapshots.writing.commit import commit
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.storage import open_store, probe
from tasks import export
from tasks.machines.here import AHEAD, here_of, let_go
from tests.months.engine import engine


@pytest.fixture
def flow_run():
    """The flow run of this context."""
    with engine() as runtime:
        runtime.flow_run.id = "a-flow-run"
        yield runtime.flow_run


@pytest.fixture
def url(tmp_path, flow_run):
    """A dataset; what is at hand of it goes with the test."""
    found = f"file://{tmp_path}/street-scenes"
    yield found
    let_go(found)


def test_a_process_that_outlives_an_attempt_asks_for_the_epoch_again(url, flow_run):
    """A worker's next attempt writes under the epoch that stands then, and puts what was collected since."""
    first = here_of(url).draft(None).add_file("a.txt", b"a")
    assert first.key == "data/a-ca978112ca1bbdca.txt"  # sha256sum of the letter
    store = open_store(url)
    store.delete(first.key)
    store.create(epoch_key(1), b"{}")
    assert here_of(url).draft(None).add_file("b.txt", b"b").key == "data/b-3e23e8160039594a.txt"
    flow_run.run_count = 2
    again = here_of(url).draft(None).add_file("a.txt", b"a")
    assert again.key == "data/a-ca978112ca1bbdca-g1.txt"
    assert store.get(again.key) == b"a"


def test_what_an_attempt_had_at_hand_goes_with_the_next(url, flow_run):
    """A process keeps the copies of one attempt of a flow run."""
    before = here_of(url)
    assert here_of(url) is before
    flow_run.run_count = 2
    now = here_of(url)
    before.folder.take("name", b"body")
    assert now is not before
    assert before.folder.size("name") is None
    now.folder.take("name", b"body")
    assert now.folder.size("name") == 4


def test_a_call_is_made_at_once_where_nothing_is_at_hand(url, monkeypatch):
    """Whoever asks here next gets another, which would wait for nothing."""
    monkeypatch.setenv("LABELSNAP_AT_HAND_BYTES", "0")
    made = []
    here_of(url).soon(lambda: made.append("made"))
    assert made == ["made"]


def test_what_the_steps_of_a_run_ask_for_first_is_read_ahead(url, monkeypatch):
    """The manifest, what it tells of each bucket, and its classes; with many buckets each reads its own."""
    store = open_store(url)
    manifest, paths = version_with(store, buckets=AHEAD - 1)
    for paths_ahead in (paths, ()):
        monkeypatch.setattr("tasks.machines.here.AHEAD", len(paths_ahead))
        let_go(url)
        here = here_of(url)
        here.begin("run", 1, manifest, 0, anew=True)
        here.read_ahead(1)
        there = [path for path in paths if here.folder.size(f"{url}/{here.manifest(1).file(path).key}")]
        assert sorted(there) == sorted(paths_ahead)


def test_no_export_is_started_before_what_tells_of_it_is_written(url, dataset, monkeypatch):
    """Neither that it is asked for nor how its run began; a repetition writes what failed, and then starts it."""
    chosen, started = dataset(store=url.rpartition("/")[0], dataset="street-scenes"), []
    here, failing = here_of(url), [StorageRefusedError("no", remedy="", code="access_denied")]
    here.begin("run", 0, "", 0, anew=True)

    def write():
        if failing:
            raise failing.pop()
        here.store.put("work/runs/0.json", b"{}")

    def start(*_, ready, **__):
        ready()
        started.append([info.key for info in here.store.list("work/")])
        return "task"

    monkeypatch.setattr(export, "start", start)
    here.soon(write)
    (request,) = export.parts_of(chosen)
    with pytest.raises(StorageRefusedError):
        export.started(chosen, "run", None, request, "000")
    assert started == []
    assert export.started(chosen, "run", None, request, "000") == "task"
    assert started == [["work/run/receipts/asked-000.json", "work/runs/0.json"]]
    here.settle()
    assert here.store.head("work/run/receipts/export-000.json")


def version_with(store, *, buckets):
    """A first version that tells of so many buckets; the digest of its manifest, and the paths of what is told."""
    draft = Draft(store)
    paths = ["tables/classes/classes.parquet", *(rows_path(index, 1 << 5) for index in range(buckets))]
    files = draft.add_files((path, path.encode()) for path in paths)
    manifest = Manifest.of(dataset="d", created_at="", config={}, result={}, files=list(files), packs=[])
    commit(store, manifest, publish_id="run", parent=0, started_at=probe(store))
    return newest_record(store).manifest, paths
