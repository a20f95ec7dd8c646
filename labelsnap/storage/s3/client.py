"""One boto3 client a process, set up so that other servers than AWS's work too."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from boto3.session import Session
from botocore.config import Config
from botocore.loaders import Loader, create_loader
from botocore.session import get_session

from labelsnap.credentials import check_keys_of_s3
from labelsnap.environment import aws_variables
from labelsnap.errors import ConfigurationError
from labelsnap.storage.s3.answers import with_bounds

if TYPE_CHECKING:
    from io import BufferedReader

    from mypy_boto3_s3.client import S3Client

PARALLEL: Final = 32  # threads that may use one client at a time
ATTEMPTS: Final = 5  # per request, with the SDK's back-off

_OWN_ENDPOINT: Final = frozenset({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"})
_MAKING: Final = Lock()
_AMAZONS: Final = (".amazonaws.com", ".amazonaws.com.cn")


def client_here(*, repeat: bool) -> S3Client:
    """Return this process's client for today's AWS environment; with ``repeat=False`` it sends each request once.

    ``AWS_REGION`` is what other SDKs of AWS read, and comes before boto3's own ``AWS_DEFAULT_REGION``.
    A client must not cross a fork (its connections would be shared), so the process is part of its identity.
    """
    return _client(os.getpid(), aws_variables(), ATTEMPTS if repeat else 1)


@lru_cache(maxsize=4)
def _client(process: int, environment: tuple[tuple[str, str], ...], attempts: int) -> S3Client:
    named = dict(environment)
    check_keys_of_s3(named)
    is_own = not _OWN_ENDPOINT.isdisjoint(named)
    session, region = _session(process, environment), named.get("AWS_REGION")
    try:
        client = _made(session, "path" if is_own else "auto", region, attempts)
        if not is_own and not client.meta.endpoint_url.endswith(_AMAZONS):  # boto3 found it by itself
            client = _made(session, "path", region, attempts)
    except ValueError:  # whose text holds the address as it was given
        raise _endpoint_refused("something else") from None
    if "@" in urlsplit(client.meta.endpoint_url).netloc:
        raise _endpoint_refused("one with a user or password in it")
    return with_bounds(client)


def _endpoint_refused(found: str) -> ConfigurationError:
    return ConfigurationError(
        f"Expected a URL in AWS_ENDPOINT_URL_S3, found {found}.",
        remedy="Set it to http://HOST:PORT or https://HOST, or unset it for AWS. Keys go into AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY.",
        code="s3_endpoint",
    )


def _made(session: Session, style: Literal["path", "auto"], region: str | None, attempts: int) -> S3Client:
    """Return a client that writes a bucket into the path, or, with ``auto``, into the host where that can be."""
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
        max_pool_connections=PARALLEL,
        retries={"mode": "standard", "total_max_attempts": attempts},
        # The SDK's default is a checksum trailer over https, which Ceph and others answer with an error.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": style},
    )
    with _MAKING:  # a session makes one client at a time
        return session.client("s3", region_name=region, config=config)


@lru_cache(maxsize=2)
def _session(_process: int, _environment: tuple[tuple[str, str], ...]) -> Session:
    """Return what knows as whom AWS is asked, of which each client is made."""
    session = get_session()
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return Session(botocore_session=session)


@cache
def _loader(folders: str | None) -> Loader:
    """Return what reads the SDK's descriptions of AWS, and keeps them: 12 MB and 0.1 seconds for each that does."""
    return _Descriptions(create_loader(folders).search_paths, include_default_search_paths=False)


class _Descriptions(Loader):
    """Descriptions of services, not all of which are looked through to tell which there are."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - as the SDK calls it
        """Return the names of all folders; of one without such a description the SDK says so when it is to be read."""
        folders = (folder for path in map(Path, self.search_paths) if path.is_dir() for folder in path.iterdir())
        return sorted({folder.name for folder in folders if not folder.name.startswith((".", "_"))})


def content_md5(body: bytes | BufferedReader) -> str:
    """Return the Content-MD5 header of the bytes, or of a file from its start (and go back there)."""
    if isinstance(body, bytes):
        digest = hashlib.md5(body, usedforsecurity=False)
    else:
        digest = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False))
        body.seek(0)
    return b64encode(digest.digest()).decode()
