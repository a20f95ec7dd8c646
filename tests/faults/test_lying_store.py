"""A store that answers otherwise than S3 does: a named error, nothing else reached, and nothing that grows."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from itertools import count

import pytest

from labelsnap.errors import StorageError, StorageRefusedError
from labelsnap.snapshots import File, download_file, list_versions, read_snapshot
from labelsnap.snapshots.listing import MOST
from labelsnap.storage.interface import RECORD_BYTES
from tests.faults.lying_store import MODIFIED, endless, lying, page, whole

KEY = f"data/formats/a-{'0' * 16}.tar"
SLACK = 16 << 20  # bytes that wait in the sockets' buffers, and what a listing may have


@pytest.mark.parametrize("announced", [None, 1 << 40], ids=["chunked", "announced"])
def test_a_record_without_end_is_refused(lies, announced):
    """No more of it is read than a record may have."""
    served, store = lies(lambda handler: endless(handler, announced=announced))
    with pytest.raises(StorageRefusedError, match=r"tags/a\.json") as refused:
        store.get("tags/a.json")
    assert refused.value.code == "object_too_long"
    assert served.sent < RECORD_BYTES + SLACK


@pytest.mark.parametrize("size", [5, 9 << 20], ids=["small", "large"])
def test_no_copy_grows_past_the_announced_size(lies, tmp_path, size):
    """A body longer than the manifest says is cut after one byte more, and named by its key."""
    served, store = lies(lambda handler: endless(handler, status=206, headers=[("Content-Range", "bytes 0-9/10")]))
    file = File("formats/a.tar", KEY, size, hashlib.sha256(b"").hexdigest())
    with pytest.raises(StorageRefusedError, match=KEY) as refused:
        download_file(store, file, tmp_path / "copy")
    assert refused.value.code == "object_too_long"
    assert not (tmp_path / "copy").exists()
    assert served.sent < size + SLACK


@pytest.mark.parametrize("told", ["bytes 7-11/20", "bytes x", ""], ids=["another", "none", "whole"])
def test_another_range_than_was_asked_for_is_refused(lies, told):
    """An answer that begins elsewhere is not taken for the bytes of the file."""
    _, store = lies(lambda handler: whole(handler, b"12345", status=206, headers=[("Content-Range", told)]))
    with pytest.raises(StorageRefusedError, match=KEY) as refused:
        store.get(KEY, offset=3, length=5)
    assert refused.value.code == "answer_wrong"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(lies, status):
    """Neither to another host nor to another port: that one hears nothing."""
    with lying(lambda handler: whole(handler, b"secret")) as (other, elsewhere):
        told = [("Location", f"{elsewhere}/b/k")]
        served, store = lies(lambda handler: whole(handler, b"", status=status, headers=told))
        with pytest.raises(StorageRefusedError) as refused:
            store.get(KEY)
    assert refused.value.code in {"region_wrong", "storage_refused", "answer_wrong"}
    assert other.asked == []
    assert len(served.asked) == 1


def test_the_region_that_a_store_names_is_signed_for(lies):
    """S3 says in its answer to a request for another region which one it is."""
    region = [("x-amz-bucket-region", "eu-west-3")]
    statuses = iter([301, 200])
    served, store = lies(lambda handler: whole(handler, b"12345", status=next(statuses), headers=region))
    assert store.get(KEY) == b"12345"
    assert [path for _, path in served.asked] == [f"/bucket/street-scenes/{KEY}"] * 2


def test_a_list_of_the_same_keys_again_and_again_ends(lies):
    """Keys come in order, so a page that begins again is no page of the same list."""
    numbers = count()
    served, store = lies(lambda handler: page(handler, ["street-scenes/commits/a"], next(numbers)))
    with pytest.raises(StorageRefusedError, match="commits/") as refused:
        list(store.list("commits/"))
    assert refused.value.code == "answer_wrong"
    assert len(served.asked) == 2


def test_a_list_of_empty_pages_ends(lies):
    """Pages without a key that go on and on are given up."""
    numbers = count()
    _, store = lies(lambda handler: page(handler, [], next(numbers)))
    with pytest.raises(StorageRefusedError, match="no end") as refused:
        list(store.list("commits/"))
    assert refused.value.code == "answer_wrong"


def test_a_list_of_ever_more_records_ends(lies, monkeypatch):
    """No dataset has more versions than are held in memory."""
    monkeypatch.setitem(MOST, "commits/", 10)
    numbers = count(1)

    def answer(handler):
        if "prefix=street-scenes%2Fcommits" not in handler.path:
            whole(handler, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
            return
        first = next(numbers) * 5
        page(handler, [f"street-scenes/commits/{first + more:020d}.json" for more in range(5)], first)

    served, store = lies(answer)
    with pytest.raises(StorageRefusedError, match="commits/") as refused:
        list_versions(store)
    assert refused.value.code == "listing_endless"
    assert len(served.asked) < 10


@pytest.mark.parametrize("lacks", ["Content-Length", "Last-Modified"])
def test_a_look_at_an_object_without_its_size_or_time_is_named(lies, lacks):
    """HTTP lets a server leave them out of its answer to HEAD; then nothing is known of the object."""

    def answer(handler):
        handler.send_response(200)
        told = {"ETag": '"x"', "Content-Length": "5", "Last-Modified": "Mon, 06 May 2024 07:08:09 GMT"}
        for name in told.keys() - {lacks}:
            handler.send_header(name, told[name])
        handler.end_headers()

    _, store = lies(answer)
    with pytest.raises(StorageRefusedError, match=r"tags/a\.json") as refused:
        store.head("tags/a.json")
    assert (refused.value.code, refused.value.exit_status) == ("answer_wrong", 4)


def test_a_time_that_no_day_can_be_counted_from_is_another(lies):
    """Without a zone it is UTC, and the year 1901 is 1970."""
    times = iter(["Mon, 06 May 2024 07:08:09", "Tue, 01 Jan 1901 00:00:00 GMT"])
    _, store = lies(lambda handler: whole(handler, b"12345", headers=[("Last-Modified", next(times))]))
    assert store.head("tags/a.json").modified == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert store.head("tags/a.json").modified == datetime(1970, 1, 1, tzinfo=UTC)


def uploads_page(handler, first, names):
    """Send a page of uploads that goes on."""
    upload = "<Upload><Key>street-scenes/{}</Key><UploadId>{}</UploadId><Initiated>{}</Initiated></Upload>"
    items = "".join(upload.format(name, first + more, MODIFIED) for more, name in enumerate(names))
    marks = f"<NextKeyMarker>k{first}</NextKeyMarker><NextUploadIdMarker>{first}</NextUploadIdMarker>"
    body = f"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>{marks}{items}</ListMultipartUploadsResult>"
    whole(handler, body.encode())


def test_a_list_of_ever_more_uploads_ends(lies, monkeypatch, caplog):
    """The first of them are looked at, and that there are others is said."""
    monkeypatch.setattr("labelsnap.storage.s3.store.MOST_UPLOADS", 10)
    numbers = count(0, 4)
    served, store = lies(lambda handler: uploads_page(handler, next(numbers), ["data/a"] * 4))
    assert [upload.name for upload in store.uploads()] == [str(number) for number in range(10)]
    assert "first 10" in caplog.text
    assert len(served.asked) == 3


@pytest.mark.parametrize("names", [[], ["data/b", "data/a"]], ids=["empty", "unordered"])
def test_a_list_of_uploads_that_is_none_is_named(lies, names):
    """Pages of nothing that go on, and keys in no order."""
    numbers = count()
    _, store = lies(lambda handler: uploads_page(handler, next(numbers), names))
    with pytest.raises(StorageRefusedError) as refused:
        list(store.uploads())
    assert refused.value.code == "answer_wrong"


@pytest.mark.parametrize(
    "answer",
    [
        lambda handler: page(handler, ["street-scenes/commits/a"], 1, size="many"),
        lambda handler: page(handler, ["street-scenes/commits/a"], 1, modified="yesterday"),
        lambda handler: page(handler, ["elsewhere/commits/a"], 1),
        lambda handler: whole(handler, b"<ListBucketResult><Contents><Key>street-scenes/commits/a</Key></Contents>"),
        lambda handler: whole(handler, b"<ListBucketResult><Contents></Contents></ListBucketResult>"),
        endless,
    ],
    ids=["size", "time", "outside", "cut", "bare", "endless"],
)
def test_a_list_that_is_none_is_named(lies, answer):
    """What a list of objects cannot say is no trace and no object."""
    served, store = lies(answer)
    with pytest.raises(StorageError, match="commits/") as refused:
        list(store.list("commits/"))
    assert refused.value.code in {"answer_wrong", "storage_unreachable"}
    assert served.sent < 2 * SLACK


def test_an_error_without_end_is_not_held(lies):
    """An error's own text is bounded too; tags, epochs and the hint are asked for side by side, and each once."""
    served, store = lies(lambda handler: endless(handler, status=403))
    with pytest.raises(StorageRefusedError, match="tags/") as refused:
        read_snapshot(store)
    assert refused.value.code == "answer_wrong"
    assert len(served.asked) <= 3
    assert served.sent < len(served.asked) * 2 * SLACK


