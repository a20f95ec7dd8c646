"""Bytes behind a URL of an export: masks with the key, chunks and images without it.

The key goes to mask URLs on the REST endpoint's own origin and nowhere else; redirects are followed by hand and never
carry it. Where Labelbox does not take the key that is no matter of one mask but of this machine, and ends the run.
Every body is read up to a limit, checked for its length, asked for again a bounded number of times, and given
up when its time is over, however many bytes still trickle in.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import urljoin

from urllib3.exceptions import HTTPError

from labelsnap.labelbox.downloads.addresses import ForbiddenAddressError, Target, read_url
from labelsnap.labelbox.downloads.bodies import collected, write
from labelsnap.labelbox.downloads.connections import Connections
from labelsnap.labelbox.downloads.failures import DownloadError, PassingError, WrongBodyError, of_error, of_status
from labelsnap.labelbox.downloads.known import ImageAnswer, validators_of
from labelsnap.labelbox.downloads.object_sources import ObjectSources
from labelsnap.labelbox.faults import key_refused
from labelsnap.labelbox.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from mmap import mmap
    from pathlib import Path
    from types import TracebackType
    from typing import IO

    from urllib3 import BaseHTTPResponse

    from labelsnap.labelbox.downloads.known import Known
    from labelsnap.labelbox.downloads.pace import Pace
    from labelsnap.records.image import Validators

    Headers = Mapping[str, str]

BLOCK: Final = 1 << 16
REDIRECTS: Final = 5
REDIRECT_STATUS: Final = frozenset({301, 302, 303, 307, 308})
OK: Final = 200
LONGEST_NUMBER: Final = 18
"""Digits of a length in bytes."""
LONGEST_URL: Final = 8192
"""Characters of an address that is followed."""
_DIGITS: Final = re.compile(r"[0-9]+")
NOT_MODIFIED: Final = 304

Result = TypeVar("Result")


@dataclass(slots=True)
class Counts:
    """What went over the wire: requests, those of them that repeat one that failed, and bytes of bodies."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, requests: int = 0, retries: int = 0, size: int = 0) -> None:
        """Count, from any thread."""
        with self.lock:
            self.requests += requests
            self.retries += retries
            self.bytes += size


@dataclass(slots=True)
class Deadline:
    """When a body's time is over: ``seconds`` after the beginning, waits for Labelbox's own limits left out."""

    seconds: float
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.at = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """Seconds until then."""
        return self.at - time.monotonic()


class _KnownError(Exception):
    """The answer says that the image is the one that is known, with what it tells of it."""

    def __init__(self, validators: Validators) -> None:
        super().__init__()
        self.validators = validators


