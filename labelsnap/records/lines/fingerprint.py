"""Whether a row's content changed since the last export: a digest of its line without what changes on every export."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.json import decode, encode
from xxhash import xxh3_128_hexdigest

from labelsnap.records.lines.signatures import without_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

_MASKS_OF_TASK = re.compile(rb"/tasks/[^/\"\\?]+/masks/")
_URL_KEYS = (b'"url":', b'"url": ')
_SPACED_URL_KEY = re.compile(rb'"url"\s*:\s*\Z')
_ROW_DATA = re.compile(rb'("row_data"\s*:\s*")((?i:https?:)[^"\\]*+(?:\\.[^"\\]*+)*+)(?=")')
_ATTACHMENTS = re.compile(rb'"attachments"\s*:\s*\[[^\[\]"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^\[\]"]*+)*+\]')
_ATTACHED = re.compile(rb'("value"\s*:\s*")((?i:https?:)[^"\\\s]*+(?:\\.[^"\\\s]*+)*+)(?=")')
_HTTP = (b"http://", b"https://")
_LONGEST_KEY = 16


_SPLIT = re.compile(rb'(?<!\\)"split"\s*:\s*(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|null)\s*,?\s*')


def fingerprint_with_split(line: bytes, *, in_run: bool, named: str = "") -> str:
    """Return the fingerprint of a line of a dataset that takes its splits from elsewhere.

    Where a list of ids has ``named`` the row's split, it is behind ``fingerprint`` as ``--SPLIT``. Where the split
    stands in the line (``in_run``), the same of the line without it follows as ``-DIGEST``: so that another split is
    another fingerprint, and yet no other content.
    """
    if named:
        return f"{fingerprint(line)}--{named}"
    digest = fingerprint(line)
    without = _SPLIT.sub(b"", line) if in_run else line
    return digest if without == line else f"{digest}-{fingerprint(without)}"


def joint_fingerprint(of_sources: Mapping[str, str]) -> str:
    """Return the fingerprint of a row by those of its lines, each by the name of its source, in whatever order.

    It is of the same form: what a list of ids says of the row's split, and lines without theirs, are told apart.
    """
    told = sorted(of_sources.items())
    line, without = (
        xxh3_128_hexdigest("".join(f"{name}\t{_digests(each)[number]}\n" for name, each in told).encode())
        for number in (0, 1)
    )
    named = next((split for _, each in told if (split := each.partition("--")[2])), "")
    return f"{line}--{named}" if named else line if without == line else f"{line}-{without}"


def same_content(one: str, other: str) -> bool:
    """Whether two fingerprints are of lines that say the same, but for the split that they are given from elsewhere."""
    if not (one and other):
        return False
    (line, without), (other_line, other_without) = (_digests(each) for each in (one, other))
    return line in {other_line, other_without} or without in {other_line, other_without}


def line_digest(fingerprint: str) -> str:
    """Return the part of a fingerprint that is of the whole line, and of nothing else."""
    return fingerprint.partition("-")[0]


def _digests(fingerprint: str) -> tuple[str, str]:
    """The digest of a whole line, and of the line without its split."""
    line, _, rest = fingerprint.partition("-")
    return line, rest if rest and not rest.startswith("-") else line


def fingerprint(line: bytes) -> str:
    """Return the XXH3 digest (128 bits, hex) of a line without what changes on every export of an unchanged row.

    That is the export task's id in composite mask URLs (``/tasks/ID/masks/``), the signature in the query of a signed
    ``row_data`` or of an attachment (see ``signatures.py``), and white space around the line. What does not sign stays:
    ``?versionId=3`` names another image than ``?versionId=4``. The digest is no defence, and need be none: whoever
    could make two lines of one digest could as well leave the row as it was.
    """
    content = _MASKS_OF_TASK.sub(_without_task, line.strip())
    if b"?" in content:
        content = _ROW_DATA.sub(_without_signature, content)
        content = _ATTACHMENTS.sub(_without_signatures, content)
    return xxh3_128_hexdigest(content)


def _without_task(found: re.Match[bytes]) -> bytes:
    """Leave the task's id out where the text is a ``url``; elsewhere (a labeller's answer, say) it is content."""
    line, start = found.string, found.start()
    opening = line.rfind(b'"', 0, start)
    is_url = line.endswith(_URL_KEYS, 0, opening) or _SPACED_URL_KEY.search(
        line[max(opening - _LONGEST_KEY, 0) : opening]
    )
    return b"/tasks//masks/" if is_url else found[0]


def _without_signatures(attachments: re.Match[bytes]) -> bytes:
    return _ATTACHED.sub(_without_signature, attachments[0])


def _without_signature(found: re.Match[bytes]) -> bytes:
    """Leave the signature out of a URL; one that JSON escapes is written plainly then, and else as it stands."""
    key, spelled = found.groups()
    if b"\\" not in spelled:
        return key + _unsigned(spelled)
    try:
        url = decode(b'"%b"' % spelled, type=str).encode()
    except (msgspec.DecodeError, UnicodeError):
        return found[0]
    plain = _unsigned(url)
    return found[0] if plain == url else key + encode(plain.decode())[1:-1]


def _unsigned(url: bytes) -> bytes:
    address, mark, query = url.partition(b"?")
    return address + mark + without_signature(query) if address.lower().startswith(_HTTP) else url
