"""Answers of whoever hosts images, masks and chunks: heads and bodies of HTTP, redirects, lengths and pauses."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING

from labelsnap.errors import LabelsnapError
from labelsnap.labelbox.downloads import connections
from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.labelbox.downloads.known import Known
from labelsnap.labelbox.downloads.pace import Pace
from labelsnap.labelbox.retry import Backoff
from labelsnap.masks.decoding.png import check_png
from labelsnap.records.image import Validators
from tests.fuzz.mutation import bytes_mutator
from tests.fuzz.target import MEBIBYTE, Target
from tests.fuzz.wires import answer, wired
from tests.masks.mask_pictures import header, picture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.target import Run

LIMIT = 1 << 20
URLS = {"mask": "http://api.labelbox.example/mask", "image": "http://images.example/a.jpg"}
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
BOMB = zlib.compress(bytes(64 * MEBIBYTE))
TOKENS = (
    b"\r\n",
    b"Content-Length: ",
    b"Content-Length: " + b"9" * 5000 + b"\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: \xb2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: deflate\r\n",
    b"Content-Encoding: gzip, gzip, gzip\r\n",
    b"Content-Encoding: br\r\n",
    b"Content-Encoding: zstd\r\n",
    b"Location: http://[\r\n",
    b"Location: //\r\n",
    b"Location: http://127.0.0.1/\r\n",
    b"Location: http://a:99999/\r\n",
    b"Location: http://a:" + b"1" * 5000 + b"/\r\n",
    b"Location: file:///etc/passwd\r\n",
    b"Location: \xff\xfe\r\n",
    b"Location: http://xn--a/\r\n",
    b"Location: http://" + b"a" * 300 + b"/\r\n",
    b"Location: http://\xe2\x84\x80/\r\n",
    b"Retry-After: 0\r\n",
    b"Retry-After: " + b"9" * 5000 + b"\r\n",
    b"Retry-After: Mon, 01 Jan 0001 00:00:00 +9999\r\n",
    b"Retry-After: Wed, 21 Oct 99999 07:28:00 GMT\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 302 \r\n",
    b"HTTP/1.1 429 \r\n",
    b"HTTP/1.1 200 \r\n",
    b"HTTP/9.9 ",
    b"ffffffff\r\n",
    b"0\r\n\r\n",
    b"-1\r\n",
    b"ETag: ",
    b"Last-Modified: ",
)


def seeds() -> dict[str, bytes]:
    """Answers as they come; each name begins with what is asked for."""
    png = picture(header())
    length = f"Content-Length: {len(png)}"
    packed = gzip.compress(png, mtime=0)
    told = ('ETag: "a"', f"Last-Modified: {DATE}")
    answers = {
        "whole": answer("200 OK", length, *told, body=png),
        "chunked": answer("200 OK", "Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(png), png)),
        "packed": answer("200 OK", "Content-Encoding: gzip", f"Content-Length: {len(packed)}", body=packed),
        "bomb": answer("200 OK", "Content-Encoding: deflate", f"Content-Length: {len(BOMB)}", body=BOMB),
        "moved": answer("302 Found", "Location: http://other.example/a", "Content-Length: 0"),
        "moved below": answer("308 Permanent Redirect", "Location: ../a?b#c", "Content-Length: 4", body=b"gone"),
        "limited": answer("429 Too Many Requests", "Retry-After: 0", "Content-Length: 0"),
        "failing": answer("503 Service Unavailable", f"Retry-After: {DATE}", "Content-Length: 0"),
        "missing": answer("404 Not Found", "Content-Length: 9", body=b"not found"),
        "same": answer("304 Not Modified", *told),
    }
    return {f"{kind} {name}": each for kind in ("mask", "image", "chunk", "known") for name, each in answers.items()}


def prepare(_: Path) -> Run:
    """Ask for a body that every connection answers with these bytes."""
    wire = wired()
    connections.create_connection = wire.connect
    known = Known(validators=Validators(etag='"a"', last_modified=DATE), size=57)

    def run(label: str, body: bytes) -> str:
        wire.answer = body
        backoff = Backoff(attempts=2, wrong_bodies=2, base=0, cap=0, longest_retry_after=0)
        with Downloader(
            api_key="key",
            rest_endpoint="http://api.labelbox.example",
            allow_hosts=frozenset(),
            connections=1,
            pace=Pace(10**6, sleep=lambda _: None),
            timeout=2,
            seconds=4,
            backoff=backoff,
        ) as downloader:
            try:
                ask(downloader, label.partition(" ")[0], known)
            except (DownloadError, LabelsnapError) as error:
                str(error)
                return error.code
            finally:
                wire.close()
        return "had"

    return run


def ask(downloader: Downloader, kind: str, known: Known) -> None:
    """Ask for a body of a kind."""
    target = io.BytesIO()
    match kind:
        case "mask":
            downloader.mask(URLS["mask"], limit=LIMIT, check=check_png)
        case "chunk":
            downloader.chunk(URLS["image"], target, length=57)
        case _:
            checked = lambda file: check_png(file.getvalue())  # noqa: E731
            downloader.image(
                URLS["image"], target, limit=LIMIT, check=checked, known=known if kind == "known" else None
            )
    assert len(target.getvalue()) <= LIMIT


TARGET = Target("downloads", seeds, prepare, bytes_mutator(TOKENS), budget=96 * MEBIBYTE, share=4)