class Downloader:
    """A bounded pool of connections, shared by the threads of one task.

    ``connections`` is how many threads use it at once. ``timeout`` is the seconds that may pass without a byte,
    ``seconds`` what one body may take in all, repetitions included. ``pace`` is the process's.
    ``check_key`` raises where Labelbox does not take the key for anything; it is called where a mask is forbidden.
    """

    def __init__(
        self,
        *,
        api_key: str,
        rest_endpoint: str,
        allow_hosts: frozenset[str],
        connections: int,
        pace: Pace,
        timeout: float = 60.0,
        seconds: float = 600.0,
        backoff: Backoff | None = None,
        sources: ObjectSources | None = None,
        check_key: Callable[[], None] = lambda: None,
    ) -> None:
        self._api_key = api_key
        self._check_key = check_key
        self._labelbox = read_url(rest_endpoint).origin
        self._pace = pace
        self._seconds = seconds
        self._backoff = backoff or Backoff()
        self._sources = sources or ObjectSources()
        trusted = self._sources.origins | {self._labelbox}
        self._connections = Connections(allowed=allow_hosts, trusted=trusted, size=connections, stall=timeout)
        self.counts = Counts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connections.close()

    def mask(
        self, url: str, *, limit: int, check: Callable[[bytes | mmap], None], directory: Path | None = None
    ) -> bytes | mmap:
        """A mask's PNG. ``check`` raises ``ValueError`` for bytes that are none; they are then asked for again.

        A long one lies in ``directory`` as long as it is used.

        Its ``code``, where it has one, is the code of the ``DownloadError`` in the end. Raises ``LabelboxRefusedError``
        where Labelbox does not take this machine's key.
        """

        def take(blocks: Iterator[bytes], _headers: Headers) -> bytes | mmap:
            body = collected(blocks, directory)
            with _wrong_body():
                check(body)
            return body

        return self._repeat(_read(url), take, limit=limit, with_key=True)

    def image(
        self,
        url: str,
        target: IO[bytes],
        *,
        limit: int,
        check: Callable[[IO[bytes]], None],
        known: Known | None = None,
    ) -> ImageAnswer:
        """Write an image of a data row to ``target``, asked for without the key, whatever its host.

        ``check`` is as for a mask; what the ``sources`` open is signed for, once. Nothing is read where the answer
        says that the image is the one that is ``known``: not modified, or announced with just its size.
        """

        def take(blocks: Iterator[bytes], headers: Headers) -> Validators:
            write(blocks, target)
            with _wrong_body():
                check(target)
            return validators_of(headers)

        try:
            validators = self._repeat(self._located(url), take, limit=limit, with_key=False, known=known)
        except _KnownError as found:
            return ImageAnswer(is_known=True, validators=found.validators)
        return ImageAnswer(is_known=False, validators=validators)

    def chunk(self, url: str, target: IO[bytes], *, length: int) -> None:
        """Write a chunk of an export stream to ``target``: exactly ``length`` bytes, or ``DownloadError``."""

        def take(blocks: Iterator[bytes], _headers: Headers) -> None:
            size = write(blocks, target)
            if size != length:
                raise PassingError("short_body", f"{size} bytes came instead of {length}")

        self._repeat(_read(url), take, limit=length, with_key=False)

    def check_reference(self, url: str) -> None:
        """Raise ``DownloadError`` for an image's URL that ``image`` would refuse. Nothing is looked up or asked.

        What is published as it is, is opened by readers elsewhere and later.
        """
        with _forbidden():
            found = self._sources.named(url)
            if found is None or not url.startswith(f"{found[1].scheme}://"):
                self._connections.check(read_url(url))

    def _located(self, url: str) -> Target:
        with _forbidden():
            return read_url(self._sources.locate(url))

    def _repeat(
        self,
        target: Target,
        take: Callable[[Iterator[bytes], Headers], Result],
        *,
        limit: int,
        with_key: bool,
        known: Known | None = None,
    ) -> Result:
        """What ``take`` makes of body and headers; called once an attempt, it raises ``PassingError`` for another."""
        deadline = Deadline(self._seconds)
        attempts = 1 if self._pace.is_failing(target.origin) else self._backoff.attempts
        wrong_bodies = self._backoff.wrong_bodies
        number = 1
        told: Validators | None = None
        while True:
            try:
                response, place = self._answer(target, deadline, with_key=with_key, known=known)
                told = validators_of(response.headers)
                body = take(self._blocks(response, place, limit), response.headers)
            except PassingError as failure:
                is_other = isinstance(failure, WrongBodyError)
                wrong_bodies -= is_other
                wait = self._backoff.delay(number) if failure.wait is None else failure.wait
                reason = self._why_not_again(wait, deadline, last=number == attempts or not wrong_bodies)
                if reason:
                    self._pace.note(target.origin, failed=not is_other)
                    why = f"{failure.reason}; {reason} after {number} attempts"
                    raise DownloadError(failure.code, why, told=told, is_other=is_other) from None
                self._hold(wait, failure, deadline)
            except (DownloadError, _KnownError) as final:
                self._pace.note(target.origin, failed=False)
                if isinstance(final, DownloadError):
                    final.told = told
                raise
            else:
                self._pace.note(target.origin, failed=False)
                return body
            number += 1
            self.counts.add(retries=1)

    def _why_not_again(self, wait: float, deadline: Deadline, *, last: bool) -> str:
        """Why a failure is final, or nothing."""
        if wait > self._backoff.longest_retry_after:
            return f"it wants to be asked again in {wait:.0f} s"
        if deadline.left <= 0:
            return f"its {self._seconds:g} s are over"
        return "given up" if last else ""

    def _hold(self, seconds: float, failure: PassingError, deadline: Deadline) -> None:
        """Hold this thread back, or all that ask the origin which wants a pause."""
        if failure.pausing is not None:
            self._pace.pause(failure.pausing, seconds)
        else:
            self._pace.sleep(min(seconds, max(0.0, deadline.left)))

    def _blocks(self, response: BaseHTTPResponse, target: Target, limit: int) -> Iterator[bytes]:
        """The body of an answer, never more than ``limit`` bytes of it."""
        size = 0
        try:
            if _announced(response) > limit:
                raise _too_large(target, limit)
            while block := response.read1(BLOCK, decode_content=True):
                size += len(block)
                if size > limit:
                    raise _too_large(target, limit)
                self.counts.add(size=len(block))
                yield block
        except (HTTPError, OSError) as error:
            raise of_error(error, target.origin) from None
        finally:
            _close(response)

    def _answer(
        self, target: Target, deadline: Deadline, *, with_key: bool, known: Known | None
    ) -> tuple[BaseHTTPResponse, Target]:
        """The answer with status 200 that the redirects lead to, and where it came from.

        Raises ``_KnownError`` for one that says that the image is the one that is ``known``.
        """
        conditions = known.conditions if known else {}
        for hop in range(REDIRECTS + 1):
            keyed = with_key and not hop and target.origin == self._labelbox
            waited = self._pace.wait(target.origin, counted=keyed)
            deadline.at += waited if target.origin == self._labelbox else 0
            response = self._ask(target, deadline, conditions, keyed=keyed)
            if response.status == OK:
                if known and _has_size(response, known.size):
                    _close(response)
                    raise _KnownError(validators_of(response.headers))
                return response, target
            location = response.headers.get("Location") if response.status in REDIRECT_STATUS else None
            _discard(response)
            if known and conditions and response.status == NOT_MODIFIED:
                raise _KnownError(known.validators)
            if keyed:
                self._check_refusal(response.status)
            if location is None:
                raise of_status(response, target.origin)
            target = _redirected(target, location)
        raise DownloadError("too_many_redirects", f"{target.origin.host} redirected more than {REDIRECTS} times")

    def _check_refusal(self, status: int) -> None:
        """Raise what ends the run where Labelbox's own host refuses the key, and not the mask."""
        if status == HTTPStatus.UNAUTHORIZED:
            raise key_refused("masks" if self._api_key else "masks: it has none")
        if status == HTTPStatus.FORBIDDEN:
            self._check_key()

    def _ask(self, target: Target, deadline: Deadline, conditions: dict[str, str], *, keyed: bool) -> BaseHTTPResponse:
        if deadline.left <= 0:
            raise PassingError("timed_out", f"{target.origin.host} had no time left")
        headers = conditions | ({"Authorization": f"Bearer {self._api_key}"} if keyed and self._api_key else {})
        self.counts.add(requests=1)
        try:
            with _forbidden():
                return self._connections.get(target, headers, seconds=deadline.left)
        except (HTTPError, OSError) as error:
            raise of_error(error, target.origin) from None


