"""Images in buckets that only credentials open: signed for here, downloaded like any other.

boto3 signs the URL for a while, with nothing sent; Google Cloud Storage takes the same signatures, with its HMAC keys;
Azure has its own. Only buckets that the environment names are signed for, because an export could name any that the
credentials open.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from labelsnap.environment import aws_variables
from labelsnap.errors import ConfigurationError
from labelsnap.labelbox.downloads.addresses import ForbiddenAddressError, Origin, read_url
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.labelbox.downloads.object_forms import SCHEMES, is_amazons, objects_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client

    from labelsnap.labelbox.downloads.azure_source import AzureSource
    from labelsnap.labelbox.downloads.object_forms import ObjectName, Place

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

    def places(self) -> Iterator[Place]:
        """Give the one end point. Raises ``ConfigurationError`` where it is no URL."""
        yield self.scheme, "", client_of(self).meta.endpoint_url

    def url_of(self, name: ObjectName, *, seconds: int) -> str:
        """Give a URL that opens an object for so many seconds. Raises ``DownloadError`` without credentials.

        At Amazon the region is the URL's, where it names one; an end point of one's own is asked for all names.
        """
        client = client_of(self)
        if name.service and is_amazons(read_url(client.meta.endpoint_url).origin.host):
            client = client_of(replace(self, endpoint=f"https://{name.service}", region=name.region))
        asked = {"Bucket": name.bucket, "Key": name.key}
        if name.version[0]:
            asked["VersionId"] = name.version[1]
        try:
            return client.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)
        except (BotoCoreError, UnicodeError) as error:
            reason = f"no URL can be signed for {self.scheme}://{name.bucket} ({type(error).__name__})"
            raise DownloadError("source_credentials", reason) from None


class ObjectSources:
    """The sources of a process. Raises ``ConfigurationError`` for an end point that is no URL."""

    def __init__(self, *sources: ObjectSource | AzureSource) -> None:
        self._sources = {source.scheme: source for source in sources if source.buckets}

    @property
    def origins(self) -> frozenset[Origin]:
        """The end points, which the environment names and which may therefore be at private addresses."""
        return frozenset(read_url(endpoint).origin for *_, endpoint in self._places())

    def locate(self, url: str) -> str:
        """The URL to download from: signed for an object of a bucket that is allowed, any other as it is.

        Raises ``DownloadError`` where there are no credentials, and what ``named`` raises.
        """
        found = self.named(url)
        return found[0].url_of(found[1], seconds=SIGNED_SECONDS) if found else url

    def named(self, url: str) -> tuple[ObjectSource | AzureSource, ObjectName] | None:
        """The object of an allowed bucket that a URL names, and its source; None for any other http or https URL.

        Raises ``ForbiddenAddressError`` for an ``s3://`` or ``gs://`` URL of another bucket and for what nobody can ask
        for.
        """
        scheme, separator, rest = url.partition("://")
        of_object = bool(separator) and scheme in SCHEMES
        if not of_object and not self._sources:
            return None
        for name in objects_named(url, self._places()):
            source = self._sources.get(name.scheme)
            if source and name.bucket in source.buckets and name.key:
                _check_parts(name)
                return source, name
        if of_object:
            raise ForbiddenAddressError(f"{scheme}://{rest.partition('/')[0]} is none of LABELSNAP_SOURCE_BUCKETS")
        return None

    def _places(self) -> Iterator[Place]:
        for source in self._sources.values():
            yield from source.places()


def _check_parts(name: ObjectName) -> None:
    """Refuse a key that clients and proxies take for a path to somewhere else."""
    if not {".", ".."}.isdisjoint(name.key.split("/")):
        raise ForbiddenAddressError(f"a key in {name.scheme}://{name.bucket} has a part . or .., which leads elsewhere")


def client_of(source: ObjectSource) -> S3Client:
    """This process's client for a source and today's AWS environment; it signs and sends nothing."""
    return _client(source, aws_variables())


@lru_cache(maxsize=16)
def _client(source: ObjectSource, environment: tuple[tuple[str, str], ...]) -> S3Client:
    named = dict(environment)
    endpoint = source.endpoint or named.get("AWS_ENDPOINT_URL_S3") or named.get("AWS_ENDPOINT_URL")
    try:
        own = endpoint and not is_amazons(urlsplit(endpoint).hostname or "")
        config = Config(signature_version="s3v4", s3={"addressing_style": "path" if own else "virtual"})
        client = Session().client(
            "s3",
            endpoint_url=source.endpoint or None,
            region_name=source.region or named.get("AWS_REGION"),
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
    if source.scheme == "gs":
        client.meta.events.register("before-sign.s3.GetObject", _with_generation)
    return client


def _with_generation(request: Any, **_: object) -> None:
    """Name a version as Google does, in the URL that boto3 is about to sign."""
    request.url = request.url.replace("?versionId=", "?generation=", 1)
