"""What formats are written from, read back from bucket tables."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import chain
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from labelsnap.buckets.grouping import bucket_of
from labelsnap.buckets.parts.decoded import DecodedRows
from labelsnap.buckets.reading import table_path
from labelsnap.buckets.receipt import BucketInput
from labelsnap.buckets.rows.images import images_table, row_image, store_images
from labelsnap.buckets.source import BucketSource, Listed
from labelsnap.errors import StorageRefusedError
from labelsnap.records.choices.numbers import numbers
from labelsnap.records.choices.splits import SPLITS
from labelsnap.records.counts import kind_of
from labelsnap.records.geometry import Point
from labelsnap.records.tables.tables import to_tables, write_table
from labelsnap.snapshots.reading.at_hand import Folder
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.writing.draft import Draft
from tasks.describe import thumbnails
from tests.contracts.store_faults import LossyStore
from tests.formats.format_samples import annotation, label, sample

BUCKETS, IMAGE_BYTES = 4, 100


def body(name):
    """The bytes of a row's image."""
    return name.encode().ljust(IMAGE_BYTES, b".")


@pytest.fixture
def rows():
    """Forty rows, every fourth of them in ``val``, each with an image of 100 bytes and none to two points."""
    found = {}
    for number in range(40):
        name = f"row{number:02}"
        points = [annotation(Point(1, 1))] * (number % 3)
        row = sample(label(*points), name=name, split="train" if number % 4 else "val")
        image = replace(row.image, sha256=sha256(body(name)).hexdigest(), size=IMAGE_BYTES)
        found[name] = replace(row, image=image)
    return found


@pytest.fixture
def files(rows, folder_store, tmp_path):
    """The rows as a refresh leaves them: tables and packs in buckets."""
    files = []
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for index in range(BUCKETS):
        of_bucket = sorted(
            (row for row in rows.values() if bucket_of(row.record.data_row.id.encode(), BUCKETS) == index),
            key=lambda row: row.record.data_row.id,
        )
        for row in of_bucket:
            (scratch / row.image.sha256).write_bytes(body(row.record.data_row.id.removeprefix("row-")))
        bucket = BucketInput(index=index, count=BUCKETS, lines_key="", lines=len(of_bucket))
        stored = store_images(Draft(folder_store), [row.image for row in of_bucket], {}, scratch, bucket)
        for name, table in (to_tables(of_bucket) | {"images": images_table(map(row_image, of_bucket), stored)}).items():
            files.append(Draft(folder_store).add_file(table_path(name, index, BUCKETS), write_table(table)))
    return files


@pytest.fixture
def source(files, folder_store, tmp_path):
    """What formats are written from."""
    directory = tmp_path / "source"
    directory.mkdir()
    return BucketSource(folder_store, files, directory)


def samples(source, split):
    """A split's samples, in order."""
    return [row.sample for row in source.rows(split)]


def names(samples):
    """The names of some samples, in order."""
    return [row.record.data_row.id.removeprefix("row-") for row in samples]


def test_every_pass_gives_a_splits_samples_in_one_order(source, rows):
    """Each sample comes back whole, once, and a second pass is like the first."""
    first = list(samples(source, "val"))
    assert {row.record.data_row.id: row for row in first} == {
        row.record.data_row.id: row for row in rows.values() if row.split == "val"
    }
    assert names(samples(source, "val")) == names(first)
    assert list(samples(source, "test")) == []


@pytest.fixture
def kept(tmp_path):
    """What a process has decoded, in a folder of its own."""
    folder = Folder(1 << 20, tmp_path)
    yield DecodedRows(folder)
    folder.close()


def test_what_was_decoded_is_not_read_again(files, folder_store, kept, tmp_path):
    """What one source has decoded, of any split, needs no store again for another: whole splits and shards."""
    one, other = (BucketSource(folder_store, files, tmp_path, kept=kept) for _ in range(2))
    rows = list(one.rows("train"))
    assert rows == list(BucketSource(folder_store, files, tmp_path).rows("train"))
    others = list(BucketSource(folder_store, files, tmp_path).rows("val"))
    for stored in list(folder_store.list("data/tables/")):
        folder_store.delete(stored.key)
    assert list(other.rows("train")) == rows
    assert list(other.rows("val")) == others
    halves = [*other.rows("train", index=0, count=2), *other.rows("train", index=1, count=2)]
    assert halves == sorted(rows, key=lambda row: bucket_of(row.sample.record.data_row.id.encode(), BUCKETS) & 1)


