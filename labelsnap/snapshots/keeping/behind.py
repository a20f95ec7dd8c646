"""What a rollback leaves behind: class ids and splits that the newest version's manifest does not know were given.

A refresh goes on from the newest version's manifest. After a rollback that is an old one, so the record names the
manifests behind it: whatever they gave away is taken, though the newest version does not say so.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.keeping.history import every_record
from labelsnap.snapshots.keeping.records import read_manifest
from labelsnap.snapshots.layout import manifest_key
from labelsnap.snapshots.manifest import UNREADABLE
from labelsnap.snapshots.tables.bucket_paths import TABLE_PATH
from labelsnap.snapshots.tables.bucket_tables import CLASSES_PATH, read_table
from labelsnap.snapshots.writing.presence import absent_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from labelsnap.snapshots.keeping.records import Commit
    from labelsnap.snapshots.manifest import File, Manifest
    from labelsnap.storage import ObjectStore

Manifests = tuple[str, ...]
"""The sha256s of manifests, of the newest version first."""

LEFT: Final = "left"
"""The bucket table of rows that are not published now, and were."""
SPLITS_IN: Final = ("data_rows", LEFT)
"""The bucket tables that say which split a row was given, the one that counts first."""


def behind_of(store: ObjectStore, commit: Commit) -> Manifests:
    """Return which manifests stand behind a version; of a record that does not say so, from those before it.

    What cannot be read of these, because a record is gone or damaged, is passed over.
    """
    if isinstance(commit.behind, tuple):
        return commit.behind
    return told([each for each in every_record(store) if each.version <= commit.version])


def told(commits: Iterable[Commit]) -> Manifests:
    """Return what stands behind the last of these versions, which begin with the oldest.

    A publication whose record does not say took nothing over: it left behind what stood there before it.
    """
    found: Manifests = ()
    before = ""
    for each in commits:
        if isinstance(each.behind, tuple):
            found = each.behind
        elif before and each.action != "publish":
            found = replaced(found, before, each.manifest)
        before = each.manifest
    return found


def replaced(behind: Manifests, head: str, manifest: str) -> Manifests:
    """Return what stands behind a manifest that takes the place of a head, which had this behind it."""
    return tuple(dict.fromkeys(each for each in (head, *behind) if each != manifest))


def left_behind(store: ObjectStore, commits: Iterable[Commit], standing: Commit) -> Manifests:
    """Return what stands behind a version whose manifest takes the place of that of the last of these.

    The newest manifest knows what those before it gave away, unless it is lost, or a table of it that says so: then the
    one before counts too. What stood behind any version since does in every case, for a manifest may be lost later.
    """
    since = sorted((each for each in commits if each.version >= standing.version), key=lambda each: -each.version)
    found: list[str] = []
    is_known = is_silent = False
    for each in since:
        if not is_known:
            found.append(each.manifest)
            is_known = each.manifest == standing.manifest or _tells_all(store, each.manifest)
        if not is_silent or isinstance(each.behind, tuple):  # one that does not say is asked once: it has all before it
            found += behind_of(store, each)
        is_silent |= not isinstance(each.behind, tuple)
    return tuple(dict.fromkeys(sha256 for sha256 in found if sha256 != standing.manifest))


def _tells_all(store: ObjectStore, sha256: str) -> bool:
    """Say whether a manifest can be read, and all of it is there that says what it gave away."""
    try:
        manifest = read_manifest(store, sha256)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        return False
    return not absent_of(store, manifest, needed(manifest))


def manifests_behind(store: ObjectStore, behind: Manifests) -> tuple[Manifest, ...]:
    """Read the manifests that are still there; what was deleted is passed over.

    Raises StorageRefusedError where one is damaged.
    """
    there = (sha256 for sha256 in behind if store.head(manifest_key(sha256)) is not None)
    with _forgettable():
        return tuple(read_manifest(store, sha256) for sha256 in there)


def needed(manifest: Manifest) -> tuple[File, ...]:
    """Return the files of a manifest that says what it gave away: classes, and the splits of rows."""
    return tuple(file for file in manifest.files if file.path == CLASSES_PATH or tells_splits(file))


def tells_splits(file: File) -> bool:
    """Say whether a file is a bucket table that says which split rows were given."""
    match = TABLE_PATH.fullmatch(file.path)
    return match is not None and match["table"] in SPLITS_IN


def read_behind(store: ObjectStore, file: File, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Read a table of a manifest behind; None: it was deleted. Raises StorageRefusedError where it is damaged."""
    if store.head(file.key) is None:
        return None
    with _forgettable():
        return read_table(store, file, columns)


@contextmanager
def _forgettable() -> Iterator[None]:
    """Name the way out where something behind is damaged."""
    try:
        yield
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        remedy = "Restore it from a copy of the bucket, or delete it: then the class ids and splits that it alone has "
        raise StorageRefusedError(error.message, remedy=f"{remedy}are forgotten.", code=error.code) from error
