"""S3 and what speaks its protocol, by boto3."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from tasks.errors import StorageRefusedError
from tasks.storage.interface import UNSUPPORTED, Capabilities, ObjectInfo, Upload, check_key
from tasks.storage.s3_client import client_here, content_md5
from tasks.storage.s3_errors import error_code, translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client

MULTIPART_BYTES: Final = 64 << 20  # from this size on a file goes up in parts
BODY_ATTEMPTS: Final = 4  # the SDK repeats requests, but not reading a body that breaks off
_TRANSFER: Final = TransferConfig(
    multipart_threshold=MULTIPART_BYTES, multipart_chunksize=MULTIPART_BYTES // 4, max_concurrency=4
)
_ABSENT: Final = {"NoSuchKey", "404"}  # an answer to HEAD has no body, so no code but the status
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
            with body.open("rb") as file:
                if os.fstat(file.fileno()).st_size >= MULTIPART_BYTES:
                    client.upload_fileobj(file, self.bucket, name, Config=_TRANSFER)
                else:
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

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes | None:
        """See ObjectStore."""
        end = "" if length is None else offset + length - 1
        byte_range = f"bytes={offset}-{end}" if offset or length is not None else ""
        with self._client("read", key) as client:
            for attempts_left in reversed(range(BODY_ATTEMPTS)):
                body = self._body(client, key, byte_range)
                if body is None or isinstance(body, bytes):
                    return body
                try:
                    return body.read()
                except (HTTPClientError, IncompleteReadError):
                    if not attempts_left:
                        raise
        return None

    def download(self, key: str, path: Path) -> bool:
        """See ObjectStore."""
        with self._client("read", key) as client:
            try:
                client.download_file(self.bucket, self._name(key), str(path), Config=_TRANSFER)
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return False
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
        return ObjectInfo(key=key, size=answer["ContentLength"], modified=answer["LastModified"])

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See ObjectStore."""
        root = f"{self.prefix}/" if self.prefix else ""
        with self._client("list", prefix) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=root + prefix)
            for page in pages:
                for item in page.get("Contents", []):
                    yield ObjectInfo(item["Key"].removeprefix(root), item["Size"], item["LastModified"])

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        with self._client("delete", key) as client:
            client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def uploads(self) -> Iterator[Upload]:
        """See ObjectStore. Multipart uploads; none where the server cannot list them or these credentials may not."""
        root = f"{self.prefix}/" if self.prefix else ""
        try:
            with self._client("list the uploads below", root) as client:
                pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=root)
                for page in pages:
                    for item in page.get("Uploads", []):
                        yield Upload(item["Key"].removeprefix(root), item["UploadId"], item["Initiated"])
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

    def _name(self, key: str) -> str:
        return check_key(f"{self.prefix}/{check_key(key)}" if self.prefix else key)

    def _body(self, client: S3Client, key: str, byte_range: str) -> StreamingBody | bytes | None:
        ask = partial(client.get_object, Bucket=self.bucket, Key=self._name(key))
        try:
            return (ask(Range=byte_range) if byte_range else ask())["Body"]
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            if error_code(error) == "InvalidRange":  # it starts at the object's end or beyond
                return b""
            raise

    @contextmanager
    def _client(self, action: str, key: str, *, repeat: bool = True) -> Iterator[S3Client]:
        """Give this process's client, and what it raises in this project's terms."""
        try:
            yield client_here(repeat=repeat)
        except (BotoCoreError, Boto3Error, ClientError) as error:
            raise translated(error, action=action, key=key, bucket=self.bucket) from error