def test_threads_that_come_at_once_decode_a_bucket_once(files, folder_store, kept, tmp_path):
    """Eight passes at a time read each table of rows once among them, and give the same."""
    watched = LossyStore(folder_store, "", 0, landed=False)
    sources = [BucketSource(watched, files, tmp_path, kept=kept) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda source: list(source.rows("train")), sources))
    assert all(each == found[0] for each in found)
    read = [key for _, key in watched.calls if "/annotations/" in key]
    assert len(read) == len(set(read)) == BUCKETS


def test_rows_are_decoded_again_where_there_is_no_room_to_keep_them(files, folder_store, tmp_path):
    """A folder that holds nothing changes nothing but what is read."""
    folder = Folder(0, tmp_path)
    source = BucketSource(folder_store, files, tmp_path, kept=DecodedRows(folder))
    assert (
        list(source.rows("val"))
        == list(source.rows("val"))
        == list(BucketSource(folder_store, files, tmp_path).rows("val"))
    )
    folder.close()


def test_rows_are_chosen_by_what_they_hold_and_then_decoded(source, rows):
    """Kinds come in the order of the samples, without any; of the rows that are asked for all comes, in that order."""
    order = names(samples(source, "val"))
    assert list(source.kinds("val")) == [
        (f"row-{name}", [kind_of(each.geometry) for label in labels for each in label.annotations])
        for name, labels in ((name, rows[name].record.entry.labels) for name in order)
    ]
    few = order[1::3]
    assert list(source.some(f"row-{name}" for name in reversed(few))) == [rows[name] for name in few]


def test_no_other_rows_are_decoded_than_those_that_are_asked_for(rows, files, folder_store, tmp_path):
    """Of a bucket all rows are listed, with their numbers; some are decoded, and none where none is asked for.

    Its tables are read once, however many groups of its rows are asked for.
    """
    watched = LossyStore(folder_store, "", 0, landed=False)
    source = BucketSource(watched, files, tmp_path)
    bucket = bucket_of(b"row-row04", BUCKETS)
    of_row = numbers(row.record.data_row.id for row in rows.values())
    assert source.listed(bucket) == [
        Listed(of_row[row_id], row_id, row.split, row.image.file_name)
        for row_id, row in sorted((row.record.data_row.id, row) for row in rows.values())
        if bucket_of(row_id.encode(), BUCKETS) == bucket
    ]
    assert list(source.decoded(bucket, [[]])) == [[]]
    assert not [key for _, key in watched.calls if "/annotations/" in key]
    (other, *_) = [each.id for each in source.listed(bucket) if each.id != "row-row04"]
    others = [row for row in rows.values() if row.record.data_row.id == other]
    assert list(source.decoded(bucket, [["row-row04"], [], [other]])) == [[rows["row04"]], [], others]
    assert len([key for _, key in watched.calls if "/annotations/" in key]) == 1


def test_rows_that_a_report_shows_are_decoded_once_for_all_splits(rows, files, folder_store):
    """No table of labels is brought twice, though rows of two splits lie in each bucket; no image here can be drawn."""
    watched = LossyStore(folder_store, "", 0, landed=False)
    assert thumbnails(watched, SimpleNamespace(tables=files, registry=None)) == []
    decoded = [key for _, key in watched.calls if "/tables/labels/" in key]
    assert 0 < len(decoded) == len(set(decoded))


@pytest.mark.parametrize("count", [1, 2, 4, 32])
def test_shards_divide_a_split(source, count):
    """Each row is in one shard."""
    shards = list(source.shards("train", count))
    assert [shard.count for shard in shards] == [count] * count
    assert sorted(shard.index for shard in shards) == list(range(count))
    members = {shard.index: names(shard.samples()) for shard in shards}
    assert sorted(chain.from_iterable(members.values())) == sorted(names(samples(source, "train")))
    for index, found in members.items():
        assert {bucket_of(f"row-{name}".encode(), count) for name in found} <= {index}


def test_split_without_rows_has_a_shard(source):
    """One, without samples."""
    (shard,) = source.shards("test", 1)
    assert (shard.index, shard.count, list(shard.samples())) == (0, 1, [])


def test_images_are_read_in_the_order_of_a_pass(source):
    """Each image has its own bytes, over whole splits and over shards smaller than a bucket."""
    for row in samples(source, "val"):
        assert source.read_image(row) == body(*names([row]))
    for shard in source.shards("train", 32):
        for row in shard.samples():
            assert source.read_image(row) == body(*names([row]))


def test_images_of_one_bucket_lie_on_disk_at_a_time(source, tmp_path):
    """Disk use grows with a bucket, not with the dataset."""
    most = 0
    for row in samples(source, "train"):
        source.read_image(row)
        most = max(most, len(list((tmp_path / "source" / "images").iterdir())))
    assert 0 < most <= 20


