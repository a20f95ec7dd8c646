"""Versioned datasets on an object store; FORMAT.md specifies what lies there."""

from __future__ import annotations

from tasks.snapshots.commit import Committed, LostRace, commit
from tasks.snapshots.content import download_file, read_file
from tasks.snapshots.draft import Draft
from tasks.snapshots.history import Commit, find_publication
from tasks.snapshots.images import IMAGES_SCHEMA
from tasks.snapshots.layout import work_key
from tasks.snapshots.manifest import File, Manifest, Pack, same_content
from tasks.snapshots.pull import PullReport, check_held, formats_held, pull
from tasks.snapshots.read import Ref, Snapshot, latest, list_versions, parse_ref, read_snapshot
from tasks.snapshots.tar import Member, write_tar

__all__ = [
    "IMAGES_SCHEMA",
    "Commit",
    "Committed",
    "Draft",
    "File",
    "LostRace",
    "Manifest",
    "Member",
    "Pack",
    "PullReport",
    "Ref",
    "Snapshot",
    "check_held",
    "commit",
    "download_file",
    "find_publication",
    "formats_held",
    "latest",
    "list_versions",
    "parse_ref",
    "pull",
    "read_file",
    "read_snapshot",
    "same_content",
    "work_key",
    "write_tar",
]
