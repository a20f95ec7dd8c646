"""What the commands about versions and deployments say in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from flows.commands.console import counted, joined
from labelsnap.snapshots.runs import runs_of
from labelsnap.snapshots.tables.parquet_files import reader_too_old

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labelsnap.errors import ReaderTooOldError
    from labelsnap.records.ontology import OntologyChanges
    from labelsnap.snapshots.checking.objects import Fault
    from labelsnap.snapshots.checking.verify import Verification
    from labelsnap.snapshots.reading.diff import Diff
    from labelsnap.snapshots.reading.pull import PullReport

MAX_SHOWN: Final = 100
"""Characters of a setting's value."""
_DAMAGES = {
    "missing": "is missing",
    "size": "has another size",
    "bytes": "has other bytes",
    "content": "cannot be true",
    "counts": "does not add up",
    "record": "is no true record",
}


def describe_versions(versions: Sequence[Mapping[str, Any]]) -> str:
    """A line a version: number, time, rows, how it came about if not by publishing, and tags."""
    return joined(map(_version, versions)) or "no versions yet"


def _version(version: Mapping[str, Any]) -> str:
    action = "" if version["action"] == "publish" else f"  {version['action']}"
    tags = f"  {', '.join(version['tags'])}" if version["tags"] else ""
    return f"{version['version']:>6}  {version['created_at']}  {version['rows']} rows{action}{tags}"


def describe_expiry(outcome: Mapping[str, Any]) -> str:
    """Which versions go and stay, and what makes it so."""
    lines = [
        f"{'would expire' if outcome['dry_run'] else 'expired':<13} {_numbers(outcome['expiring'])}",
        f"{'kept':<13} {_numbers(outcome['kept'])}",
    ]
    if outcome["tagged"]:
        lines.append(f"{'kept by a tag':<13} {_numbers(outcome['tagged'])}")
    if outcome.get("lost"):
        lines.append(f"{'given up':<13} {_runs(outcome['lost'])}")
    if outcome["dry_run"] and (outcome["expiring"] or outcome.get("lost")):
        lines.append("Nothing was changed: give --yes to do it.")
    return joined(lines)


def describe_collection(outcome: Mapping[str, Any]) -> str:
    """What is deleted, what is listed for the next call, and what waits."""
    verbs = ("would delete", "would list", "waiting") if outcome["dry_run"] else ("deleted", "listed", "waiting")
    parts = [(verb, outcome[name]) for verb, name in zip(verbs, ("deleted", "condemned", "waiting"), strict=True)]
    lines = [f"{verb:<12} {part['objects']} objects, {part['bytes']} bytes" for verb, part in parts if part["objects"]]
    if uploads := outcome["uploads"]["objects"]:
        lines.append(f"{verbs[0]:<12} {uploads} uploads that were broken off")
    if epochs := outcome.get("lost_epochs"):
        lines.append(f"{'given up':<12} damaged lists {_numbers(epochs)}, of which the objects are listed again")
    if outcome["dry_run"] and lines:
        lines.append("Nothing was changed: give --yes to do it. What is listed is deleted by a call a day later.")
    return joined(lines) or "no garbage"


def _numbers(versions: Sequence[int]) -> str:
    """1, 2, 3, 7 as 1–3, 7."""
    return _runs(runs_of(versions))


def _runs(runs: Sequence[Sequence[int]]) -> str:
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs) or "none"


def describe_pull(report: PullReport) -> str:
    """How many files lie there, where those came from that were not downloaded, and what went."""
    parts = [
        (report.kept, "were there already"),
        (report.cached, "came from the cache"),
        (report.removed, "of an earlier pull were removed"),
        (report.changed, "of an earlier pull were changed since and stay"),
        (report.mended, "of an earlier pull were changed since and are set right"),
    ]
    told = "".join(f", {count} {where}" for count, where in parts if count)
    return f"{report.files} files, {report.bytes} bytes{told}"


def describe_verification(dataset_url: str, outcome: Verification) -> str:
    """Whether a version is whole, or each object that is not, by its key."""
    of_version = f"{dataset_url}@{outcome.version}"
    if not outcome.faults and not outcome.unread:
        return f"{of_version} is whole: {outcome.objects} objects, {outcome.bytes} bytes"
    lines = []
    if outcome.faults:
        lines += [f"{of_version} is damaged, of {outcome.objects} objects these:", *map(_fault, outcome.faults)]
    if outcome.unread:
        lines += [f"{of_version} was not read whole: of {outcome.objects} objects these have the right bytes."]
        lines += [f"  {each.key}: {each.reason}" for each in outcome.unread]
        lines.append(str(_too_old(outcome)))
    return joined(lines)


def _fault(fault: Fault) -> str:
    spoiled = f" ({fault.path})" if fault.path else ""
    where = f"  {fault.key}{spoiled} {_DAMAGES[fault.damage]}"
    return f"{where}: expected {fault.expected}, found {fault.found}"


def _too_old(outcome: Verification) -> ReaderTooOldError:
    first, count = outcome.unread[0], len(outcome.unread)
    return reader_too_old(first.key if count == 1 else f"{count} objects, as {first.key},", first.reason)


def verification_error(outcome: Verification) -> dict[str, Any]:
    """The error that goes with faults, or with what could not be read here, as every command describes one."""
    if not outcome.faults and outcome.unread:
        return {"error": _too_old(outcome).described}
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
    return joined([*lines, *ontology_lines(found.ontology)])


def ontology_lines(found: OntologyChanges | None) -> Iterator[str]:
    """What became of a project's ontology: a line a feature, by its path."""
    if found is None:
        return
    for change in ("added", "removed", "moved", "changed"):
        yield from (f"  ontology     {change}: {each.kind} {' / '.join(each.path)}" for each in getattr(found, change))
    for change in ("renamed", "recoloured"):
        for each in getattr(found, change):
            was, now = (value or "none" for value in (each.before, each.after))
            yield f"  ontology     {change}: {each.kind} {' / '.join(each.path)}: {was} → {now}"


def describe_deployed(outcome: Mapping[str, Any]) -> str:
    """A line a deployment, and one a change; then what no file names, and how to run them."""
    lines: list[str] = []
    for each in outcome["deployments"]:
        halted = "paused" if each["paused"] else "its schedule is inactive" if each["schedule_active"] is False else ""
        schedule = each["schedule"] or "no schedule"
        lines.append(f"{each['deployment']}: {each['outcome']} ({', '.join(filter(None, (schedule, halted)))})")
        lines += [
            f"  {key}: {_short(change['before'])} → {_short(change['after'])}"
            for key, change in each["changes"].items()
        ]
        lines += [f"  {key}: left as it is, a template; labelsnap's own values are not in it" for key in each["left"]]
    if outcome["unnamed"]:
        lines.append(f"left as they are, since no file names them: {', '.join(outcome['unnamed'])}")
    return joined([*lines, f"To run them: labelsnap worker --pool {outcome['pool']}"])


def _short(value: object) -> str:
    """A value on one line, cut where it is long."""
    text = "nothing" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
