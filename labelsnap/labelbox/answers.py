"""Labelbox's answers over HTTP, before the SDK reads them: bounded, and what is none is told apart.

The SDK tells a limit from a page of HTML by its words only, repeats a mutation whose answer is late, and reads any
number of bytes. What is raised here it passes on as ``NetworkError``, at once, whose ``cause`` is what was raised.
"""

from __future__ import annotations

import io
import json
import ssl
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal

from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout, ReadTimeout, RequestException
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError

from labelsnap.labelbox.retry import retry_after
from labelsnap.redaction import cut
from labelsnap.shown import line

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

LONGEST_ANSWER: Final = 1 << 26
"""Bytes of one answer; the largest that is asked for is a page of 100 tasks."""
ANSWER_SECONDS: Final = 120.0
"""How long one answer may take to arrive, once it has begun."""
LONGEST_LINE: Final = 200
"""Characters of what a server says that are repeated."""
BLOCK: Final = 1 << 16
KEY_REFUSED: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
FAILING: Final = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
REFUSING: Final = {400, 422, 426}
"""Statuses within an internal error that stand for a refusal (labelbox 7.17, ``request_client.py``)."""

Kind = Literal["certificate", "failing", "key", "limit", "not_json", "unreachable"]


class NoAnswerError(RequestException):
    """There is no answer that the SDK could read. ``wait`` is what was asked for, in seconds.

    ``undone`` says that the request never reached Labelbox, or was refused as a whole.
    """

    def __init__(self, kind: Kind, reason: str, *, wait: float | None = None, undone: bool = False) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.wait = wait
        self.undone = undone


class Answers(HTTPAdapter):
    """What the SDK's session connects by. Raises ``NoAnswerError``."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """The answer, whole."""
        try:
            response = super().send(request, *args, **options | {"stream": True})
            body = _whole(response)
        except NoAnswerError:
            raise
        except (RequestException, HTTPError, OSError) as error:
            raise _without_connection(error) from None
        if not 300 <= response.status_code < 400:  # noqa: PLR2004 - the session follows redirects
            _check(response, body)
        response.raw = io.BytesIO(body)
        return response


def _whole(response: Response) -> bytes:
    ends = time.monotonic() + ANSWER_SECONDS
    body = bytearray()
    for block in response.raw.stream(BLOCK, decode_content=True):
        body += block
        if len(body) > LONGEST_ANSWER or time.monotonic() > ends:
            response.close()
            raise NoAnswerError("not_json", f"more than {LONGEST_ANSWER} bytes or {ANSWER_SECONDS:g} seconds")
    return bytes(body)


def _check(response: Response, body: bytes) -> None:
    status = response.status_code
    reason = f"HTTP status {status}"
    wait = retry_after(response.headers.get("Retry-After"))
    if status in KEY_REFUSED:
        raise NoAnswerError("key", reason, undone=True)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise NoAnswerError("limit", reason, wait=wait, undone=True)
    if status in FAILING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NoAnswerError("failing", reason, wait=wait)
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise NoAnswerError("not_json", f"{reason}, and what came is no JSON") from None
    if not isinstance(answer, dict):
        raise NoAnswerError("not_json", f"{reason}, and what came is no object")
    errors = answer.get("errors", [])
    if not isinstance(errors, list):
        raise NoAnswerError("not_json", f"{reason}, and its errors are no list")
    for error in errors:
        if _is_internal(error):
            raise NoAnswerError("failing", f"internal error: {first_line(str(error.get('message')))}")


def first_line(text: str) -> str:
    """The first line of what a server says, cut, as ``labelsnap.shown.line`` gives it."""
    return line(cut((text.splitlines() or [""])[0], LONGEST_LINE)) or "no reason given"


def _is_internal(error: object) -> bool:
    """Whether a GraphQL error is Labelbox's own failure, and none of the refusals that come under that name."""
    match error:
        case {"extensions": {"code": "INTERNAL_SERVER_ERROR", "exception": {"status": status}}}:
            return str(status) not in {str(each) for each in REFUSING}
        case {"extensions": {"code": "INTERNAL_SERVER_ERROR"}}:
            return True
        case _:
            return False


def _without_connection(error: Exception) -> NoAnswerError:
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    inner = cause.args[0] if isinstance(cause, Exception) and cause.args else None
    if isinstance(inner, ssl.SSLCertVerificationError):
        return NoAnswerError("certificate", "this machine does not trust its certificate", undone=True)
    if isinstance(error, ConnectTimeout) or isinstance(cause, NewConnectionError):
        return NoAnswerError("unreachable", "no connection", undone=True)
    late = isinstance(error, ReadTimeout | ReadTimeoutError)
    return NoAnswerError("unreachable", "no answer in time" if late else f"connection lost: {type(error).__name__}")
