"""Versioned datasets on an object store; FORMAT.md specifies what lies there."""

from __future__ import annotations

from tasks.snapshots.commit import Committed, LostRace, commit
from tasks.snapshots.content import download_file, read_file
from tasks.snapshots.draft import Draft
from tasks.snapshots.expire import ExpiryPlan, expire, plan_expiry
from tasks.snapshots.gc import Collection, CollectionPlan, collect, plan_collection
from tasks.snapshots.history import Action, Commit, History, read_history
from tasks.snapshots.layout import work_key
from tasks.snapshots.manifest import File, Manifest, Pack, same_content
from tasks.snapshots.pull import PullReport, check_held, formats_held, pull
from tasks.snapshots.read import Ref, Snapshot, latest, list_versions, parse_ref, read_snapshot
from tasks.snapshots.rollback import rollback
from tasks.snapshots.table_columns import IMAGES_SCHEMA
from tasks.snapshots.tagging import tag, untag
from tasks.snapshots.tags import Tag, list_tags, read_tag
from tasks.snapshots.tar import Member, write_tar

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
