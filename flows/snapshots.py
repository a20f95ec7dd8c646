"""``labelsnap snapshots``: the versions of a dataset. Each command is one call and what is printed of its outcome."""

from __future__ import annotations

from dataclasses import asdict

import typer
from msgspec import to_builtins

from flows.console import describe, print_json, progress_shown
from flows.options import DatasetUrl, Json, Ref
from tasks.errors import StorageError

app = typer.Typer(help="The versions of a dataset.", no_args_is_help=True)


@app.command("list", epilog="Example: labelsnap snapshots list s3://datasets/labelsnap/street-scenes")
def list_snapshots(dataset_url: DatasetUrl, as_json: Json = False) -> None:
    """List the versions of a dataset, oldest first."""
    from tasks.snapshots.read import list_versions, parse_ref
    from tasks.storage import open_store

    commits = list_versions(open_store(parse_ref(dataset_url).dataset_url))
    if as_json:
        keys = ("version", "created_at", "rows")
        print_json({"versions": [{**{key: getattr(commit, key) for key in keys}, "tags": []} for commit in commits]})
    else:
        lines = [f"{commit.version:>6}  {commit.created_at}  {commit.rows} rows" for commit in commits]
        print("\n".join(lines) or "no versions yet")


@app.command("show", epilog="Example: labelsnap snapshots show s3://datasets/labelsnap/street-scenes@latest")
def show_snapshot(ref: Ref, as_json: Json = False) -> None:
    """Show the result of the refresh that made a version."""
    from flows.trees import read_ref

    snapshot = read_ref(ref)
    place = {"ref": str(snapshot.ref), "version": snapshot.version, "published": True}
    result = {**place, **snapshot.manifest.result}
    print_json({"version": snapshot.version, "result": result}) if as_json else print(describe(result))


@app.command("verify", epilog="Example: labelsnap snapshots verify s3://datasets/labelsnap/street-scenes@latest")
def verify_snapshot(ref: Ref, as_json: Json = False) -> None:
    """Read every object of a version again: hash, decode, count; status 4 and the key of each that is damaged."""
    from flows.reports import describe_verification, verification_error
    from tasks.snapshots.read import parse_ref
    from tasks.snapshots.verify import verify
    from tasks.storage import open_store

    place = parse_ref(ref)
    with progress_shown() as show:
        outcome = verify(
            open_store(place.dataset_url),
            place.selector,
            on_progress=lambda so_far: show("verify", so_far.done, so_far.total),
        )
    described = asdict(outcome) | verification_error(outcome)
    print_json(described) if as_json else print(describe_verification(place.dataset_url, outcome))
    if outcome.faults:
        raise typer.Exit(StorageError.exit_status)


@app.command(
    "diff",
    epilog="Example: labelsnap snapshots diff s3://datasets/labelsnap/street-scenes@11 s3://datasets/labelsnap/street-scenes@12",
)
def diff_snapshots(before: Ref, after: Ref, as_json: Json = False) -> None:
    """Compare two versions of a dataset: rows, annotations and predictions, by kind and class, and the classes."""
    from flows.reports import describe_diff
    from flows.trees import compare_refs

    with progress_shown() as show:
        pair, found = compare_refs(before, after, show)
    print_json({"from": pair[0], "to": pair[1], **to_builtins(found)}) if as_json else print(
        describe_diff(*pair, found)
    )
