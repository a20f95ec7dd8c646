"""What the commands about versions say in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.console import counted

if TYPE_CHECKING:
    from tasks.snapshots.diff import Diff
    from tasks.snapshots.verify import Fault, Verification

_DAMAGES = {
    "missing": "is missing",
    "size": "has another size",
    "bytes": "has other bytes",
    "content": "cannot be true",
    "counts": "does not add up",
    "record": "is no true record",
}


def describe_verification(dataset_url: str, outcome: Verification) -> str:
    """Whether a version is whole, or each object that is not, by its key."""
    of_version = f"{dataset_url}@{outcome.version}"
    if not outcome.faults:
        return f"{of_version} is whole: {outcome.objects} objects, {outcome.bytes} bytes"
    lines = [f"{of_version} is damaged: {len(outcome.faults)} faults in {outcome.objects} objects"]
    return "\n".join([*lines, *map(_fault, outcome.faults)])


def _fault(fault: Fault) -> str:
    spoiled = f" ({fault.path})" if fault.path else ""
    where = f"  {fault.key}{spoiled} {_DAMAGES[fault.damage]}"
    return f"{where}: expected {fault.expected}, found {fault.found}"


def verification_error(outcome: Verification) -> dict[str, Any]:
    """The error that goes with faults, as every command describes one."""
    if not outcome.faults:
        return {}
    keys = sorted({fault.key for fault in outcome.faults})
    return {
        "error": {
            "code": "snapshot_damaged",
            "message": f"{len(keys)} objects of version {outcome.version} are damaged or missing: {', '.join(keys)}.",
            "remedy": "Restore them from a copy of the bucket, or use another version of the dataset.",
        }
    }


def describe_diff(before: str, after: str, found: Diff) -> str:
    """What became of one version on the way to another, in a few lines; the rows themselves are in ``--json``."""
    rows = {change: len(getattr(found.rows, change)) for change in found.rows.__struct_fields__}
    lines = [f"from {before}", f"to   {after}", f"  rows         {counted({k: n for k, n in rows.items() if n})}"]
    for name, changes in (("annotations", found.annotations), ("predictions", found.predictions)):
        lines += [
            f"  {name:<12} {change}: {counted(getattr(changes, change))}"
            for change in ("added", "removed", "changed", "moved")
            if getattr(changes, change)
        ]
        lines += [
            f"    {each.name}: {each.added} added, {each.removed} removed, {each.changed} changed"
            for each in changes.classes
        ]
    lines += [f"  new class    {each.name}" for each in found.classes.added]
    lines += [f"  no more      {each.name}" for each in found.classes.removed]
    lines += [f"  renamed      {each.before} → {each.after}" for each in found.classes.renamed]
    return "\n".join(lines)