def test_what_a_server_says_is_cut(lies):
    """A code of any length is no message of that length."""
    body = f"<Error><Code>{'A' * 3_000_000}</Code><Message>m</Message></Error>".encode()
    _, store = lies(lambda handler: whole(handler, body, status=400))
    with pytest.raises(StorageRefusedError) as refused:
        store.get(KEY)
    assert len(str(refused.value)) < 1000


def test_a_key_out_of_order_is_cut(lies):
    """Nor is a key."""
    _, store = lies(lambda handler: page(handler, ["street-scenes/tags/" + "b" * 1_000_000, "street-scenes/tags/a"], 1))
    _, other = lies(lambda handler: page(handler, ["elsewhere/" + "b" * 1_000_000], 1))
    for each in (store, other):
        with pytest.raises(StorageRefusedError) as refused:
            list(each.list("tags/"))
        assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_list_that_declares_entities_is_not_read(lies, encoding):
    """What would be put in many times over is refused before a reader of XML sees it."""
    body = '<!DOCTYPE x [<!ENTITY a "a">]><ListBucketResult><IsTruncated>false</IsTruncated>&a;</ListBucketResult>'
    text = f'<?xml version="1.0" encoding="{encoding}"?>{body}'
    _, store = lies(lambda handler: whole(handler, text.encode(encoding)))
    with pytest.raises(StorageRefusedError, match="declares entities") as refused:
        list(store.list("tags/"))
    assert refused.value.code == "answer_wrong"


