"""What of a run that was broken off is found, taken over, looked for again, and forgotten."""

from __future__ import annotations

import json

import pytest
from msgspec import Struct
from msgspec.structs import replace

from config.reading import parse_dataset
from labelsnap.buckets.receipt import BucketReceipt, Tally
from labelsnap.errors import (
    ConfigurationError,
    DatasetRejectedError,
    LabelboxAnswerError,
    LabelboxRefusedError,
    StorageRefusedError,
)
from labelsnap.formats.description.census import Census
from labelsnap.snapshots.layout import EXPORTED
from labelsnap.snapshots.manifest import File, Pack
from labelsnap.storage.interface import RECORD_BYTES
from tasks.run.beginning import Beginning, Head, Left
from tasks.run.endings import Ending, ending_of
from tasks.run.hints import last_exported
from tasks.run.ledger import Ledger
from tasks.run.unfinished import (
    TAKEN,
    Taken,
    TakenBucket,
    forget,
    give_up_export,
    look_anew,
    note_beginning,
    recall_left,
    take_over,
)
from tests.contracts.memory_store import MemoryStore
from tests.snapshots.publishing import published


class Made(Struct):
    """A receipt that names files at some depth."""

    streams: tuple[Made, ...] = ()
    files: tuple[File, ...] = ()


def dataset(**changes):
    """A dataset file's content."""
    content = {"dataset": "streets", "store": "s3://datasets/team", "source": {"project": "p"}}
    return parse_dataset(content | changes)


def beginning(store, run="run-1"):
    """A run that begins now."""
    return Beginning(run, "flow-1", Head(3, "c" * 64), store.now, store.now, store.now)


@pytest.fixture
def store():
    """A store in which a run has begun and left a receipt."""
    store = MemoryStore()
    note_beginning(store, dataset(), beginning(store))
    store.put("work/run-1/receipts/export-000.json", b'{"id": "task"}')
    return store


def test_a_run_of_the_same_dataset_file_is_found(store):
    """As it was begun, with its last sign of life by the store's clock."""
    begun = beginning(store)
    store.pass_time(hours=9)
    store.put("work/run-1/receipts/bucket.json", b"{}")
    assert recall_left(store, dataset()) == Left(begun, store.now)


@pytest.mark.parametrize("changes", [{"filters": {"workflow_status": "Done"}}, {"formats": {}}, {"dataset": "lanes"}])
def test_another_datasets_or_parameters_run_is_not(store, changes):
    """What it exported or wrote is not what is asked for now."""
    assert recall_left(store, dataset(**changes)) is None


def test_another_softwares_run_is_not(store, monkeypatch):
    """Whatever version it calls itself: other code may write the same row otherwise."""
    monkeypatch.setattr("tasks.run.unfinished.software", lambda: "f" * 16)
    assert recall_left(store, dataset()) is None


def test_a_run_that_published_before_it_was_killed_is_told(store):
    """The next run begins anew, rather than taking that version for its own."""
    published(store, {"tables/a.parquet": b"a"}, publish_id="run-1")
    assert recall_left(store, dataset()).published


def test_a_given_up_export_is_told(store):
    """The run's work is still there."""
    give_up_export(store, dataset(), beginning(store))
    assert recall_left(store, dataset()).beginning == replace(beginning(store), given_up=True)
    assert store.head("work/run-1/receipts/export-000.json")


def test_a_damaged_note_is_no_run(store):
    """It is overwritten by the run that begins."""
    (key,) = [found.key for found in store.list("work/runs/")]
    store.put(key, b"{")
    assert recall_left(store, dataset()) is None


@pytest.mark.parametrize(
    "change",
    [{"working_since": "2026-11-29T12:00:00"}, {"looking_since": "2026-11-29T12:00:00"}, {"run": "../../elsewhere"},
     {"run": "a\0b"}, {"base": {"version": -1}}],
    ids=ascii,
)  # fmt: skip
def test_a_note_of_what_no_run_has_is_none(store, change):
    """Times without a zone, which no other time is before or after, and names that lead elsewhere."""
    (key,) = [found.key for found in store.list("work/runs/")]
    store.put(key, json.dumps(json.loads(store.get(key)) | change).encode())
    assert recall_left(store, dataset()) is None


def test_a_note_or_receipt_that_is_longer_than_any_is_none(store, monkeypatch):
    """Whoever may write to the bucket stops no run by one: it is told, and the work is done again."""
    (key,) = [found.key for found in store.list("work/runs/")]
    store.put(key, b" " * (RECORD_BYTES + 1))
    assert recall_left(store, dataset()) is None
    store.put(EXPORTED, b" " * (RECORD_BYTES + 1))
    assert last_exported(store, dataset()) is None
    Ledger(store, "run-1").note("made", Made())
    monkeypatch.setattr("tasks.run.ledger.DOCUMENT_BYTES", 10)
    assert Ledger(store, "run-1").recall("made", Made) is None


