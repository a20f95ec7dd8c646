"""The body of an answer as it arrives, with a least speed: a byte a minute keeps a connection alive for ever."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as NothingCameError

from tasks.errors import StorageOutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.response import StreamingBody

BLOCK_BYTES: Final = 1 << 20  # held at once
PATIENCE: Final = 120.0  # seconds that a body may take whatever its length
LEAST_SPEED: Final = 4 << 10  # bytes a second that it has after that, on average


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first ``most`` bytes of a body that is longer; what comes after them is not read."""

    body: StreamingBody
    most: int

    def close(self) -> None:
        """Close the connection."""
        self.body.close()


def arriving(body: StreamingBody | Beginning, key: str, url: str) -> Iterator[bytes]:
    """Give what has arrived, whenever something has, to the body's end.

    Raises StorageOutcomeUnknownError where it comes too slowly, and what ``StreamingBody.read`` raises: that waits for
    as many bytes as it was asked for, and so cannot be told the time in between.
    """
    whole, left = (body.body, body.most) if isinstance(body, Beginning) else (body, sys.maxsize)
    source: Any = whole
    raw, announced = source._raw_stream, source._content_length  # noqa: SLF001 - there is no other door
    size, began = 0, time.monotonic()
    try:
        while block := raw.read1(min(BLOCK_BYTES, left - size)):
            size += len(block)
            if time.monotonic() - began > PATIENCE + size / LEAST_SPEED:
                body.close()
                raise _too_slow(key, url)
            yield block
            if size == left:
                body.close()
                return
    except NothingCameError as error:
        raise ReadTimeoutError(endpoint_url=error.url or url, error=error) from error
    except ProtocolError as error:
        raise ResponseStreamingError(error=error) from error
    if announced is not None and size != int(announced):
        raise IncompleteReadError(actual_bytes=size, expected_bytes=int(announced))


def _too_slow(key: str, url: str) -> StorageOutcomeUnknownError:
    return StorageOutcomeUnknownError(
        f"Expected {key!r} of {url} to arrive with {LEAST_SPEED} bytes a second at least, found less.",
        remedy="Check the network and that AWS_ENDPOINT_URL_S3 leads to the store itself, then run the command again.",
        code="storage_slow",
    )
