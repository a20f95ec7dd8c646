"""What every store does: the suite that each of them runs through."""

from __future__ import annotations

import hashlib
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelsnap.errors import StorageRefusedError
from labelsnap.storage import create_once, open_store, probe
from labelsnap.storage.s3.store import MULTIPART_BYTES
from tests.examples import of_a_hundred

LETTERS = bytes(range(256))


def test_put_bytes_are_read_back(store):
    """What was put is what get gives."""
    store.put("data/letters", LETTERS)
    assert store.get("data/letters") == LETTERS


def test_put_file_is_read_back(store, tmp_path):
    """A file's bytes are stored as they are."""
    source = tmp_path / "source"
    source.write_bytes(LETTERS * 1000)
    store.put("data/letters.bin", source)
    assert store.get("data/letters.bin") == LETTERS * 1000


def test_put_replaces(store):
    """A second put under a key takes the place of the first."""
    store.put("a", b"first")
    store.put("a", b"2nd")
    assert store.get("a") == b"2nd"


def test_empty_object(store):
    """An object may be empty."""
    store.put("empty", b"")
    assert store.get("empty") == b""
    assert store.get("empty", offset=0, length=3) == b""
    assert store.head("empty").size == 0


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, 3, b"\0\1\2"),
        (254, 2, b"\xfe\xff"),
        (254, 9, b"\xfe\xff"),
        (254, None, b"\xfe\xff"),
        (256, 1, b""),
        (999, 5, b""),
    ],
)
def test_ranged_read(store, offset, length, expected):
    """A range gives its bytes, fewer at the end, none beyond it."""
    store.put("letters", LETTERS)
    assert store.get("letters", offset=offset, length=length) == expected


def test_absent_object(store, tmp_path):
    """An absent object is None to get and head, False to download, and no error to delete."""
    assert store.get("none/such") is None
    assert store.get("none/such", offset=2, length=2) is None
    assert store.head("none/such") is None
    assert store.download("none/such", tmp_path / "file", size=1) is False
    assert not (tmp_path / "file").exists()
    store.delete("none/such")


def test_delete(store):
    """A deleted object is absent and may be created again."""
    assert store.create("a/b", b"1")
    store.delete("a/b")
    assert store.get("a/b") is None
    assert store.create("a/b", b"2")


def test_download_gives_the_bytes(store, tmp_path):
    """A download holds the object's bytes."""
    store.put("letters", LETTERS)
    assert store.download("letters", tmp_path / "file", size=len(LETTERS))
    assert (tmp_path / "file").read_bytes() == LETTERS


def test_head_tells_size_and_time(store):
    """Head gives the key as asked for, the size, and a time in UTC of about now."""
    store.put("x/letters", LETTERS)
    info = store.head("x/letters")
    assert (info.key, info.size) == ("x/letters", 256)
    assert abs(info.modified - datetime.now(UTC)) < timedelta(minutes=1)


def test_list_gives_what_starts_with_the_prefix_in_order(store):
    """A prefix is any beginning of a key, and the order is that of UTF-8 bytes."""
    for key in ["b/2", "b/10", "b/1", "ba", "a", "b/ü", "b/z"]:
        store.put(key, key.encode())
    assert [info.key for info in store.list("b/")] == ["b/1", "b/10", "b/2", "b/z", "b/ü"]
    assert [info.key for info in store.list("b")] == ["b/1", "b/10", "b/2", "b/z", "b/ü", "ba"]
    assert [info.size for info in store.list("b/1")] == [3, 4]
    assert list(store.list("nothing/here")) == []


@pytest.mark.parametrize(
    ("after", "left"), [("a/2", ["a/3", "a/é"]), ("a/25", ["a/3", "a/é"]), ("a/é", []), ("", None)]
)
def test_a_list_begins_after_a_key(store, after, left):
    """What is listed comes after it, by the bytes of UTF-8, whether or not there is such an object."""
    for key in ("a/1", "a/2", "a/3", "a/é", "b/1"):
        store.put(key, b"x")
    listed = [info.key for info in store.list("a/", after=after)]
    assert listed == (["a/1", "a/2", "a/3", "a/é"] if left is None else left)


