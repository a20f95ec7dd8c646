"""The RESULT and ERRORS streams of a complete export, chunk by chunk.

The SDK answers which chunk holds an offset and where to get it; the bytes are fetched here, because the SDK's buffered
stream spools the whole export before the first row, decodes every chunk alone and retries nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from labelsnap.errors import LabelboxAnswerError
from labelsnap.labelbox.export import MOST
from labelsnap.storage.lines import lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelsnap.labelbox.client import Client
    from labelsnap.labelbox.export import Stream

CHUNK_QUERY: Final = (
    "query GetExportFileFromOffsetPyApi($where: WhereUniqueIdInput, $streamType: TaskStreamType!, $offset: UInt64!)"
    "{task(where: $where){exportFileFromOffset(streamType: $streamType, offset: $offset)"
    "{offsets {start end} lines {start end} file}}}"
)
"""The SDK's own document (labelbox 7.17, ``export_task.py``)."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes ``start`` to ``end`` (inclusive) of a stream, and the signed URL that serves them for a while."""

    start: int
    end: int
    url: str

    @property
    def length(self) -> int:
        """How many bytes the chunk must have."""
        return self.end - self.start + 1


def chunk_at(client: Client, task_id: str, stream: Stream, offset: int) -> Chunk:
    """The chunk that begins at ``offset``. Raises ``LabelboxAnswerError`` when the answer names another range."""
    variables = {"where": {"id": task_id}, "streamType": stream, "offset": str(offset)}
    answer = client.asked(
        f"export task {task_id}", lambda sdk: sdk.execute(CHUNK_QUERY, variables, error_log_key="errors")
    )
    try:
        found = answer["task"]["exportFileFromOffset"]
        chunk = Chunk(start=int(found["offsets"]["start"]), end=int(found["offsets"]["end"]), url=str(found["file"]))
    except (TypeError, KeyError, ValueError, OverflowError):
        raise _unknown(task_id, stream, offset, "no chunk") from None
    if chunk.start != offset or not offset <= chunk.end < MOST:
        raise _unknown(task_id, stream, offset, f"a chunk of bytes {chunk.start} to {chunk.end}")
    return chunk


def _unknown(task_id: str, stream: Stream, offset: int, found: str) -> LabelboxAnswerError:
    return LabelboxAnswerError(
        f"Asked for the {stream} stream of export task {task_id} from byte {offset}, Labelbox answered with {found}.",
        remedy="Run again: finished chunks are kept. If it stays so, start a new export.",
        code="bad_chunk",
    )


def split_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream given as blocks that may end inside a line and inside a character.

    Lines come without their line break; the last one needs none. Nothing is decoded.
    """
    return (line.removesuffix(b"\n") for line in lines(blocks))
