"""S3 and what speaks its protocol, by boto3."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.parsers import ResponseParserError

from labelsnap.errors import StorageRefusedError
from labelsnap.redaction import cut
from labelsnap.storage.interface import (
    RECORD_BYTES,
    UNSUPPORTED,
    Capabilities,
    ObjectInfo,
    Upload,
    check_key,
    delete_each,
    is_key,
    moment,
    too_long,
)
from labelsnap.storage.s3.bodies import BLOCK_BYTES, Beginning, arriving
from labelsnap.storage.s3.client import client_here, content_md5
from labelsnap.storage.s3.errors import NO_ANSWER, error_code, translated, wrong_answer
from labelsnap.storage.s3.pace import SlowAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

MULTIPART_BYTES: Final = 64 << 20  # from this size on a file goes up in parts
BODY_ATTEMPTS: Final = 4  # the SDK repeats requests, but not reading a body that breaks off
DELETED_AT_ONCE: Final = 1000  # by one request: no server takes more
MOST_UPLOADS: Final = 100_000  # that were broken off: each is held in memory by whoever removes them
BARE_PAGES: Final = 100  # pages of a listing without any key, one after another
_RANGE: Final = re.compile(r"bytes (?P<first>[0-9]{1,18})-", re.IGNORECASE)
_TRANSFER: Final = TransferConfig(
    multipart_threshold=MULTIPART_BYTES, multipart_chunksize=MULTIPART_BYTES // 4, max_concurrency=4
)
_ONE_BY_ONE: Final[set[tuple[str, str]]] = set()
"""Of which end points and buckets this process knows that they delete one object a request."""
_ABSENT: Final = {"NoSuchKey", "404"}  # an answer to HEAD has no body, so no code but the status
_NO_SUCH_RANGE: Final = {"InvalidRange", "416"}
_STANDS_THERE: Final = {"PreconditionFailed", "ConditionalRequestConflict"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class S3Store:
    """Objects of a bucket below a prefix. Where and as whom comes from boto3's own environment and files."""

    bucket: str
    prefix: str = ""

    @property
    def url(self) -> str:
        """``s3://BUCKET/PREFIX``."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def capabilities(self) -> Capabilities:
        """What AWS has; a server that only looks like it is found out by ``probe``."""
        return Capabilities(conditional_create=True, listing=True, ranged_read=True, multipart=True)

    def put(self, key: str, body: bytes | Path) -> None:
        """See ObjectStore. A file from 64 MiB on goes up in parts, which appear as one object or not at all."""
        name = self._name(key)
        with self._client("write", key) as client:
            if isinstance(body, bytes):
                client.put_object(Bucket=self.bucket, Key=name, Body=body, ContentMD5=content_md5(body))
                return
            if body.stat().st_size >= MULTIPART_BYTES:
                with create_transfer_manager(client, _TRANSFER) as manager:  # parts of a path are not held in memory
                    manager.upload(str(body), self.bucket, name).result()
                return
            with body.open("rb") as file:
                client.put_object(Bucket=self.bucket, Key=name, Body=file, ContentMD5=content_md5(file))

    def create(self, key: str, body: bytes) -> bool:
        """See ObjectStore. One PutObject with ``If-None-Match: *``, never in parts: some servers ignore it there."""
        name = self._name(key)
        with self._client("create", key, repeat=False) as client:
            try:
                client.put_object(
                    Bucket=self.bucket, Key=name, Body=body, ContentMD5=content_md5(body), IfNoneMatch="*"
                )
            except ClientError as error:
                if error_code(error) in _STANDS_THERE:
                    return False
                raise
        return True

    def get(self, key: str, *, offset: int = 0, length: int | None = None, most: int = RECORD_BYTES) -> bytes | None:
        """See ObjectStore."""
        limit = most if length is None else length
        with self._client("read", key) as client:
            for attempts_left in reversed(range(BODY_ATTEMPTS)):
                body = self._body(client, key, offset, length)
                if body is None or isinstance(body, bytes):
                    return body
                try:
                    return b"".join(self._blocks(body, key, limit))
                except (HTTPClientError, IncompleteReadError):
                    if not attempts_left:
                        raise
        return None

    def download(self, key: str, path: Path, *, size: int) -> bool:
        """See ObjectStore. A body that breaks off is asked for from there on."""
        with self._client("read", key) as client:
            try:
                with path.open("wb") as target:
                    found = self._written(client, key, target, size + 1)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            if not found:
                path.unlink()
        return found

    def _written(self, client: S3Client, key: str, target: BinaryIO, most: int) -> bool:
        attempts_left = BODY_ATTEMPTS
        while (begin := target.tell()) < most:
            attempts_left -= 1
            body = self._body(client, key, begin, most - begin)
            if body is None or isinstance(body, bytes):
                return body is not None
            try:
                target.writelines(self._blocks(body, key, most - begin))
                break
            except (HTTPClientError, IncompleteReadError) as error:
                if target.tell() - begin >= BLOCK_BYTES and not isinstance(error, SlowAnswerError):
                    attempts_left = BODY_ATTEMPTS
                if not attempts_left:
                    raise
        return True

    def head(self, key: str) -> ObjectInfo | None:
        """See ObjectStore."""
        with self._client("look up", key) as client:
            try:
                answer = client.head_object(Bucket=self.bucket, Key=self._name(key))
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return None
                raise
            return ObjectInfo(key, answer["ContentLength"], moment(answer["LastModified"]))

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore. A server that does not know ``StartAfter`` gives all, of which what comes before is left."""
        root = f"{self.prefix}/" if self.prefix else ""
        start = root + after if after else ""
        with self._client("list", prefix) as client:
            lists = client.get_paginator("list_objects_v2")
            ask = partial(lists.paginate, Bucket=self.bucket, Prefix=root + prefix)
            for item in self._listed(ask(StartAfter=start) if start else ask(), "Contents", root + prefix):
                if item["Key"].encode() > start.encode():
                    yield ObjectInfo(item["Key"].removeprefix(root), item["Size"], moment(item["LastModified"]))

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        with self._client("delete", key) as client:
            client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def delete_many(self, keys: Sequence[str]) -> None:
        """See ObjectStore. A thousand a request; one by one where the server refuses that, and what it then kept."""
        kept: list[str] = []
        for begin in range(0, len(keys), DELETED_AT_ONCE):
            batch = keys[begin : begin + DELETED_AT_ONCE]
            if self._place in _ONE_BY_ONE:
                kept += batch
                continue
            try:
                kept += self._delete_batch(batch)
            except StorageRefusedError as refused:  # of the request as a whole
                kept += batch
                if refused.code == UNSUPPORTED:
                    _ONE_BY_ONE.add(self._place)
        delete_each(self.delete, kept)

    @property
    def _place(self) -> tuple[str, str]:
        return client_here(repeat=True).meta.endpoint_url, self.bucket

    def _delete_batch(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Remove so many objects by one request; return those that the server did not remove."""
        names = {self._name(key): key for key in keys}
        with self._client("delete", keys[0]) as client:
            objects: list[ObjectIdentifierTypeDef] = [{"Key": name} for name in names]
            answer = client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        return tuple(names[error["Key"]] for error in answer.get("Errors", []) if error.get("Key") in names)

    def uploads(self) -> Iterator[Upload]:
        """See ObjectStore. Multipart uploads; none where the server cannot list them or these credentials may not.

        Of more than ``MOST_UPLOADS`` the first are given, and it is logged that there are others.
        """
        root = f"{self.prefix}/" if self.prefix else ""
        try:
            with self._client("list the uploads below", root) as client:
                pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=root)
                for count, item in enumerate(self._listed(pages, "Uploads", root, repeated=True)):
                    if count == MOST_UPLOADS:
                        log.warning("Of uploads that were broken off only the first %d are looked at.", MOST_UPLOADS)
                        return
                    if is_key(key := item["Key"].removeprefix(root)):
                        yield Upload(key, item["UploadId"], moment(item["Initiated"]))
        except StorageRefusedError as refused:
            if refused.code not in {UNSUPPORTED, "access_denied"}:
                raise
            log.warning("Uploads that were broken off stay: %s", refused.message)

    def abort(self, upload: Upload) -> None:
        """See ObjectStore."""
        name = self._name(upload.key)
        with self._client("abort the upload of", upload.key) as client:
            try:
                client.abort_multipart_upload(Bucket=self.bucket, Key=name, UploadId=upload.name)
            except ClientError as error:
                if error_code(error) not in {"NoSuchUpload", *_ABSENT}:
                    raise

    def _listed(
        self, pages: Iterable[Mapping[str, Any]], what: str, prefix: str, *, repeated: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Give what the pages of a list have below a prefix. Raises StorageRefusedError for a list that is none.

        With ``repeated`` one key may stand several times.
        """
        before, bare = b"", 0
        for page in pages:
            bare = 0 if page.get(what) else bare + 1
            if bare > BARE_PAGES:
                raise wrong_answer(f"Expected a list of {prefix!r} in {self.url} that ends, found no end of it.")
            for item in page.get(what, []):
                name = item["Key"]
                again = name.encode() == before and not repeated
                if name.encode() < before or again or not name.startswith(prefix):
                    raise wrong_answer(
                        f"Expected a list of {prefix!r} in {self.url} in order, found {cut(repr(name))}."
                    )
                before = name.encode()
                yield item

    def _name(self, key: str) -> str:
        return check_key(f"{self.prefix}/{check_key(key)}" if self.prefix else key)

    def _body(
        self, client: S3Client, key: str, offset: int, length: int | None
    ) -> StreamingBody | Beginning | bytes | None:
        """Ask for a range; None: there is no such object, bytes: it ends before. Raises where another one comes."""
        end = "" if length is None else offset + length - 1
        byte_range = f"bytes={offset}-{end}" if offset or length is not None else ""
        ask = partial(client.get_object, Bucket=self.bucket, Key=self._name(key))
        try:
            answer = ask(Range=byte_range) if byte_range else ask()
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            if error_code(error) in _NO_SUCH_RANGE:  # it starts at the object's end or beyond
                return b""
            raise
        told = _RANGE.match(answer.get("ContentRange", ""))
        if (int(told["first"]) if told else 0) != offset:
            answer["Body"].close()
            raise wrong_answer(f"Expected {key!r} of {self.url} from byte {offset}, found another range of it.")
        if told is None and length is not None and answer.get("ContentLength", 0) > length:
            return Beginning(answer["Body"], length)  # of a server that knows no ranges and gives the whole object
        return answer["Body"]

    def _blocks(self, body: StreamingBody | Beginning, key: str, most: int) -> Iterator[bytes]:
        """Read a body to its end. Raises StorageRefusedError where it is longer than it may be."""
        size = 0
        for block in arriving(body, self.url):
            size += len(block)
            if size > most:
                body.close()
                raise too_long(key, most)
            yield block

    @contextmanager
    def _client(self, action: str, key: str, *, repeat: bool = True) -> Iterator[S3Client]:
        """Give this process's client, and what it raises in this project's terms."""
        try:
            yield client_here(repeat=repeat)
        except (BotoCoreError, Boto3Error, ClientError, ResponseParserError, *NO_ANSWER) as error:
            raise translated(error, action=action, key=key, bucket=self.bucket) from error