def test_a_runs_name_goes_before_its_ledger():
    """Whenever the process dies between the two, nobody goes on with half a ledger."""
    store, deleted = MemoryStore(), []
    store.delete = deleted.append
    note_beginning(store, dataset(), beginning(store))
    Ledger(store, "run-1").note("export-000", Made())
    forget(store, dataset(), "run-1")
    assert [key.split("/")[1] for key in deleted] == ["runs", "run-1"]


def file(name, store=None):
    """A table of four bytes, which lies in the store where one is given."""
    key = f"data/{name}-{'0' * 16}"
    if store:
        store.put(key, b"1234")
    return File(f"tables/{name}", key, 4, "0" * 64)


def test_a_run_that_is_gone_on_with_much_later_looks_for_its_objects_anew(store):
    """The receipt of what is gone, has another size or cannot be read goes, so that it is made again."""
    whole, gone, cut = file("whole", store), file("gone"), file("cut")
    store.put(cut.key, b"123")
    ledger = Ledger(store, "run-1")
    for name, made in (("bucket-1", whole), ("window-1", gone), ("result-1", cut)):
        ledger.note(name, Made(streams=(Made(files=(made,)),)))
    store.put("work/run-1/receipts/errors-1.json", b"{")
    joined = File("raw/result-2", "", 4, "0" * 64, parts=())
    ledger.note("result-2", Made(files=(joined,)))
    look_anew(store, "run-1")
    assert [key.key.rpartition("/")[2] for key in store.list("work/run-1/")] == [
        "bucket-1.json",
        "export-000.json",
        "result-2.json",
    ]


def built(index, *files, packs=()):
    """A receipt of a bucket with these tables."""
    return BucketReceipt(index, files, packs, Tally(), Census(), (), ())


def taken(store, run):
    """What a run has taken over: names of tables by bucket."""
    return {
        name: [each.key.removesuffix(f"-{'0' * 16}") for each in found.files]
        for name, found in Ledger(store, run).recall(TAKEN, Taken).buckets.items()
    }


def test_what_several_killed_runs_built_is_taken_over(store):
    """The newest of each bucket; what the run before had taken over and not built yet goes with it."""
    pack = Pack(f"data/pack-{'0' * 16}.tar", 9, "1" * 64)
    first = Ledger(store, "run-1")
    first.note("bucket-00000-of-00002", built(0, file("first-0"), packs=(pack,)))
    first.note("bucket-00001-of-00002", built(1, file("first-1")))
    take_over(store, "run-1", "run-2", look=False)
    assert Ledger(store, "run-2").recall(TAKEN, Taken).packs == (pack,)
    Ledger(store, "run-2").note("bucket-00001-of-00002", built(1, file("second-1")))
    take_over(store, "run-2", "run-3", look=False)
    assert taken(store, "run-3") == {
        "bucket-00000-of-00002": ["data/first-0"],
        "bucket-00001-of-00002": ["data/second-1"],
    }


def test_of_buckets_of_another_number_nothing_is_taken_over_beside_the_newer(store):
    """A row would stand in two of them."""
    Ledger(store, "run-1").note(TAKEN, Taken({"bucket-00000-of-00001": TakenBucket((file("old"),), ())}))
    take_over(store, "run-1", "run-2", look=False)
    assert taken(store, "run-2") == {"bucket-00000-of-00001": ["data/old"]}
    Ledger(store, "run-2").note("bucket-00001-of-00002", built(1, file("new")))
    take_over(store, "run-2", "run-3", look=False)
    assert taken(store, "run-3") == {"bucket-00001-of-00002": ["data/new"]}


def test_a_damaged_list_of_what_was_taken_over_is_none(store):
    """What the run built itself is taken over nevertheless."""
    Ledger(store, "run-1").note("bucket-00000-of-00002", built(0, file("there")))
    store.put("work/run-1/receipts/taken.json", b"{")
    take_over(store, "run-1", "run-2", look=False)
    assert taken(store, "run-2") == {"bucket-00000-of-00002": ["data/there"]}


def test_a_bucket_whose_objects_are_gone_is_not_taken_over(store):
    """Nor one whose receipt cannot be read; the others are."""
    ledger = Ledger(store, "run-1")
    ledger.note("bucket-00000-of-00004", built(0, file("there", store)))
    ledger.note("bucket-00001-of-00004", built(1, file("there", store), file("gone")))
    ledger.note(
        "bucket-00002-of-00004", built(2, file("there", store), packs=(Pack(f"data/gone-{'0' * 16}.tar", 9, "1" * 64),))
    )
    store.put("work/run-1/receipts/bucket-00003-of-00004.json", b"{")
    take_over(store, "run-1", "run-2", look=True)
    assert taken(store, "run-2") == {"bucket-00000-of-00004": ["data/there"]}


