"""Whether a row's content changed since the last export: a digest of its line without what changes on every export."""

from __future__ import annotations

import re

from xxhash import xxh3_128_hexdigest

from tasks.records.signatures import without_signature

_MASKS_OF_TASK = re.compile(rb"/tasks/[^/\"\\?]+/masks/")
_URL_KEYS = (b'"url":', b'"url": ')
_SPACED_URL_KEY = re.compile(rb'"url"\s*:\s*\Z')
_ROW_DATA_QUERY = re.compile(rb'("row_data"\s*:\s*"(?i:https?://)[^"?\\]*\?)([^"\\]*)(?=")')
_LONGEST_KEY = 16


def fingerprint(line: bytes) -> str:
    """Return the XXH3 digest (128 bits, hex) of a line without what changes on every export of an unchanged row.

    That is the export task's id in composite mask URLs (``/tasks/ID/masks/``), the signature in the query of a signed
    ``row_data`` (see ``signatures.py``), and white space around the line. What does not sign stays: ``?versionId=3``
    names another image than ``?versionId=4``. The digest is no defence, and need be none: whoever could make two lines
    of one digest could as well leave the row as it was.
    """
    content = _MASKS_OF_TASK.sub(_without_task, line.strip())
    if b"?" in content:
        content = _ROW_DATA_QUERY.sub(_without_signature, content)
    return xxh3_128_hexdigest(content)


def _without_task(found: re.Match[bytes]) -> bytes:
    """Leave the task's id out where the text is a ``url``; elsewhere (a labeller's answer, say) it is content."""
    line, start = found.string, found.start()
    opening = line.rfind(b'"', 0, start)
    is_url = line.endswith(_URL_KEYS, 0, opening) or _SPACED_URL_KEY.search(
        line[max(opening - _LONGEST_KEY, 0) : opening]
    )
    return b"/tasks//masks/" if is_url else found[0]


def _without_signature(row_data: re.Match[bytes]) -> bytes:
    return row_data[1] + without_signature(row_data[2])
