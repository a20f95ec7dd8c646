"""What a server of S3 answers is bounded before it is held: botocore reads every answer but a body whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ConnectionClosedError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_s3.client import S3Client

ANSWER_BYTES: Final = 16 << 20  # of a page of a listing, whose thousand keys have 1024 bytes each at most
_BLOCK: Final = 64 << 10
_ERROR: Final = 300


class BoundedSession:
    """Sends requests by a session of botocore's, and reads of an answer that is no object at most ``ANSWER_BYTES``."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send a request. Raises ResponseParserError where the answer is none that S3 gives."""
        streamed, request.stream_output = request.stream_output, True
        response: Any = self._session.send(request)
        if not streamed or response.status_code >= _ERROR:
            response._content = _plain(b"".join(_bounded(response, request)))  # noqa: SLF001 - where ``content`` looks first
        return cast("AWSResponse", response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def with_bounds(client: S3Client) -> S3Client:
    """Return the client, whose answers are bounded from now on."""
    endpoint: Any = client._endpoint  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other door
    endpoint.http_session = BoundedSession(endpoint.http_session)
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
        for block in response.raw.stream(_BLOCK):
            size += len(block)
            if size > ANSWER_BYTES:
                response.raw.close()
                raise ResponseParserError(f"an answer of more than {ANSWER_BYTES} bytes")
            yield block
    except HTTPError as error:
        raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url) from error