def _read(url: str) -> Target:
    with _forbidden():
        return read_url(url)


@contextmanager
def _forbidden() -> Iterator[None]:
    try:
        yield
    except ForbiddenAddressError as refusal:
        raise DownloadError("forbidden_address", str(refusal)) from None


@contextmanager
def _wrong_body() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise WrongBodyError(getattr(error, "code", "wrong_body"), str(error)) from None


def _announced(response: BaseHTTPResponse) -> float:
    """How many bytes an answer announces: infinity for a longer number than any body's, -1 where it tells none."""
    told = response.headers.get("Content-Length", "")
    if not _DIGITS.fullmatch(told):
        return -1
    return int(told) if len(told) <= LONGEST_NUMBER else inf


def _redirected(target: Target, location: str) -> Target:
    try:
        if len(location) <= LONGEST_URL:
            return _read(urljoin(target.url, location))
    except ValueError:
        pass
    raise DownloadError("bad_redirect", f"{target.origin.host} redirected to what is no URL of usual length")


def _has_size(response: BaseHTTPResponse, size: int | None) -> bool:
    """Whether an answer announces just so many bytes, as they are stored."""
    return response.headers.get("Content-Length") == str(size) and "Content-Encoding" not in response.headers


def _too_large(target: Target, limit: int) -> DownloadError:
    return DownloadError("too_large", f"{target.origin.host} sent more than {limit} bytes", is_other=True)


def _discard(response: BaseHTTPResponse) -> None:
    """Read what little is left, so that the connection can be used again, or close it.

    A length counts only where the body is not sent by another rule (RFC 9112, 6.3); no more than it tells is read.
    """
    if "Transfer-Encoding" not in response.headers and 0 <= _announced(response) <= BLOCK:
        with suppress(HTTPError, OSError):
            response.read(BLOCK, decode_content=False)
    _close(response)


def _close(response: BaseHTTPResponse) -> None:
    """Close an answer and give its connection back, closed too if its body was not read: its place is another's now."""
    response.close()
    response.release_conn()
