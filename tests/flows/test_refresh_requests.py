"""How often a refresh asks the store, and for what: what was written or read in a run is at hand, and stays so."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import sha256
from itertools import product
from pathlib import Path
from threading import local

import pytest

from deploy.sandbox import Sandbox
from flows.refresh import refresh
from labelsnap.records.tables.schema import OF_SOURCES
from labelsnap.snapshots.keeping.epochs import keys_of
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.snapshots.tables.table_columns import BUCKET_TABLES
from labelsnap.storage import open_store
from labelsnap.storage.local import LocalStore

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]

ROWS, BUCKETS = 48, 4
PAGE = 1000
OLD = 8_000
"""Objects that gather in 400 nights of which nothing is collected."""
OPERATIONS = ("put", "create", "get", "download", "head", "list", "delete")
READS = ("get", "download")


@pytest.fixture
def asked(monkeypatch):
    """What every store in a folder is asked from now on: how often, by operation and key; each thousand of a list."""
    counts, inside = Counter(), local()

    def counted(name, real):
        def call(self, key, *arguments, **options):
            if getattr(inside, "call", False):
                return real(self, key, *arguments, **options)
            counts[name, key] += 1
            inside.call = True
            try:
                return real(self, key, *arguments, **options)
            finally:
                inside.call = False

        def listed(self, prefix, **options):
            counts[name, prefix] += 1
            for count, info in enumerate(real(self, prefix, **options)):
                counts[name, prefix] += count > 0 and count % PAGE == 0
                yield info

        return listed if name == "list" else call

    for name in OPERATIONS:
        monkeypatch.setattr(LocalStore, name, counted(name, getattr(LocalStore, name)))
    return counts


@pytest.fixture
def own_sandbox(dataset_file, monkeypatch, tmp_path):
    """A sandbox whose project may be changed, and several buckets."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", str(ROWS // 3))
    with Sandbox(rows=ROWS, directory=tmp_path / "own") as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        yield sandbox


def of(asked, *operations, below="", beside=None):
    """How often each key was asked for, by these operations."""
    found = Counter()
    for (operation, key), count in asked.items():
        if operation in operations and key.startswith(below) and not (beside and key.startswith(beside)):
            found[key] += count
    return found


def fixed(asked):
    """How many requests were about no object of the snapshot, but for renewals of a lease, and lists of versions.

    Those of the folders above a new dataset are as many as there are.
    """
    return (
        of(asked, *OPERATIONS, beside="data/").total() - renewals(asked) - of(asked, "list", below="commits/").total()
    )


def renewals(asked):
    """How many requests have renewed the lease."""
    return of(asked, "head", "put", below="work/lease/").total()


def lists(asked):
    """How many lists were made, but for those by which folders above a new dataset are looked through."""
    return of(asked, "list", beside="commits/").total()


def test_requests_of_a_refresh(own_sandbox, dataset, asked, tmp_path):
    """New rows: an object is put once, read back once, and not looked for. Unchanged and changed ones: read once.

    What is not about a snapshot's objects is a number of its own, and no list is made for a bucket, format or split.
    """
    made = dataset(source={"project": own_sandbox.project_id}, store=f"file://{tmp_path}/store", formats={"coco": {}})
    refresh(made)
    new = Counter(asked)
    manifest = read_snapshot(open_store(made.url)).manifest
    objects = {file.key for file in manifest.files if file.key} | {pack.key for pack in manifest.packs}
    reads = of(new, *READS, below="data/")
    assert reads == of(new, "put", below="data/") == dict.fromkeys(objects, 1)
    assert of(new, "head", below="data/") == {}
    assert lists(new) <= 9
    assert fixed(new) - 4 * BUCKETS <= 32  # a bucket has a receipt and items for documents, and both are removed
    tables = Counter(re.findall(r"data/tables/([a-z_]+)/bucket", " ".join(objects)))
    assert tables.keys() == BUCKET_TABLES - OF_SOURCES.keys() - {"left"}
    assert tables["embeddings"] == 1
    assert tables["data_rows"] == BUCKETS

    asked.clear()
    assert refresh(made)["published"] is False
    read = of(asked, *READS, below="data/")
    assert set(read.values()) == {1}
    assert Counter(key.split("/")[1] for key in read) == {"raw": 1, "parts": BUCKETS, "tables": 1}
    assert of(asked, "head", below="data/") == {}
    assert {key.split("/")[1] for key in of(asked, "put", below="data/")} <= {"raw"}
    assert lists(asked) <= 6
    assert of(asked, "list", below="commits/").total() == 1
    assert fixed(asked) <= 25
    assert asked.total() - renewals(asked) <= 34

    asked.clear()
    own_sandbox.edit_row(3)
    assert refresh(made)["published"] is True
    assert max(of(asked, *READS, below="data/tables/").values()) == 1
    assert set(of(asked, *READS, below="data/", beside="data/images/").values()) == {1}
    assert of(asked, "head", below="data/") == {}
    assert lists(asked) <= 10
    assert of(asked, "list", below="commits/").total() == 2
    assert fixed(asked) <= 39


def test_a_refresh_of_an_old_dataset_asks_hardly_more(own_sandbox, dataset, asked, tmp_path):
    """Beside thousands of objects of other versions, a night's requests are at most a tenth more than beside none.

    The early nights are those after the fifth, when documents and chunks are joined from several objects.
    """
    made = dataset(source={"project": own_sandbox.project_id}, store=f"file://{tmp_path}/store", formats={"coco": {}})
    refresh(made)

    def night(row):
        own_sandbox.edit_row(row)
        asked.clear()
        assert refresh(made)["published"] is True
        return asked.total() - renewals(asked)

    rows = [row.index for row in own_sandbox.rows("DONE") if not row.skipped][:5]
    for row in rows:
        night(row)
    early = [night(row) for row in rows[:3]]
    put_older_objects(Path(made.url.removeprefix("file://")), read_snapshot(open_store(made.url)).manifest)
    late = [night(row) for row in rows[:3]]
    assert sum(late) <= 1.1 * sum(early)


def put_older_objects(folder, manifest):
    """Put what other versions would have of each object of this one beside it, some thousands in all."""
    keys = sorted(keys_of(manifest))
    for number, key in product(range(OLD // len(keys)), keys):
        digest = sha256(f"{number} {key}".encode()).hexdigest()[:16]
        Path(folder, re.sub("-[0-9a-f]{16}", f"-{digest}", key)).write_bytes(b"older")


def test_another_machine_reads_the_store(own_sandbox, dataset, asked, tmp_path, monkeypatch):
    """With nothing at hand, as on a machine that has not written it, the same version comes of it."""
    made = dataset(source={"project": own_sandbox.project_id}, store=f"file://{tmp_path}/store", formats={"coco": {}})
    first = refresh(made)
    monkeypatch.setenv("LABELSNAP_AT_HAND_BYTES", "0")
    asked.clear()
    again = refresh(made)
    assert (again["published"], again["version"]) == (False, first["version"])
    own_sandbox.edit_row(3)
    asked.clear()
    assert refresh(made)["published"] is True
    assert max(of(asked, *READS, below="data/tables/").values()) > 1
