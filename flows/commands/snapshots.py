"""``labelsnap snapshots``: the versions of a dataset. Each command is one call and what is printed of its outcome."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from msgspec import to_builtins

from flows.commands.console import describe, print_error, print_json, print_text, progress_shown
from flows.commands.options import MAX_COUNT, MAX_DAYS, Apply, DatasetUrl, Json, Ref, help_alone
from labelsnap.errors import StorageError

UNTOLD = "a damaged tag, of which nobody can tell what version it named"

app = typer.Typer(help="The versions of a dataset.", callback=help_alone, invoke_without_command=True)


@app.command("list", epilog="Example: labelsnap snapshots list s3://datasets/labelsnap/street-scenes")
def list_snapshots(dataset_url: DatasetUrl, as_json: Json = False) -> None:
    """List the versions of a dataset that are kept, oldest first, with their tags."""
    from flows.commands.maintain import versions_of
    from flows.commands.reports import describe_versions

    versions, fault = versions_of(dataset_url)
    if as_json:
        print_json({"versions": versions} | ({"error": fault.described} if fault else {}))
    else:
        print_text(describe_versions(versions))
    if fault:
        if not as_json:
            print_error(fault, as_json=False)
        raise typer.Exit(fault.exit_status)


@app.command("show", epilog="Example: labelsnap snapshots show s3://datasets/labelsnap/street-scenes@latest")
def show_snapshot(ref: Ref, as_json: Json = False) -> None:
    """Show the result of the refresh that made a version."""
    from labelsnap.references import open_snapshot
    from labelsnap.snapshots.layout import manifest_key
    from labelsnap.snapshots.manifest import damaged

    snapshot = open_snapshot(ref)
    place = {"ref": str(snapshot.ref), "version": snapshot.version, "published": True}
    result = {**place, **snapshot.manifest.result}
    if as_json:
        print_json({"version": snapshot.version, "result": result})
        return
    try:
        text = describe(result)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise damaged(manifest_key(snapshot.commit.manifest), f"a result without {error}") from error
    print_text(text)


@app.command("verify", epilog="Example: labelsnap snapshots verify s3://datasets/labelsnap/street-scenes@latest")
def verify_snapshot(ref: Ref, as_json: Json = False) -> None:
    """Read every object of a version again: hash, decode, count; status 4 and the key of each that is damaged."""
    from flows.commands.reports import describe_verification, verification_error
    from labelsnap.snapshots.checking.verify import verify
    from labelsnap.snapshots.reading.read import parse_ref
    from labelsnap.storage import open_store

    place = parse_ref(ref)
    with progress_shown() as show:
        outcome = verify(
            open_store(place.dataset_url),
            place.selector,
            on_progress=lambda so_far: show("verify", so_far.done, so_far.total),
        )
    described = asdict(outcome) | verification_error(outcome)
    print_json(described) if as_json else print_text(describe_verification(place.dataset_url, outcome))
    if outcome.faults or outcome.unread:
        raise typer.Exit(StorageError.exit_status)


@app.command(
    "diff",
    epilog="Example: labelsnap snapshots diff s3://datasets/labelsnap/street-scenes@11 s3://datasets/labelsnap/street-scenes@12",
)
def diff_snapshots(before: Ref, after: Ref, as_json: Json = False) -> None:
    """Compare two versions of a dataset: rows, annotations and predictions, by kind and class, and the classes."""
    from flows.commands.reports import describe_diff
    from labelsnap.references import compare

    with progress_shown() as show:
        pair, found = compare(before, after, show=show)
    print_json({"from": pair[0], "to": pair[1], **to_builtins(found)}) if as_json else print_text(
        describe_diff(*pair, found)
    )


@app.command("tag", epilog="Example: labelsnap snapshots tag s3://datasets/labelsnap/street-scenes@12 model-7")
def tag_snapshot(ref: Ref, name: Annotated[str, typer.Argument(metavar="NAME")], as_json: Json = False) -> None:
    """Give a version a name, for good: it never moves, and what it names does not expire."""
    from flows.commands.maintain import tag_ref

    made = tag_ref(ref, name)
    print_json(made) if as_json else print_text(f"{made['tag']} is version {made['version']}: {made['ref']}")


@app.command("untag", epilog="Example: labelsnap snapshots untag s3://datasets/labelsnap/street-scenes model-7")
def untag_snapshot(
    dataset_url: DatasetUrl, name: Annotated[str, typer.Argument(metavar="NAME")], as_json: Json = False
) -> None:
    """Take a name away from its version, which may expire then; the name can be given again."""
    from flows.commands.maintain import untag_version

    taken = untag_version(dataset_url, name)
    was = f"version {taken['version']}" if taken["version"] else UNTOLD
    print_json(taken) if as_json else print_text(f"{name} was {was}, and is the name of none now")


@app.command("rollback", epilog="Example: labelsnap snapshots rollback s3://datasets/labelsnap/street-scenes@11")
def rollback_snapshot(ref: Ref, as_json: Json = False) -> None:
    """Make an older version the newest one: a new version with the same files. Nothing is copied or removed."""
    from flows.commands.maintain import roll_back

    made = roll_back(ref)
    print_json(made) if as_json else print_text(f"{made['ref']} is what version {made['from']} was")


@app.command("expire", epilog="Example: labelsnap snapshots expire s3://datasets/labelsnap/street-scenes --keep 30")
def expire_snapshots(  # noqa: PLR0917 - typer calls it by name
    dataset_url: DatasetUrl,
    keep: Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="The newest snapshots that stay whatever their age.")],
    older_than: Annotated[
        float,
        typer.Option("--older-than-days", min=0, max=MAX_DAYS, help="Only versions older than this."),
    ] = 0,
    lost: Annotated[
        bool,
        typer.Option(
            "--lost", help="Give up versions whose records are or manifests are gone or damaged, with no copy."
        ),
    ] = False,
    apply: Apply = False,
    as_json: Json = False,
) -> None:
    """Say which versions would be kept no longer, and with --yes keep them no longer. Tagged versions stay."""
    from flows.commands.maintain import expire_versions
    from flows.commands.reports import describe_expiry

    outcome = expire_versions(dataset_url, keep=keep, older_than_days=older_than, apply=apply, lost=lost)
    print_json(outcome) if as_json else print_text(describe_expiry(outcome))


@app.command("gc", epilog="Example: labelsnap snapshots gc s3://datasets/labelsnap/street-scenes --yes")
def collect_garbage(
    dataset_url: DatasetUrl,
    grace: Annotated[
        float,
        typer.Option(
            "--grace-days",
            min=0,
            max=MAX_DAYS,
            help="Younger objects are left alone; at least 1.",
        ),
    ] = 7,
    lost: Annotated[
        bool, typer.Option("--lost", help="Give up lists of objects whose records are damaged, with no copy of them.")
    ] = False,
    apply: Apply = False,
    as_json: Json = False,
) -> None:
    """Say which objects no kept version has, and with --yes delete them in two calls at least a day apart.

    The first call lists them, so that running refreshes build on none of them; a later one deletes what is listed.
    """
    from flows.commands.maintain import collect_objects
    from flows.commands.reports import describe_collection

    with progress_shown() as show:
        outcome = collect_objects(dataset_url, grace_days=grace, apply=apply, show=show, lost=lost)
    print_json(outcome) if as_json else print_text(describe_collection(outcome))
