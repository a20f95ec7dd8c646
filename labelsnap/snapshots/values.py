"""What may stand in anything that is read from a store: digests, sizes and numbers with limits.

They hold where JSON is decoded into a Struct, and for rows of tables by ``msgspec.convert``: what does not fit is the
damage of the object that says it, before it becomes a path, an allocation or a request.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

LARGEST_SIZE: Final = 1 << 46  # bytes of one object; the largest that S3 has is of 50 TB
LARGEST_NUMBER: Final = (1 << 63) - 1
MAX_PARTS: Final = 4096  # that a joined file has
MOST_FRAMES: Final = 1 << 22  # of one chunk of an export

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Size = Annotated[int, Meta(ge=0, le=LARGEST_SIZE)]
"""A size or an offset in bytes."""
Moment = Annotated[str, Meta(max_length=64)]
"""When a record was written, RFC 3339 in UTC: for people to read."""
Number = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
"""The number of a version or an epoch, or a count; 0: none."""
