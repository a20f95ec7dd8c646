"""Small records that carry their own digest: commit records, tags, garbage epochs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tasks.snapshots.manifest import RESTORE, Stored, damaged, decode, digest, encode

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
    fields: dict[str, Any] = msgspec.json.decode(body)
    sealed = fields.pop(SEAL, None)
    if sealed != (found := digest(_canonical(fields))):
        raise damaged(name, f"fields with the digest {found} under the digest {sealed}", remedy=remedy)
    return record


def timestamp() -> str:
    """Return the writer's own time, RFC 3339 in UTC: for people to read, never to decide by."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _canonical(fields: dict[str, Any]) -> bytes:
    return msgspec.json.encode(fields, order="sorted")
