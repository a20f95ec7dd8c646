"""Versioned datasets on an object store; FORMAT.md specifies what lies there.

In: a store, and files. Out: versions, each a manifest that never changes. Here stands what all rooms share: where
things lie and what may be read. Rooms: ``writing``, ``checking``, ``reading``, ``keeping``, and ``tables``. What is
named below is for everybody.
Doors: layout, listing, manifest, paths, runs, values.
"""

from __future__ import annotations

from labelsnap.snapshots.keeping.expire import ExpiryPlan, expire, plan_expiry
from labelsnap.snapshots.keeping.gc import Collection, CollectionPlan, collect, plan_collection
from labelsnap.snapshots.keeping.history import History, read_history
from labelsnap.snapshots.keeping.records import Action, Commit
from labelsnap.snapshots.keeping.rollback import rollback
from labelsnap.snapshots.keeping.tagging import tag, untag
from labelsnap.snapshots.keeping.tags import Tag, list_tags, read_tag
from labelsnap.snapshots.layout import work_key
from labelsnap.snapshots.manifest import File, Manifest, Pack, same_content
from labelsnap.snapshots.reading.content import download_file, read_file
from labelsnap.snapshots.reading.pull import PullReport, check_held, formats_held, pull
from labelsnap.snapshots.reading.read import Ref, Snapshot, latest, list_versions, parse_ref, read_snapshot
from labelsnap.snapshots.tables.table_columns import IMAGES_SCHEMA
from labelsnap.snapshots.writing.commit import Committed, LostRace, commit
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.snapshots.writing.tar import Member, write_tar

__all__ = [
    "IMAGES_SCHEMA",
    "Action",
    "Collection",
    "CollectionPlan",
    "Commit",
    "Committed",
    "Draft",
    "ExpiryPlan",
    "File",
    "History",
    "LostRace",
    "Manifest",
    "Member",
    "Pack",
    "PullReport",
    "Ref",
    "Snapshot",
    "Tag",
    "check_held",
    "collect",
    "commit",
    "download_file",
    "expire",
    "formats_held",
    "latest",
    "list_tags",
    "list_versions",
    "parse_ref",
    "plan_collection",
    "plan_expiry",
    "pull",
    "read_file",
    "read_history",
    "read_snapshot",
    "read_tag",
    "rollback",
    "same_content",
    "tag",
    "untag",
    "work_key",
    "write_tar",
]
