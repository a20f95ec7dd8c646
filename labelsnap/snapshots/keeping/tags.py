"""Names for versions, as they stand in the store; ``tagging.py`` makes them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.keeping.records import side_by_side
from labelsnap.snapshots.layout import TAG, tag_key
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import FORMAT_VERSION, damaged
from labelsnap.snapshots.sealed import unseal
from labelsnap.snapshots.values import Moment, Number, Sha256

if TYPE_CHECKING:
    from labelsnap.storage import ObjectStore


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A name for a version and its manifest (sha256)."""

    format_version: int = FORMAT_VERSION
    name: str
    version: Number
    manifest: Sha256
    created_at: Moment
    write_id: str


def list_tags(store: ObjectStore) -> tuple[Tag, ...]:
    """Return all tags by name. Raises StorageRefusedError when one is damaged."""
    names = [found["name"] for _, found in listed(store, TAG)]
    return tuple(found for found in side_by_side(partial(read_tag, store), names) if found is not None)


def read_tag(store: ObjectStore, name: str) -> Tag | None:
    """Return the tag with this name, if there is one. Raises StorageRefusedError when it is damaged."""
    body = store.get(tag_key(name))
    return decode_tag(body, name) if body is not None else None


def decode_tag(body: bytes, name: str) -> Tag:
    """Read a tag's bytes. Raises StorageRefusedError when they are damaged or another tag's."""
    remedy = (
        "Restore the object from a copy of the bucket. Where there is none, look whether the version that it named is "
        "listed: if its record is lost too, nothing else may tell, and its number would be given again. Then take the "
        f"name away with `labelsnap snapshots untag DATASET_URL {name}`, and give it to the version again."
    )
    found = unseal(body, Tag, name=f"the tag {tag_key(name)!r}", remedy=remedy)
    if found.name != name:
        raise damaged(f"the tag {tag_key(name)!r}", f"the tag {found.name!r}", remedy=remedy)
    return found


def astray(store: ObjectStore, tag: Tag) -> StorageRefusedError:
    """Return the error for a tag whose version has another manifest: the version's number was given twice."""
    return StorageRefusedError(
        f"Expected version {tag.version} of {store.url} to be what the tag {tag.name!r} names, manifest "
        f"{tag.manifest}, found another one: the commit record was lost, and its number given again.",
        remedy=f"Restore that record as it was, or take the name away with `labelsnap snapshots untag {store.url} "
        f"{tag.name}`. What it names is kept until then.",
        code="tag_astray",
    )