OBJECT = b"0123456789" * 100


def test_a_whole_object_is_cut_to_the_range_from_its_start(lies, tmp_path):
    """A server that knows no ranges gives it all, with its length: what was asked for is the beginning."""
    _, store = lies(lambda handler: whole(handler, OBJECT))
    assert store.get(KEY, length=10) == OBJECT[:10]
    assert store.download(KEY, tmp_path / "copy", size=len(OBJECT) - 5)
    assert (tmp_path / "copy").read_bytes() == OBJECT[:-4]


def test_a_whole_object_is_no_range_from_its_midst(lies):
    """It is the server's fault, not the object's."""
    _, store = lies(lambda handler: whole(handler, OBJECT))
    with pytest.raises(StorageRefusedError, match=KEY) as refused:
        store.get(KEY, offset=5, length=10)
    assert refused.value.code == "answer_wrong"


def test_units_of_ranges_are_of_either_case(lies):
    """As HTTP has it."""
    told = [("Content-Range", "Bytes 5-14/1000")]
    _, store = lies(lambda handler: whole(handler, OBJECT[5:15], status=206, headers=told))
    assert store.get(KEY, offset=5, length=10) == OBJECT[5:15]


def test_a_range_beyond_the_end_is_empty_without_a_body_too(lies):
    """The status says as much as the code would."""
    _, store = lies(lambda handler: whole(handler, b"", status=416))
    assert store.get(KEY, offset=5000, length=5) == b""


def test_an_error_without_a_code_is_named_by_its_status(lies):
    """A page of HTML that some proxy sends is no proof that the object is absent."""
    _, store = lies(lambda handler: whole(handler, b"<html>no</html>", status=404))
    with pytest.raises(StorageRefusedError, match="the answer 404"):
        store.get(KEY)
