"""What the commands about versions say in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
