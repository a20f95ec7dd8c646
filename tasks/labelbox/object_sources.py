"""Images that an export names by ``s3://BUCKET/KEY`` or ``gs://BUCKET/KEY``: signed here, downloaded like any other.

boto3 signs the URL for a while, with nothing sent; Google Cloud Storage takes the same signatures, with its HMAC keys.
Only buckets that the environment names are signed for, because an export could name any that the credentials open.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tasks.errors import ConfigurationError
from tasks.labelbox.addresses import ForbiddenAddressError, Origin, read_url
from tasks.labelbox.failures import DownloadError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SIGNED_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class ObjectSource:
    """The buckets of one scheme (``s3`` or ``gs``) that may be read, where they are, and as whom.

    What is empty comes from boto3's own environment and files. The secret is left out of ``repr``.
    """

    scheme: str
    buckets: frozenset[str]
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)


class ObjectSources:
    """The sources of a process. Raises ``ConfigurationError`` for an end point that is no URL."""

    def __init__(self, *sources: ObjectSource) -> None:
        self._sources = {source.scheme: source for source in sources if source.buckets}

    @property
    def origins(self) -> frozenset[Origin]:
        """The end points, which the environment names and which may therefore be at private addresses."""
        return frozenset(read_url(client_of(source).meta.endpoint_url).origin for source in self._sources.values())

    def locate(self, url: str) -> str:
        """The URL to download from: an object's signed, any other as it is.

        Raises ``ForbiddenAddressError`` for an object of a bucket that is not allowed, and ``DownloadError`` where
        there are no credentials.
        """
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in {"s3", "gs"}:
            return url
        bucket, _, key = rest.partition("/")
        source = self._sources.get(scheme)
        if source is None or bucket not in source.buckets or not key:
            raise ForbiddenAddressError(f"{scheme}://{bucket} is none of LABELSNAP_SOURCE_BUCKETS")
        try:
            return client_of(source).generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=SIGNED_SECONDS
            )
        except BotoCoreError as error:
            reason = f"no URL can be signed for {scheme}://{bucket} ({type(error).__name__})"
            raise DownloadError("source_credentials", reason) from None


def client_of(source: ObjectSource) -> S3Client:
    """This process's client for a source and today's AWS environment; it signs and sends nothing."""
    environment = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    return _client(source, environment)


@lru_cache(maxsize=4)
def _client(source: ObjectSource, environment: tuple[tuple[str, str], ...]) -> S3Client:
    own = source.endpoint or any(name in {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} for name, _ in environment)
    config = Config(signature_version="s3v4", s3={"addressing_style": "path" if own else "auto"})
    try:
        return Session().client(
            "s3",
            endpoint_url=source.endpoint or None,
            region_name=source.region or None,
            aws_access_key_id=source.access_key_id or None,
            aws_secret_access_key=source.secret_access_key or None,
            config=config,
        )
    except (ValueError, BotoCoreError):
        raise ConfigurationError(
            f"The end point or the region of the {source.scheme}:// source cannot be used.",
            remedy=f"Correct LABELSNAP_{source.scheme.upper()}_SOURCE_ENDPOINT and LABELSNAP_S3_SOURCE_REGION.",
            code="bad_setting",
        ) from None
