"""Small records that carry their own digest: commit records, tags, garbage epochs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from labelsnap.decoders import decoder_of
from labelsnap.snapshots.manifest import NOT_SUCH_JSON, RESTORE, Stored, damaged, decode, digest, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

SEAL: Final = "digest"


def seal(record: msgspec.Struct) -> bytes:
    """Return canonical JSON with the field ``digest``: the sha256 of the canonical JSON without that field."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    return _canonical(fields | {SEAL: digest(encode(record))})


def unseal(body: bytes, kind: type[Stored], *, name: str, remedy: str = RESTORE) -> Stored:
    """Read a sealed record of the format version this code knows; fields it does not know count in the digest.

    Raises StorageRefusedError, naming the record, when the bytes are not those that were written.
    """
    record = decode(body, kind, name=name, remedy=remedy)
    if fields_of(body) is None:
        raise damaged(name, "fields whose digest is not the one that it gives", remedy=remedy)
    return record


def fields_of(body: bytes) -> dict[str, msgspec.Raw] | None:
    """Return the fields of a record as it was written, of whatever format version; None: the bytes are none.

    Their values are left unread, which are canonical JSON as they stand: JSON of nothing takes 30 times its bytes once
    it is read, and an epoch may be long.
    """
    try:
        fields = decoder_of(dict[str, msgspec.Raw]).decode(body)
    except NOT_SUCH_JSON:
        return None
    sealed = bytes(fields.pop(SEAL, b""))
    return fields if sealed == msgspec.json.encode(digest(_canonical(fields))) else None


def timestamp() -> str:
    """Return the writer's own time, RFC 3339 in UTC: for people to read, never to decide by."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _canonical(fields: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(fields, order="sorted")
