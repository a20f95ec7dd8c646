"""References, and what is read through them: snapshots, trees and differences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from labelsnap.errors import ConfigurationError
from labelsnap.formats.outputs import output_of
from labelsnap.formats.registry import FORMATS
from labelsnap.formats.shared.endings import layout_of
from labelsnap.snapshots.manifest import config_of, result_of
from labelsnap.snapshots.reading.diff import diff
from labelsnap.snapshots.reading.pull import PullReport
from labelsnap.snapshots.reading.pull import pull as lay_out
from labelsnap.snapshots.reading.read import check_kept, parse_ref, read_snapshot
from labelsnap.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelsnap.snapshots.reading.diff import Diff
    from labelsnap.snapshots.reading.read import Snapshot

Show: TypeAlias = "Callable[[str, int, int], None]"


def _unseen(_stage: str, _done: int, _total: int) -> None:
    """Show nothing."""


def open_snapshot(ref: str) -> Snapshot:
    """The snapshot that a reference names. Raises ``ConfigurationError`` when there is none, or when it has expired."""
    parsed = parse_ref(ref)
    store = open_store(parsed.dataset_url)
    return check_kept(store, read_snapshot(store, parsed.selector))


def pull(
    ref: str,
    format_name: str,
    directory: Path | str,
    *,
    cache: Path | str | None = None,
    overwrite: bool = False,
    show: Show = _unseen,
) -> PullReport:
    """Lay out a snapshot as the tree of one output, by its name in the dataset file: its format's, or its own.

    Images lie where the format wants them.

    A ``cache`` keeps files for later trees; without ``overwrite`` nothing that is not from an earlier pull is replaced.
    ``show`` is told how far it is: what is done, how much, and of how much. Raises ConfigurationError, StorageError.
    """
    snapshot = open_snapshot(ref)
    result = result_of(snapshot.manifest)
    options = config_of(snapshot.manifest).formats.get(format_name)
    lost = result.formats[format_name].images.lost if format_name in result.formats else {}
    is_known = options is not None or format_name in FORMATS
    layout = layout_of(output_of(format_name, options).form, lost) if is_known else None
    expected = result.rows.published if layout else len(snapshot.manifest.files)
    report = lay_out(
        open_store(snapshot.dataset_url),
        snapshot,
        format_name,
        Path(directory),
        layout=layout,
        cache=Path(cache) if cache else None,
        overwrite=overwrite,
        on_progress=lambda so_far: show("pull", so_far.files, max(so_far.files + 1, expected)),
    )
    show("pull", report.files, report.files)
    return report


def compare(before: str, after: str, *, show: Show = _unseen) -> tuple[tuple[str, str], Diff]:
    """Compare the snapshots that two references name; give back what they mean now, and the difference.

    Raises ``ConfigurationError`` when they are of different datasets, whose rows and classes have nothing in common.
    """
    one, other = open_snapshot(before), open_snapshot(after)
    if one.dataset_url != other.dataset_url:
        raise ConfigurationError(
            f"Expected two versions of one dataset, found {one.ref} and {other.ref}.",
            remedy="Compare versions of the same dataset.",
            code="other_dataset",
        )
    found = diff(
        open_store(one.dataset_url),
        one.manifest,
        other.manifest,
        on_progress=lambda done, total: show("diff", done, total),
    )
    return (str(one.ref), str(other.ref)), found
