"""The body of an answer as it arrives."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as NothingCameError

from labelsnap.memory import BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.response import StreamingBody

BLOCK_BYTES: Final = BLOCK  # held at once


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first ``most`` bytes of a body that is longer; what comes after them is not read."""

    body: StreamingBody
    most: int

    def close(self) -> None:
        """Close the connection."""
        self.body.close()


def arriving(body: StreamingBody | Beginning, url: str) -> Iterator[bytes]:
    """Give what has arrived, whenever something has, to the body's end.

    Raises SlowAnswerError, EndlessHeadError and what ``StreamingBody.read`` raises: that waits for as many bytes as it
    was asked for.
    """
    whole, left = (body.body, body.most) if isinstance(body, Beginning) else (body, sys.maxsize)
    source: Any = whole
    raw, announced = source._raw_stream, source._content_length  # noqa: SLF001 - there is no other door
    size = 0
    try:
        while block := raw.read1(min(BLOCK_BYTES, left - size)):
            size += len(block)
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
