"""Long histories, made without publishing each version: records of one manifest, and who counts what is asked."""

from __future__ import annotations

from collections import Counter

from labelsnap.snapshots import Committed, Draft, Manifest, commit
from labelsnap.snapshots.keeping.records import Commit, side_by_side
from labelsnap.snapshots.layout import commit_key
from labelsnap.snapshots.runs import gaps
from labelsnap.snapshots.sealed import seal
from labelsnap.storage import probe
from tests.contracts.memory_store import MemoryStore

PAGE = 1000
OPERATIONS = ("put", "create", "get", "head", "list", "delete", "delete_many")


class Counted:
    """A store that counts requests by operation and folder: a list is one for each thousand keys, as S3 gives them."""

    def __init__(self, store):
        self.store = store
        self.asked = Counter()

    def __getattr__(self, name):
        real = getattr(self.store, name)
        if name not in OPERATIONS:
            return real

        def call(key, *arguments, **options):
            folder = key.partition("/")[0] if isinstance(key, str) else "many"
            answer = real(key, *arguments, **options)
            if name != "list":
                self.asked[name, folder] += 1
                return answer
            found = list(answer)
            self.asked[name, folder] += max(1, -(-len(found) // PAGE))
            return iter(found)

        return call

    @property
    def requests(self):
        """How many requests there were."""
        return self.asked.total()


def publish_one(store, body, name, parent, **options):
    """Publish a version of one small file upon another, as a run of this name."""
    files = [Draft(store).add_file("a.txt", body)]
    manifest = Manifest.of(dataset="long", created_at="", config={}, result={}, files=files, packs=[])
    outcome = commit(store, manifest, publish_id=name, parent=parent, started_at=probe(store), **options)
    assert isinstance(outcome, Committed)
    return outcome.commit


def lengthened(store, first, newest, kept=()):
    """Put the records of versions after the first up to a number, of its manifest, as those who publish write them.

    Of all these versions those that are named are kept, and the newest.
    """
    expired = gaps(tuple((number, number) for number in (*kept, newest)), newest)

    def put(version):
        record = Commit(
            version=version,
            parent=version - 1,
            manifest=first.manifest,
            created_at=first.created_at,
            publish_id=f"run-{version}",
            write_id=first.write_id,
            rows=1,
            expired=expired if version == newest else (),
            behind=(),
        )
        store.put(commit_key(version), seal(record))

    for _ in side_by_side(put, range(first.version + 1, newest + 1)):
        pass


def long_history(newest, kept=()):
    """A store of so many versions of one manifest, of which those that are named are kept, and the newest.

    The last version is published by the library, upon records that were put.
    """
    store = MemoryStore()
    first = publish_one(store, b"a", "run-1", 0)
    lengthened(store, first, newest - 1, kept)
    return store, publish_one(store, b"b", f"run-{newest}", newest - 1)