@pytest.mark.parametrize(
    ("error", "code", "ending"),
    [
        (DatasetRejectedError, "too_many_problems", Ending.WORK),
        (DatasetRejectedError, "read_back_differs", Ending.NOTHING),
        (LabelboxRefusedError, "export_failed", Ending.WORK),
        (LabelboxRefusedError, "export_gone", Ending.WORK),
        (LabelboxRefusedError, "lines_missing", Ending.WORK),
        (LabelboxRefusedError, "source_not_found", Ending.WORK),
        (LabelboxRefusedError, "export_timeout", Ending.EVERYTHING),
        (LabelboxAnswerError, "labelbox_unreachable", Ending.EVERYTHING),
        (LabelboxAnswerError, "labelbox_answer", Ending.EVERYTHING),
        (LabelboxAnswerError, "bad_chunk", Ending.WORK),
        (StorageRefusedError, "lost_race", Ending.WORK),
        (StorageRefusedError, "object_condemned", Ending.NOTHING),
        (StorageRefusedError, "storage_full", Ending.EVERYTHING),
        (ConfigurationError, "bad_setting", Ending.EVERYTHING),
        (KeyboardInterrupt, None, Ending.EVERYTHING),
    ],
)
def test_what_a_failure_leaves(error, code, ending):
    """What may pass leaves all to a retry; a lost export leaves the work; what cannot be trusted goes."""
    raised = error() if code is None else error("It failed.", remedy="Repeat.", code=code)
    assert ending_of(raised) is ending


@pytest.mark.parametrize("body", [b'{"software": "0123456789abcdef", "receipt": {}}', b'{"streams": []}'])
def test_a_receipt_of_another_software_is_none(store, body):
    """Its work is done again: other code may have written it otherwise."""
    ledger = Ledger(store, "run-1")
    ledger.note("made", Made())
    assert ledger.recall("made", Made) == Made()
    store.put("work/run-1/receipts/made.json", body)
    assert ledger.recall("made", Made) is None


@pytest.mark.parametrize(
    "change",
    [
        {"run": "lease"}, {"run": "runs"}, {"run": ""}, {"run": "../manifests"}, {"run": "a/b"}, {"run": "x" * 5000},
        {"exported_since": "2024-05-06T07:08:09"}, {"looking_since": "yesterday"},
        {"base": {"version": -1}}, {"base": {"version": 10**30}},
    ],
    ids=lambda change: str(change)[:40],
)  # fmt: skip
def test_a_note_of_a_run_that_cannot_be_is_no_run(store, change):
    """Whoever may write to the bucket may write one: nothing is taken over, and nobody else's folder is cleared."""
    note_beginning(store, dataset(), beginning(store))
    (key,) = (key for key in store.objects if key.startswith("work/runs/"))
    fields = json.loads(store.objects[key][0])
    store.put(key, json.dumps(fields | change).encode())
    assert recall_left(store, dataset()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "/nowhere/x"}, {"key": "tags/a.json"}, {"path": "../x"}, {"path": "tables/.git/config"},
        {"sha256": "../../x"}, {"size": -1}, {"offset": 1 << 60}, {"parts": [["data/../x", 0, 1]]},
    ],
    ids=str,
)  # fmt: skip
def test_a_receipt_is_held_to_what_a_manifest_is(store, wrong):
    """Files and packs of a receipt that are none are no receipt: its work is done again, and nothing is asked for."""
    ledger = Ledger(store, "run-1")
    ledger.note("bucket-00000-of-00001", built(0, file("a")))
    assert ledger.recall("bucket-00000-of-00001", BucketReceipt)
    key = "work/run-1/receipts/bucket-00000-of-00001.json"
    noted = json.loads(store.objects[key][0])
    noted["receipt"]["files"][0] |= wrong
    store.put(key, json.dumps(noted).encode())
    assert ledger.recall("bucket-00000-of-00001", BucketReceipt) is None
    take_over(store, "run-1", "run-2", look=True)
    look_anew(store, "run-1")
    assert taken(store, "run-2") == {}


def test_names_that_no_receipt_has_are_passed_over(store):
    """A key of the bucket's may have signs that no file system takes; it ends no run."""
    store.put("work/run-1/receipts/bucket-a:b.json", b"{}")
    store.put("work/run-1/receipts/bucket-c .json", b"{}")
    assert list(Ledger(store, "run-1").names("bucket-")) == []
    take_over(store, "run-1", "run-2", look=True)
