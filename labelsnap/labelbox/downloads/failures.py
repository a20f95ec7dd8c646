"""What can go wrong with a download, told apart by whether the next attempt may do better.

======================  =====================================================================  ==========
code                    what happened                                                          asked again
======================  =====================================================================  ==========
``unreachable``         no connection: name not resolved, refused, timed out                   yes
``timed_out``           connected, then nothing for the time-out, or not whole in its time     yes
``connection_lost``     the connection broke                                                   yes
``short_body``          fewer bytes than were announced                                        yes
``wrong_body``          whole, and not what it should be (or the code that its check gives)    yes, less
``http_429``            too many requests: the whole process pauses                            yes
``http_408`` … 5xx      the server failed                                                      yes
``http_4xx``, others    the server refused; 404 and 410 for what is gone                       no
                        (401 of Labelbox's host to the key ends the run, and so does 403 where
                        the key is taken for nothing else)
``too_large``           more bytes than allowed                                                no
``forbidden_address``   a URL that downloads must not follow                                   no
``source_credentials``  an object of a bucket that is named, and no credentials to sign with           no
``certificate``         the host cannot prove who it is                                        no
``too_many_redirects``  redirected again and again                                             no
``bad_redirect``        redirected to what is no URL, or a longer one than any                 no
``not_in_snapshot``     a snapshot is made anew, which does not hold it: nothing is asked      no
======================  =====================================================================  ==========
"""

from __future__ import annotations

import ssl
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
    TimeoutError,  # noqa: A004 - urllib3's own
)

from labelsnap.labelbox.retry import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import BaseHTTPResponse

    from labelsnap.labelbox.downloads.addresses import Origin
    from labelsnap.records.image import Validators

RETRYABLE_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
GONE: Final = frozenset({"http_404", "http_410"})


class DownloadError(Exception):
    """What was asked for could not be had. ``code`` is a problem's code; ``reason`` names the host, never the URL.

    ``told`` is what the last answer that promised a body (status 200) told of it, None without one; ``is_other`` that
    this is not what it should be: too large, or whole and wrong.
    """

    def __init__(self, code: str, reason: str, *, told: Validators | None = None, is_other: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.told = told
        self.is_other = is_other

    def __reduce__(self) -> tuple[Callable[..., DownloadError], tuple[str, str]]:
        return partial(type(self), told=self.told, is_other=self.is_other), (self.code, self.reason)

    @property
    def gone(self) -> bool:
        """Whether the server said that it does not have it, or no longer."""
        return self.code in GONE


class PassingError(Exception):
    """One attempt failed in a way that the next one may not.

    ``wait`` is what the server asked for, in seconds. ``pausing`` is the origin that wants no request at all for that
    time, from nobody.
    """

    def __init__(self, code: str, reason: str, *, wait: float | None = None, pausing: Origin | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.wait = wait
        self.pausing = pausing


class WrongBodyError(PassingError):
    """A body arrived whole and is not what was asked for, which seldom changes."""


def of_status(response: BaseHTTPResponse, origin: Origin) -> DownloadError | PassingError:
    """The failure that an answer other than 200 stands for."""
    status = response.status
    code, reason = f"http_{status}", f"{origin.host} answered {status}"
    if status not in RETRYABLE_STATUS:
        return DownloadError(code, reason)
    wait = retry_after(response.headers.get("Retry-After"))
    limited = status == HTTPStatus.TOO_MANY_REQUESTS or wait is not None
    return PassingError(code, reason, wait=wait, pausing=origin if limited else None)


def of_error(error: HTTPError | OSError, origin: Origin) -> DownloadError | PassingError:
    """The failure that something which urllib3 raised about an origin stands for."""
    host = origin.host
    match error:
        case SSLError() if isinstance(error.args[0] if error.args else None, ssl.SSLCertVerificationError):
            return DownloadError("certificate", f"{host} has no certificate that this machine trusts")
        case ConnectTimeoutError() | NewConnectionError() | ProxyError():  # a name that is not resolved is of these
            return PassingError("unreachable", f"{host} cannot be reached ({type(error).__name__})")
        case TimeoutError():
            return PassingError("timed_out", f"{host} did not answer in time")
        case IncompleteRead():
            return PassingError("short_body", f"{host} sent a body shorter than announced")
        case ProtocolError() if any(isinstance(part, IncompleteRead) for part in error.args):
            return PassingError("short_body", f"{host} sent a body shorter than announced")
        case _:
            return PassingError("connection_lost", f"{host}: {type(error).__name__}")