def test_many_objects_are_deleted_at_once(store):
    """Those that are named and no others; absent ones, and none at all, are no error."""
    for number in range(5):
        store.put(f"many/{number}", b"x")
    store.delete_many([*(f"many/{number}" for number in range(4)), "many/none"])
    store.delete_many([])
    assert [info.key for info in store.list("many/")] == ["many/4"]


def test_create_makes_an_object_once(store):
    """The second creation is refused and changes nothing."""
    assert store.create("commits/1", b"first") is True
    assert store.create("commits/1", b"second") is False
    assert store.get("commits/1") == b"first"


def test_create_has_one_winner_among_threads(store):
    """Of many threads that create one key at once, one is told that it did, and its bytes stand."""
    barrier = Barrier(12)

    def attempt(number):
        barrier.wait()
        return store.create("commits/1", str(number).encode())

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(attempt, range(12)))
    assert won.count(True) == 1
    assert store.get("commits/1") == str(won.index(True)).encode()


def _create(store, body):
    return store.create("commits/1", body)


@pytest.mark.slow
def test_create_has_one_winner_among_processes(store):
    """Of several processes that create one key, one is told that it did; the store travels by pickle."""
    bodies = [b"0", b"1", b"2", b"3"]
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        won = list(pool.map(_create, [store] * 4, bodies))
    assert won.count(True) == 1
    assert store.get("commits/1") == bodies[won.index(True)]


def test_store_can_be_pickled(store):
    """A store that went through pickle reads what the first one wrote, and holds no secret."""
    store.put("a", b"1")
    pickled = pickle.dumps(store)
    assert pickle.loads(pickled).get("a") == b"1"  # noqa: S301
    assert b"secret" not in pickled


def test_url_opens_the_same_store(store, store_url):
    """The URL that a store gives opens it again."""
    store.put("a", b"1")
    assert store.url == store_url
    assert open_store(store.url).get("a") == b"1"
    assert open_store(store.url + "/").url == store.url


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".partial/a", "a\\b", "a\0b", "a" * 1025]
)
def test_bad_keys_are_refused(store, key):
    """A key that no folder could hold safely is refused by every operation."""
    for operation in (
        store.get,
        store.head,
        store.delete,
        lambda key: store.put(key, b""),
        lambda key: store.create(key, b""),
    ):
        with pytest.raises(StorageRefusedError) as refused:
            operation(key)
        assert refused.value.code == "bad_key"


def test_create_once_leaves_what_stands(store):
    """With one writer or many, the second creation is refused and changes nothing."""
    for key, single_writer in (("a", False), ("b", True)):
        assert create_once(store, key, b"first", single_writer=single_writer)
        assert not create_once(store, key, b"second", single_writer=single_writer)
        assert store.get(key) == b"first"


def test_nothing_is_left_of_uploads_that_ended(store, tmp_path):
    """A store without broken-off uploads lists none."""
    (tmp_path / "body").write_bytes(b"body")
    store.put("a", tmp_path / "body")
    store.create("b", b"body")
    assert list(store.uploads()) == []


def test_probe_accepts_the_store_and_leaves_nothing(store):
    """A store that creates once passes, tells its time, and is as empty as before."""
    assert abs(probe(store) - datetime.now(UTC)) < timedelta(minutes=1)
    assert abs(probe(store, single_writer=True) - datetime.now(UTC)) < timedelta(minutes=1)
    assert list(store.list("")) == []


@settings(max_examples=of_a_hundred(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), offset=st.integers(0, 250), length=st.integers(1, 250))
def test_ranges_are_slices(folder_store, body, offset, length):
    """A ranged read is the slice of the bytes."""
    folder_store.put("body", body)
    assert folder_store.get("body", offset=offset, length=length) == body[offset : offset + length]


@pytest.mark.slow
def test_large_file_goes_up_in_parts(store, tmp_path):
    """A file above the multipart size comes back byte for byte."""
    if not store.capabilities.multipart:
        pytest.skip("this store takes every file whole")
    source = tmp_path / "source"
    source.write_bytes(hashlib.sha256(b"seed").digest() * (MULTIPART_BYTES // 32) + b"tail")
    store.put("large", source)
    assert store.download("large", tmp_path / "copy", size=source.stat().st_size)
    with source.open("rb") as one, (tmp_path / "copy").open("rb") as other:
        assert hashlib.file_digest(one, "sha256").digest() == hashlib.file_digest(other, "sha256").digest()
