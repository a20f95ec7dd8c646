"""Bytes behind a URL of an export: masks with the key, chunks and images without it.

The key goes to mask URLs on the REST endpoint's own origin and nowhere else; redirects are followed by hand and never
carry it. Every body is read up to a limit, checked for its length, and asked for again a bounded number of times.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError, IncompleteRead

from tasks.labelbox.addresses import ForbiddenAddressError, GuardedAdapter, host_of, same_origin
from tasks.labelbox.retry import RETRYABLE_STATUS, Backoff, Gate, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import IO

BLOCK: Final = 1 << 16
REDIRECTS: Final = 5
TIMEOUT: Final = (10.0, 60.0)
"""Seconds to connect, and between two pieces of a body."""
WRONG_BODIES: Final = 3
"""How often a body is asked for that arrives whole and is not what it should be."""
ATTEMPT_SECONDS: Final = 600.0
"""The longest that one body may take from first to last byte."""

Result = TypeVar("Result")


class DownloadError(Exception):
    """What was asked for could not be had. ``code`` is a problem's code; ``reason`` names the host, never the URL."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason

    def __reduce__(self) -> tuple[type[DownloadError], tuple[str, str]]:
        return type(self), (self.code, self.reason)


class _TryAgainError(Exception):
    """One attempt failed in a way that the next one may not.

    ``wait`` is what the server asked for, in seconds, and holds for ``everybody`` where it limits the whole account;
    ``attempts`` is how often it is worth trying at most.
    """

    def __init__(
        self, code: str, reason: str, *, wait: float | None = None, everybody: bool = False, attempts: int = 99
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.wait = wait
        self.everybody = everybody
        self.attempts = attempts


@dataclass(slots=True)
class Counts:
    """What went over the wire: repeated requests and bytes of bodies."""

    retries: int = 0
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, retries: int = 0, size: int = 0) -> None:
        """Count, from any thread."""
        with self.lock:
            self.retries += retries
            self.bytes += size


class Downloader:
    """A bounded pool of connections, shared by the threads of one task."""

    def __init__(
        self,
        *,
        api_key: str,
        rest_endpoint: str,
        allow_hosts: frozenset[str],
        connections: int,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api_key = api_key
        self._rest_endpoint = rest_endpoint
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._gate = Gate(sleep)
        self.counts = Counts()
        adapter = GuardedAdapter(allowed=allow_hosts | {host_of(rest_endpoint)}, connections=connections)
        self._session = requests.Session()
        self._session.auth = lambda request: request  # no .netrc: credentials are given here or not at all
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def mask(self, url: str, *, limit: int, check: Callable[[bytes], None]) -> bytes:
        """A mask's PNG. ``check`` raises ``ValueError`` for bytes that are none; they are then asked for again."""
        return self._bytes(url, limit=limit, check=check, keyed=same_origin(url, self._rest_endpoint))

    def image(self, url: str, *, limit: int, check: Callable[[bytes], None]) -> bytes:
        """An image of a data row, without the key, whatever its host; ``check`` as for a mask."""
        return self._bytes(url, limit=limit, check=check, keyed=False)

    def chunk(self, url: str, target: IO[bytes], *, length: int) -> None:
        """Write a chunk of an export stream to ``target``: exactly ``length`` bytes, or ``DownloadError``."""

        def attempt() -> None:
            target.seek(0)
            target.truncate()
            size = 0
            for block in self._blocks(url, limit=length, keyed=False):
                size += target.write(block)
            if size != length:
                raise _TryAgainError("short_body", f"{size} bytes came instead of {length}")

        self._repeat(attempt)

    def _bytes(self, url: str, *, limit: int, check: Callable[[bytes], None], keyed: bool) -> bytes:
        def attempt() -> bytes:
            body = b"".join(self._blocks(url, limit=limit, keyed=keyed))
            try:
                check(body)
            except ValueError as error:
                raise _TryAgainError("wrong_body", str(error), attempts=WRONG_BODIES) from None
            return body

        return self._repeat(attempt)

    def _repeat(self, attempt: Callable[[], Result]) -> Result:
        number = 1
        while True:
            self._gate.wait()
            try:
                return attempt()
            except _TryAgainError as failure:
                if number >= min(self._backoff.attempts, failure.attempts):
                    raise DownloadError(failure.code, f"{failure.reason}, {number} times") from None
                wait = self._backoff.delay(number) if failure.wait is None else failure.wait
                if wait > self._backoff.longest_retry_after:
                    raise DownloadError(failure.code, f"{failure.reason}; asked to wait {wait:.0f} s") from None
                if failure.everybody:
                    self._gate.close_for(wait)
                else:
                    self._sleep(wait)
            except ForbiddenAddressError as refusal:
                raise DownloadError("forbidden_address", str(refusal)) from None
            number += 1
            self.counts.add(retries=1)

    def _blocks(self, url: str, *, limit: int, keyed: bool) -> Iterator[bytes]:
        """The body of one answer after its redirects, never more than ``limit`` bytes of it."""
        deadline = time.monotonic() + ATTEMPT_SECONDS
        with self._answer(url, keyed=keyed) as response:
            size = 0
            try:
                for block in response.raw.stream(BLOCK, decode_content=True):
                    size += len(block)
                    if size > limit:
                        raise DownloadError("too_large", f"{host_of(url)} sent more than {limit} bytes")
                    if time.monotonic() > deadline:
                        raise _TryAgainError("too_slow", f"{host_of(url)} took more than {ATTEMPT_SECONDS:.0f} s")
                    self.counts.add(size=len(block))
                    yield block
            except IncompleteRead:
                raise _TryAgainError("short_body", f"{host_of(url)} sent a body shorter than announced") from None
            except (HTTPError, OSError) as error:
                raise _TryAgainError("connection_lost", f"{host_of(url)}: {type(error).__name__}") from None

    def _answer(self, url: str, *, keyed: bool) -> requests.Response:
        for _ in range(REDIRECTS + 1):
            host = host_of(url)
            headers = {"Authorization": f"Bearer {self._api_key}"} if keyed else {}
            try:
                response = self._session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUT)
            except requests.RequestException as error:
                raise _TryAgainError("unreachable", f"{host} did not answer ({type(error).__name__})") from None
            if not response.is_redirect:
                return _accepted(response, host)
            url = urljoin(url, response.headers["Location"])
            keyed = False
            response.close()
        raise DownloadError("too_many_redirects", f"{host} redirected more than {REDIRECTS} times")


def _accepted(response: requests.Response, host: str) -> requests.Response:
    status = response.status_code
    if status == requests.codes.ok:
        return response
    response.close()
    if status in RETRYABLE_STATUS:
        wait = retry_after(response.headers.get("Retry-After"))
        limited = status == requests.codes.too_many_requests
        raise _TryAgainError(f"http_{status}", f"{host} answered {status}", wait=wait, everybody=limited)
    raise DownloadError(f"http_{status}", f"{host} answered {status}")
