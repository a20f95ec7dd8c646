"""References and trees: what ``pull`` and ``snapshots show`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.formats.registry import FORMATS, format_of
from tasks.snapshots.pull import PullReport, pull
from tasks.snapshots.read import check_kept, parse_ref, read_snapshot
from tasks.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tasks.snapshots.read import Snapshot


def read_ref(ref: str) -> Snapshot:
    """The snapshot that a reference names. Raises ``ConfigurationError`` when there is none, or when it has expired."""
    parsed = parse_ref(ref)
    store = open_store(parsed.dataset_url)
    return check_kept(store, read_snapshot(store, parsed.selector))


def lay_out(ref: str, format_name: str, directory: Path, show: Callable[[str, int, int], None]) -> PullReport:
    """Pull a snapshot as the tree of one format, images where that format wants them."""
    snapshot = read_ref(ref)
    layout = format_of(format_name).image_path if format_name in FORMATS else None
    expected = int(snapshot.manifest.result["rows"]["published"]) if layout else len(snapshot.manifest.files)
    report = pull(
        open_store(snapshot.dataset_url),
        snapshot,
        format_name,
        directory,
        layout=layout,
        on_progress=lambda so_far: show("pull", so_far.files, max(so_far.files + 1, expected)),
    )
    show("pull", report.files, report.files)
    return report
