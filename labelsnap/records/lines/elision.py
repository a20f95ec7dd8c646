"""What every export writes anew into the lines of rows that did not change: taken out of a line, and put back.

That is the export task's id in the URLs of composite masks (``/tasks/ID/masks/``), and the query of a signed URL. An
ellipsis stands in their place, so that the text is still JSON and two exports of one content have one text. Whatever
the line is, ``restore`` gives back what ``elide`` took, byte for byte.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ELLIPSIS: Final = "…".encode()
_MASKS_OF_TASK: Final = b"/tasks/%b/masks/"
_TASK: Final = re.compile(rb"[\w-]+")
_OF_QUERY: Final = rb"[!#->@-\[\]-~]"  # printable, without what ends a query in JSON
_QUERY: Final = re.compile(rb"\?(?P<query>%b|(?:%b*[&-])?(?i:signature|sig)=%b*)" % (ELLIPSIS, _OF_QUERY, _OF_QUERY))
_ELIDED: Final = b"?" + ELLIPSIS


def elide(line: bytes, task: bytes) -> tuple[bytes, list[str]]:
    """Return the line without the export task's id and without signed queries, and these, in order.

    An ellipsis that the line has itself where one could stand counts as what it stands for.
    """
    text = _exchanged(line, task)
    if b"?" not in text:
        return text, []
    queries = [found["query"].decode() for found in _QUERY.finditer(text)]
    return (_QUERY.sub(_ELIDED, text) if queries else text), queries


def restore(text: bytes, task: bytes, queries: Iterator[str]) -> bytes:
    """Return the line that ``elide`` made the text of, taking as many queries as it left out.

    Raises StopIteration when there are too few.
    """
    first, *others = text.split(_ELIDED)
    for other in others:
        first += b"?" + next(queries).encode() + other
    return _exchanged(first, task)


def _exchanged(text: bytes, task: bytes) -> bytes:
    """Put the ellipsis where the task's id stands, and the id where the ellipsis does: its own inverse."""
    if not _TASK.fullmatch(task):
        return text
    named, elided = _MASKS_OF_TASK % task, _MASKS_OF_TASK % ELLIPSIS
    if elided not in text:
        return text.replace(named, elided)
    if named not in text:
        return text.replace(elided, named)
    either = re.compile(b"|".join((re.escape(named), re.escape(elided))))
    return either.sub(lambda found: named if found[0] == elided else elided, text)