def test_few_images_of_many_are_picked(source, tmp_path):
    """Each has its own bytes, in their order, and nothing is laid out."""
    rows = [*samples(source, "val"), *samples(source, "train")]
    assert list(source.pick_images(rows)) == [body(name) for name in names(rows)]
    assert not (tmp_path / "source" / "images").exists()


def test_few_bytes_of_picked_images_are_held_at_a_time(files, folder_store, tmp_path, monkeypatch):
    """An image that has as many is held alone: the next is read when it was taken."""
    monkeypatch.setattr("labelsnap.buckets.source.PICKED_BYTES", 1)
    watched = LossyStore(folder_store, "", 0, landed=False)
    source = BucketSource(watched, files, tmp_path)
    picking = source.pick_images(samples(source, "train"))
    for taken in (1, 2, 3):
        next(picking)
        assert len([key for _, key in watched.calls if key.startswith("data/images/")]) == taken


def test_where_an_image_lies_is_known_without_reading_it(rows, files, folder_store, tmp_path):
    """Its place in its pack, under its file name; tables of images are read once a bucket and split."""
    watched = LossyStore(folder_store, "", 0, landed=False)
    source = BucketSource(watched, files, tmp_path)
    placed = {
        name: source.image_file(row) for split in SPLITS for row in samples(source, split) for name in names([row])
    }
    assert not [key for _, key in watched.calls if "/images/" in key and "/tables/" not in key]
    assert {name: (file.path, file.sha256) for name, file in placed.items()} == {
        name: (row.image.file_name, row.image.sha256) for name, row in rows.items()
    }
    assert {name: read_file(folder_store, file) for name, file in placed.items()} == {name: body(name) for name in rows}
    read = Counter(key for _, key in watched.calls if "/tables/images/" in key)
    assert max(read.values()) <= 2


def test_an_image_that_its_table_lacks_is_damage(source, rows):
    """The table is named."""
    row = rows["row01"]
    with pytest.raises(StorageRefusedError, match="tables/images/bucket") as refused:
        source.image_file(replace(row, image=replace(row.image, file_name="another.png")))
    assert refused.value.code == "object_damaged"


def picked(source, row):
    """The image of one row, picked."""
    (found,) = source.pick_images([row])
    return found


@pytest.mark.parametrize("read", [BucketSource.read_image, picked, BucketSource.image_file])
def test_image_that_was_not_copied_has_no_bytes(source, read):
    """A dataset that refers to images gives None."""
    assert read(source, sample(copied=False)) is None


@pytest.mark.parametrize("read", [BucketSource.read_image, picked])
def test_damaged_image_is_refused(source, folder_store, read):
    """Bytes that are not those that were published are no training image."""
    for pack in list(folder_store.list("data/images/")):
        folder_store.put(pack.key, b"x" * pack.size)
    with pytest.raises(StorageRefusedError, match="sha256"):
        read(source, next(iter(samples(source, "train"))))


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (1, 200_000_001), (0, 5), (-3, -5)])
def test_no_picture_is_made_of_an_image_of_more_pixels_than_any_may_have(folder_store, tmp_path, width, height):
    """Its size in the store's table is looked at before a format makes room for it; the table is named."""
    large = sample(name="large", split="train")
    tables = to_tables([replace(large, image=replace(large.image, width=width, height=height))])
    draft = Draft(folder_store)
    files = [draft.add_file(table_path(name, 0, 1), write_table(each)) for name, each in tables.items()]
    with pytest.raises(StorageRefusedError, match="tables/data_rows/") as refused:
        list(BucketSource(folder_store, files, tmp_path).rows("train"))
    assert refused.value.code == "object_damaged"


class _Worn(Folder):
    """A folder on a disk that gives other bytes than it was given, where ``damage`` makes them."""

    damage = staticmethod(lambda content: content)

    def read(self, name, offset, length):
        """What the disk gives."""
        return self.damage(super().read(name, offset, length))


@pytest.mark.parametrize(
    "damage", [lambda content: bytes([content[0] ^ 1]) + content[1:], lambda content: content[:-1]], ids=["flip", "cut"]
)
def test_rows_that_are_kept_are_checked(damage, tmp_path):
    """A byte that a scratch disk gives otherwise, or a copy that is cut, is not used: the rows are decoded again."""
    folder = _Worn(1 << 20, tmp_path)
    kept, decoded = DecodedRows(folder), []

    def decode():
        decoded.append("decoded")
        return {"train": ["a row"] * 3}

    assert kept.rows((), "train", decode) == kept.rows((), "train", decode) == ["a row"] * 3
    assert decoded == ["decoded"]
    folder.damage = damage
    assert kept.rows((), "train", decode) == ["a row"] * 3
    assert decoded == ["decoded"] * 2
    folder.close()
