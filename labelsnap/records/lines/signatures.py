"""Signed URLs: what of a query signs it, which image the rest names, and when the signature ends.

Only http and https have queries here: what follows the bucket in ``s3://`` and the like is an object's key as it is,
with ``?`` and ``#``. What signs goes as a family only: ``sp`` and ``se`` are Azure's where ``sv`` and ``sig`` stand
beside them, ``Policy`` is CloudFront's where ``Signature`` does; anywhere else they may say which image it is.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from labelsnap.records.lines.moments import instant

if TYPE_CHECKING:
    from collections.abc import Mapping

_HTTP: Final = re.compile(r"https?://", re.IGNORECASE)
_PARAMETER: Final = re.compile(rb"(?:^|&)([^=&]*)=([^&]*)")
_STARTS: Final = (b"x-amz-", b"x-goog-")
_LONGEST_POLICY: Final = 8192
_UNTIL: Final = re.compile(rb'"DateLessThan"\s*:\s*\{\s*"AWS:EpochTime"\s*:\s*(\d{1,11})\s*\}')
_SECONDS: Final = re.compile(rb"\d{1,11}")
_BASIC: Final = re.compile(rb"\d{8}T\d{6}Z")


class _Family(NamedTuple):
    """Parameters, in lower case, that sign where all of ``marks`` are in the query; ``x-amz-`` stands for all such."""

    marks: frozenset[bytes]
    signing: frozenset[bytes]


def _family(marks: bytes, signing: bytes) -> _Family:
    return _Family(frozenset(marks.split()), frozenset(signing.split()))


_FAMILIES: Final = (
    _family(b"x-amz-signature", b"x-amz-"),
    _family(b"x-goog-signature", b"x-goog-"),
    _family(b"signature", b"signature expires policy key-pair-id keyname"),  # CloudFront, Google's CDN
    _family(b"signature awsaccesskeyid", b"awsaccesskeyid x-amz-"),
    _family(b"signature googleaccessid", b"googleaccessid x-goog-"),
    _family(b"sig", b"sig expires"),
    _family(b"sig sv", b"sv se st sp sr spr sip skoid sktid skt ske sks skv"),  # Azure
)


def without_signature(query: bytes) -> bytes:
    """Return a query (what follows the ``?``) without what signs it; what is left keeps its order and spelling."""
    names = frozenset(found[1].lower() for found in _PARAMETER.finditer(query))
    signing = frozenset[bytes]().union(*(family.signing for family in _FAMILIES if family.marks <= names))
    if not signing:
        return query
    starts = tuple(start for start in _STARTS if start in signing)

    def kept(parameter: re.Match[bytes]) -> bytes:
        name = parameter[1].lower()
        return b"" if name in signing or name.startswith(starts) else parameter[0]

    return _PARAMETER.sub(kept, query)


def unsigned(url: str) -> str:
    """Return what of an image's URL names the image: all but its signature and its fragment."""
    if not _HTTP.match(url):
        return url
    address, _, query = url.partition("#")[0].partition("?")
    rest = without_signature(query.encode(errors="replace")).decode().strip("&")
    return f"{address}?{rest}" if rest else address


def ends_at(url: str) -> datetime | None:
    """Return when a URL's signature ends; None where it has none, or does not tell."""
    if not _HTTP.match(url):
        return None
    query = url.partition("#")[0].partition("?")[2].encode(errors="replace")
    told = {found[1].lower(): unquote_to_bytes(found[2]) for found in _PARAMETER.finditer(query)}
    for start in _STARTS:
        if start + b"signature" in told:
            return _after(told, start)
    if b"sig" in told and b"sv" in told:
        return instant(told.get(b"se", b"").decode(errors="replace"))
    if told.keys() & {b"signature", b"sig"}:
        return _epoch(told[b"expires"]) if b"expires" in told else _of_policy(told.get(b"policy", b""))
    return None


def lasting_url(standing: str, exported: str, until: datetime) -> str:
    """Return the one of two URLs of an image that a snapshot keeps, so that an unchanged row has unchanged bytes.

    That is the one that stands, unless it ends before ``until`` and the export's ends later, or does not tell.
    """
    ends = ends_at(standing)
    if ends is None or ends >= until:
        return standing
    later = ends_at(exported)
    return exported if later is None or later > ends else standing


def _after(told: Mapping[bytes, bytes], start: bytes) -> datetime | None:
    """Read a signature's date (ISO 8601, basic format) and the seconds that it lasts."""
    date, seconds = told.get(start + b"date", b""), told.get(start + b"expires", b"")
    begins = instant(date.decode()) if _BASIC.fullmatch(date) else None
    if begins is None or not _SECONDS.fullmatch(seconds):
        return None
    try:
        return begins + timedelta(seconds=int(seconds))
    except OverflowError:
        return None


def _epoch(seconds: bytes) -> datetime | None:
    return datetime.fromtimestamp(int(seconds), UTC) if _SECONDS.fullmatch(seconds) else None


def _of_policy(policy: bytes) -> datetime | None:
    """Read the end out of CloudFront's custom policy: JSON in base64, with ``-``, ``_`` and ``~`` for ``+=/``."""
    if len(policy) > _LONGEST_POLICY:
        return None
    try:
        found = _UNTIL.search(base64.b64decode(policy.translate(bytes.maketrans(b"-_~", b"+=/"))))
    except binascii.Error:
        return None
    return _epoch(found[1]) if found else None
