"""What a server of S3 answers is bounded before it is held: botocore reads every answer but a body whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ConnectionClosedError, HTTPClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from labelsnap.storage.s3.pace import POOLS, EndlessHeadError, SlowAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_s3.client import S3Client

ANSWER_BYTES: Final = 16 << 20  # of a page of a listing, whose thousand keys have 1024 bytes each at most
_BLOCK: Final = 64 << 10
_ERROR: Final = 300
_REFUSED: Final = 400
_REGION: Final = "x-amz-bucket-region"
"""What S3 says in a redirect. Without it botocore asks for it, and once more for what it is answered then."""


class BoundedSession:
    """Sends requests by a session of botocore's, and reads of an answer that is no object at most ``ANSWER_BYTES``."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send a request. Raises ResponseParserError where the answer is none that S3 gives, and what botocore does."""
        streamed, request.stream_output = request.stream_output, True
        try:
            response: Any = self._session.send(request)
        except HTTPClientError as error:
            if isinstance(cause := error.kwargs.get("error"), SlowAnswerError | EndlessHeadError):
                raise cause from None
            raise
        if _ERROR <= response.status_code < _REFUSED and _REGION not in response.headers:
            response.raw.close()
            raise ResponseParserError("a redirect that names no region")
        if not streamed or response.status_code >= _ERROR:
            response._content = _plain(b"".join(_bounded(response, request)))  # noqa: SLF001 - where ``content`` looks first
        return cast("AWSResponse", response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def with_bounds(client: S3Client) -> S3Client:
    """Return the client, whose answers are bounded, and have a least speed, from now on."""
    endpoint: Any = client._endpoint  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other door
    session = endpoint.http_session
    session._pool_classes_by_scheme = session._manager.pool_classes_by_scheme = POOLS  # noqa: SLF001 - nor here
    endpoint.http_session = BoundedSession(session)
    return client


def _plain(answer: bytes) -> bytes:
    """Return an answer. Raises ResponseParserError where its XML declares what a reader would put in many times over.

    S3 declares no entities. UTF-16, which XML may have too, is the same with zeros between.
    """
    if b"<!ENTITY" in answer.replace(b"\0", b""):
        raise ResponseParserError("an answer that declares entities")
    return answer


def _bounded(response: AWSResponse, request: AWSPreparedRequest) -> Iterator[bytes]:
    size = 0
    try:
        while block := response.raw.read1(_BLOCK):
            size += len(block)
            if size > ANSWER_BYTES:
                response.raw.close()
                raise ResponseParserError(f"an answer of more than {ANSWER_BYTES} bytes")
            yield block
    except HTTPError as error:
        raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url) from error
