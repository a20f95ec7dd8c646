"""Buckets on their way to documents: what is held of them at once, and what lies in the store of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from labelsnap.buckets.base import BasePart
from labelsnap.buckets.parts.documents import Bucket, Lists
from labelsnap.buckets.parts.index import RowPart, SplitPart, encode_index, index_path
from labelsnap.buckets.parts.work import BucketMade, Joint, Segment
from labelsnap.errors import StorageRefusedError
from labelsnap.memory import held_at_once
from labelsnap.snapshots.writing.draft import Draft, Uploads
from labelsnap.storage import open_store
from tasks.formats.joining import HELD_BYTES, SIDE_BY_SIDE, buckets_of

PATH = "annotations/instances_train.json"
MIB = 1 << 20


def part(*sizes):
    """The part of a bucket whose rows gave one list so many bytes each."""
    rows = tuple(RowPart(f"row-{number}", (size,), ("0" * 32,)) for number, size in enumerate(sizes))
    return SplitPart("coco", "train", (PATH,), rows=rows)


def packed(content):
    """The items of a bucket as they lie in the store."""
    return pa.compress(content, "zstd", asbytes=True)


class Counted:
    """A store that counts the bytes which were read of it."""

    def __init__(self, store):
        self.store = store
        self.read = 0

    def get(self, key, **where):
        found = self.store.get(key, **where)
        self.read += len(found)
        return found


@pytest.mark.parametrize(("size", "most"), [(MIB // 64, SIDE_BY_SIDE), (3 * MIB, 2), (9 * MIB, 1)])
def test_of_buckets_that_are_joined_a_bounded_number_of_bytes_is_held(tmp_path, size, most):
    """However many buckets there are, no more of them are read ahead than have 8 MiB together, and one in any case."""
    store = open_store(tmp_path.as_uri())
    draft = Draft(store)
    items = bytes(size)
    store.put("work/run/parts/items.zst", items)
    made = {
        number: BucketMade(
            index=number,
            file=draft.add_file(index_path(number, 16), encode_index([part(number + 1)])),
            key="work/run/parts/items.zst",
            segments=(Segment("coco", "train", 0, size),),
            uploads=Uploads(),
        )
        for number in range(16)
    }
    now = {number: each.file for number, each in made.items()}
    counted = Counted(store)
    joint = Joint(now, {}, made, dict.fromkeys(now), BasePart(), is_alike=False)
    taken = 0
    for number, bucket in enumerate(buckets_of(counted, joint, "coco", "train")):
        assert bucket.now == part(number + 1)
        assert bucket.made == items
        taken += size
        assert counted.read - taken <= max(HELD_BYTES, size)
        assert counted.read <= (number + most) * (size + 300)
    assert taken == 16 * size


def test_buckets_are_put_together_in_their_order_up_to_a_number_and_a_size():
    """None is left out, and none comes twice."""
    sizes = {0: 1, 1: HELD_BYTES, 2: HELD_BYTES - 1, 3: 1, 4: 1, **dict.fromkeys(range(5, 20), 0)}
    assert list(held_at_once(sizes, sizes.__getitem__, HELD_BYTES, SIDE_BY_SIDE)) == [
        [0], [1], [2, 3], [4, *range(5, 12)], [*range(12, 20)],
    ]  # fmt: skip
    assert list(held_at_once([], sizes.__getitem__, HELD_BYTES, SIDE_BY_SIDE)) == []


def test_items_are_unpacked_on_their_way_to_the_disk(tmp_path):
    """A quarter of a gigabyte, which lies in the store as a few kilobytes, takes no memory for all of it at once."""
    size = 256 * MIB
    made = packed(pa.py_buffer(bytes(size)))
    before = pa.default_memory_pool().max_memory()
    with Lists((PATH,), tmp_path) as lists:
        lists.add(Bucket(part(size // 2, size // 2), None, None, made))
        (items,) = lists.of(PATH)
        assert (items.size, items.made) == (size, size)
    assert pa.default_memory_pool().max_memory() - before < 16 * MIB


@pytest.mark.parametrize(
    ("sizes", "made"),
    [((3, 3), packed(b"abcde")), ((3, 3), packed(b"abcdefg")), ((6,), packed(b"abcdef")[:-3]), ((6,), b"abcdef"),
     ((6,), b""), ((), packed(b"a")), ((1 << 50,), packed(b"abcdef"))],
    ids=["fewer", "more", "cut", "none", "nothing", "of no row", "a size that no memory has"],
)  # fmt: skip
def test_items_that_their_index_does_not_tell_of_are_damage(tmp_path, sizes, made):
    """No document is joined of other bytes than the index has sizes of, and none is allocated by its word."""
    with Lists((PATH,), tmp_path) as lists, pytest.raises(StorageRefusedError) as refused:
        lists.add(Bucket(part(*sizes), None, None, made))
    assert refused.value.code == "object_damaged"


def test_items_that_were_pressed_bit_by_bit_are_one_list(tmp_path):
    """As a bucket leaves them: one frame after another, and rows that lie in several of them."""
    made = packed(b"a" * 300) + packed(b"b" * 500) + packed(b"c" * 200)
    with Lists((PATH,), tmp_path) as lists:
        lists.add(Bucket(part(200, 550, 250), None, None, made))
        (items,) = lists.of(PATH)
        assert (items.size, items.made) == (1000, 1000)
        items.fresh.seek(0)
        assert items.fresh.read() == b"a" * 300 + b"b" * 500 + b"c" * 200
