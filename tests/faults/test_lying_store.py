"""A store that answers otherwise than S3 does: a named error, nothing else reached, and nothing that grows."""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count

import pytest

from tasks.errors import StorageError, StorageOutcomeUnknownError, StorageRefusedError
from tasks.snapshots import File, download_file, list_versions, read_snapshot
from tasks.snapshots.listing import MOST
from tasks.storage import open_store
from tasks.storage.interface import RECORD_BYTES
from tasks.storage.s3 import BODY_ATTEMPTS
from tasks.storage.s3_bodies import arriving
from tests.contracts.tls_front import tls_front, write_certificate
from tests.faults.lying_store import MODIFIED, endless, lying, page, whole

KEY = f"data/formats/a-{'0' * 16}.tar"
SLACK = 16 << 20  # bytes that wait in the sockets' buffers, and what a listing may have


@pytest.fixture
def lies(aws):
    """Return a function that serves lies and gives them with a store on them."""
    opened = []

    def serve(answer):
        serving = lying(answer)
        served, endpoint = serving.__enter__()
        opened.append(serving)
        aws(endpoint)
        return served, open_store("s3://bucket/street-scenes")

    yield serve
    for serving in opened:
        serving.__exit__(None, None, None)


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
    monkeypatch.setattr("tasks.storage.s3.MOST_UPLOADS", 10)
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
    """An error's own text is bounded too."""
    served, store = lies(lambda handler: endless(handler, status=403))
    with pytest.raises(StorageRefusedError, match="tags/") as refused:
        read_snapshot(store)
    assert refused.value.code == "answer_wrong"
    assert served.sent < 2 * SLACK


PACE = "tasks.storage.s3_pace"


def dripping(line, status=None):
    """Send a head for this status, or none, and then a line now and then, for longer than anyone listens."""

    def drip(handler):
        if status:
            handler.send_response(status)
            first = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0]
            handler.send_header("Content-Range", f"bytes {first}-999/1000")
            handler.send_header(*(("Content-Length", "1000") if line == b"a" else ("Transfer-Encoding", "chunked")))
            handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(line)
            time.sleep(0.02)

    return drip


@pytest.mark.parametrize("line", [b"a", b"1\r\na\r\n"], ids=["announced", "chunked"])
def test_a_body_that_trickles_is_given_up(lies, tmp_path, monkeypatch, line):
    """A byte now and then keeps the connection alive, and is no answer: it has a least speed, and the key is named.

    It is asked for again as often as one that breaks off.
    """
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.2)
    served, store = lies(dripping(line, 206))
    for read in (lambda: store.get(KEY, length=1000), lambda: store.download(KEY, tmp_path / "copy", size=999)):
        with pytest.raises(StorageError, match=KEY) as refused:
            read()
        assert (refused.value.code, refused.value.exit_status) == ("storage_slow", 4)
    assert len(served.asked) == 2 * BODY_ATTEMPTS
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"a", 200),
        (b"1\r\na\r\n", 200),
        (b"a", 403),
        (b"1\r\na\r\n", 403),
        (b"HTTP/1.1 100 Continue\r\n\r\n", None),
        (b"HTTP/1.1 200 OK", None),
    ],
    ids=["list", "chunked list", "error", "chunked error", "continue", "status"],
)
def test_an_answer_that_trickles_is_given_up(lies, monkeypatch, line, status):
    """What is no object has a least speed too, from its first line on; each is asked for again as lost ones are."""
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.1)
    monkeypatch.setattr("tasks.storage.s3_client.ATTEMPTS", 2)
    served, store = lies(dripping(line, status))
    with pytest.raises(StorageError, match="commits/") as refused:
        list(store.list("commits/"))
    assert (refused.value.code, refused.value.exit_status) == ("storage_slow", 4)
    assert len(served.asked) == 2


def test_a_creation_whose_answer_trickles_may_have_been_made(lies, monkeypatch):
    """It is sent once, and its outcome is unknown, not refused."""
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.1)
    served, store = lies(dripping(b"HTTP/1.1 100 Continue\r\n\r\n"))
    with pytest.raises(StorageOutcomeUnknownError) as refused:
        store.create("commits/a", b"1")
    assert refused.value.code == "storage_slow"
    assert len(served.asked) == 1


def flooding(line, start=b""):
    """Send a line again and again, as fast as it goes."""

    def flood(handler):
        handler.wfile.write(start)
        while True:
            handler.wfile.write(line * 1000)
            handler.lies.sent += 1000 * len(line)

    return flood


