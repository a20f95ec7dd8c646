"""Stores of the golden files in memory, with one object in other bytes and every digest above it right again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from labelsnap.snapshots.layout import COMMITS, DATA, EPOCHS, MANIFESTS, TAGS
from tests.contracts.memory_store import MemoryStore
from tests.fuzz.findings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = ROOT / "tests" / "golden"
STORES = ("format-1", "format-1-joined", "fixed-lists")
URL = "file:///nowhere/street-scenes"


def golden(name: str) -> dict[str, bytes]:
    """The objects of a golden store by key."""
    root = GOLDEN / name
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def store_of(objects: dict[str, bytes]) -> MemoryStore:
    """A store that holds these objects."""
    store = MemoryStore(url=URL)
    store.objects = {key: (body, store.now) for key, body in objects.items()}
    return store


def changed(name: str, key: str, body: bytes) -> dict[str, bytes]:
    """A golden store in which the object ``key`` has another body, as whoever may write to the bucket would have it.

    Records are sealed again, manifests stand under their new digests, and what names them names these.
    """
    objects = golden(name)
    objects[key] = body
    if key.startswith(DATA):
        for manifest in [each for each in objects if each.startswith(MANIFESTS)]:
            content = json.loads(objects[manifest])
            _renamed(content, key, body)
            _put_manifest(objects, manifest, json.dumps(content, separators=(",", ":"), sort_keys=True).encode())
    elif key.startswith(MANIFESTS):
        _put_manifest(objects, key, body)
    elif key.startswith((COMMITS, TAGS, EPOCHS)):
        objects[key] = sealed(body)
    return objects


def _renamed(content: dict[str, Any], key: str, body: bytes) -> None:
    """Let a manifest tell of an object what is true of its new bytes."""
    new = hashlib.sha256(body).hexdigest()
    for each in _told(content):
        if each.get("key") == key and "offset" not in each:
            each |= {"sha256": new, "size": len(body)}


def _told(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from content["files"]
    yield from content["packs"]


def _put_manifest(objects: dict[str, bytes], key: str, body: bytes) -> None:
    before, after = key.removeprefix(MANIFESTS).removesuffix(".json"), hashlib.sha256(body).hexdigest()
    del objects[key]
    objects[f"{MANIFESTS}{after}.json"] = body
    for each in [each for each in objects if each.startswith((COMMITS, TAGS))]:
        objects[each] = sealed(objects[each].replace(before.encode(), after.encode()))


def sealed(body: bytes) -> bytes:
    """A record with the digest that it should have; what is no JSON object as it is."""
    try:
        fields = json.loads(body)
        fields.pop("digest", None)
        canonical = json.dumps(fields, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
        digest = hashlib.sha256(canonical).hexdigest()
    except (ValueError, AttributeError, TypeError, RecursionError):
        return body
    return json.dumps(fields | {"digest": digest}, ensure_ascii=False).encode()