CHUNKED = b"HTTP/1.1 %d OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"


@pytest.mark.parametrize(
    ("line", "start", "asked"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"", 2),
        (b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n", b"", 2),
        (b"A: b\r\n", CHUNKED % 403, 2),
        (b"A: b\r\n", CHUNKED % 200, BODY_ATTEMPTS),
    ],
    ids=["continue", "with headers", "trailers of an error", "trailers of an object"],
)
def test_heads_and_trailers_without_end_are_lost_answers(lies, monkeypatch, line, start, asked):
    """They are read to their bound, asked for again as lost answers are, and named in the end."""
    monkeypatch.setattr("tasks.storage.s3_client.ATTEMPTS", 2)
    served, store = lies(flooding(line, start))
    for ask, times in ((lambda: list(store.list("tags/")), 2), (lambda: store.get("tags/a.json"), asked)):
        before = len(served.asked)
        with pytest.raises(StorageOutcomeUnknownError, match="EndlessHeadError") as refused:
            ask()
        assert (refused.value.code, refused.value.exit_status) == ("storage_unreachable", 4)
        assert len(served.asked) - before == times
    assert served.sent < len(served.asked) * SLACK


@pytest.mark.parametrize("after", [b"", b"A: b\r\n"], ids=["at once", "in its headers"])
def test_a_connection_that_ends_after_100_continue_is_lost(lies, tmp_path, monkeypatch, after):
    """A file is sent when the server says so; one that says so and goes is asked again, and named."""
    monkeypatch.setattr("tasks.storage.s3_client.ATTEMPTS", 2)
    monkeypatch.setattr("tests.faults.lying_store._Handler.handle_expect_100", lambda _handler: True)

    def leaving(handler):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n" + after)

    served, store = lies(leaving)
    (tmp_path / "file").write_bytes(b"1")
    with pytest.raises(StorageOutcomeUnknownError, match=KEY) as refused:
        store.put(KEY, tmp_path / "file")
    assert refused.value.code == "storage_unreachable"
    assert len(served.asked) == 2


def test_a_slow_reader_makes_no_slow_store(lies, monkeypatch):
    """Only what is waited for counts: not the time between one read and the next."""
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.2)
    monkeypatch.setattr("tasks.storage.s3_bodies.BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr(f"{PACE}.LEAST_SPEED", 1 << 30)
    _, store = lies(lambda handler: whole(handler, b"a" * (64 << 10)))
    slept = []
    monkeypatch.setattr(
        "tasks.storage.s3.arriving",
        lambda *found: (block for block in arriving(*found) if slept.append(time.sleep(0.01)) is None),
    )
    assert store.get(KEY, length=64 << 10) == b"a" * (64 << 10)
    assert len(slept) > 40


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


@pytest.fixture
def over_tls(aws, tmp_path, monkeypatch):
    """Return a function that serves lies by a trusted certificate for 127.0.0.1; nothing is asked twice."""
    monkeypatch.setattr("tasks.storage.s3_client.ATTEMPTS", 1)
    certificate = write_certificate(tmp_path / "certificate.pem")

    @contextmanager
    def serve(answer):
        with lying(answer) as (served, plain), tls_front(plain, certificate) as endpoint:
            aws(endpoint)
            monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
            yield served, endpoint

    return serve


def test_a_certificate_of_another_name_is_refused_before_anything_is_asked(over_tls, monkeypatch):
    """Though this machine trusts who signed it."""
    with over_tls(lambda handler: whole(handler, OBJECT)) as (served, endpoint):
        store = open_store("s3://bucket/street-scenes")
        assert store.get(KEY, length=1000) == OBJECT
        served.asked.clear()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint.replace("127.0.0.1", "localhost"))
        with pytest.raises(StorageOutcomeUnknownError, match="AWS_CA_BUNDLE") as refused:
            store.get(KEY)
        assert refused.value.code == "storage_certificate"
        assert served.asked == []


def test_a_body_that_trickles_over_tls_is_given_up(over_tls, monkeypatch):
    """The least speed is that of what is read."""
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.2)
    with over_tls(dripping(b"a", 206)), pytest.raises(StorageError, match=KEY) as refused:
        open_store("s3://bucket/street-scenes").get(KEY, length=1000)
    assert refused.value.code == "storage_slow"


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
