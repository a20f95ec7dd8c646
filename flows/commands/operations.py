"""The commands by which a dataset is kept up without anybody typing: deployments, and a listener for webhooks."""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import ceil
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.console import describe, print_json, print_text, warnings_said
from flows.commands.options import MAX_COUNT, MAX_SECONDS, MAX_WINDOWS, Json, Ref, Runner
from flows.commands.process import loading, loading_runs
from labelsnap.errors import ConfigurationError

app = typer.Typer(rich_markup_mode=None)

DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


class By(StrEnum):
    """The dates that Labelbox filters by."""

    LAST_ACTIVITY_AT = "last_activity_at"
    LABEL_CREATED_AT = "label_created_at"


Configs = Annotated[list[Path], typer.Argument(metavar="CONFIG…", help="Dataset files.")]


@app.command(epilog="Example: labelsnap deploy config/datasets/street-scenes.yaml --pool labelsnap")
def deploy(
    configs: Configs,
    pool: Annotated[str, typer.Option(help="The work pool; made as a process pool where there is none.")] = "labelsnap",
    as_json: Json = False,
) -> None:
    """Create or renew one Prefect deployment a dataset file, `refresh/DATASET`, with the file's schedule.

    What operators set in Prefect stays: paused, inactive, limits, tags and job variables of their own.
    """
    from config.reading import load_dataset

    datasets = [load_dataset(config) for config in configs]
    from flows.commands.reports import describe_deployed
    from flows.service.deployments import deploy as deploy_all

    outcome = deploy_all(datasets, pool)
    print_json(outcome) if as_json else print_text(describe_deployed(outcome))


@app.command(epilog="Example: labelsnap worker --pool labelsnap --limit 2 --grace 100")
def worker(
    pool: Annotated[
        str, typer.Option(help="The work pool whose runs it starts, as `labelsnap deploy` names it.")
    ] = "labelsnap",
    limit: Annotated[int | None, typer.Option(min=1, max=MAX_COUNT, help="So many runs side by side at most.")] = None,
    grace: Annotated[
        float, typer.Option(min=0, max=MAX_SECONDS, help="Seconds that runs have to end when it is stopped.")
    ] = 100,
) -> None:
    """Run deployments in processes of this machine, as `prefect worker start` does, and stop in order.

    On SIGTERM or Ctrl-C each run lets go of its dataset and is scheduled again, for whichever worker is there then.
    """
    from config.settings import load_settings
    from flows.service.pools import check_pool_name
    from flows.service.prefect_server import check_named, check_server
    from flows.service.worker import work

    load_settings()  # its runs have the same environment, and would fail one by one
    check_named("take runs from")
    check_pool_name(pool)
    check_server()
    with warnings_said():
        status = work(pool, limit, grace)
    raise typer.Exit(status)


@app.command(epilog="Example: labelsnap listen config/datasets/street-scenes.yaml --port 8080 --poll 900 --quiet 120")
def listen(
    configs: Configs,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of POST /labelbox and GET /health.")] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 in a container.")] = "127.0.0.1",
    poll: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_SECONDS,
            help="Seconds between two looks for rows that are Done; 0: none.",
        ),
    ] = 900,
    quiet: Annotated[
        float,
        typer.Option(min=0, max=MAX_SECONDS, help="Seconds without a webhook before a refresh starts."),
    ] = 120,
) -> None:
    """Receive Labelbox's webhooks, look for what they missed, and start one refresh a dataset once it is quiet."""
    from config.reading import load_dataset

    datasets = [load_dataset(config) for config in configs]
    from config.settings import load_settings
    from flows.listen import Watch, check_listenable
    from flows.service.admission import limits_of
    from flows.service.receiver import receiver, serve

    secret = check_listenable(datasets)
    watches = [Watch(dataset, quiet=quiet, poll=poll) for dataset in datasets]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), warnings_said(), ExitStack() as stack:
        for watch in watches:
            watch.open()
            stack.enter_context(closing(watch))
        serve(receiver(watches, secret), limits_of(load_settings()), host=host, port=port)


@app.command(epilog="Example: labelsnap backfill config/datasets/street-scenes.yaml --from 2022-01-01 --to 2025-01-01")
def backfill(  # noqa: PLR0917 - typer calls it by name
    config: Annotated[Path, typer.Argument(help="The dataset file.")],
    start: Annotated[datetime, typer.Option("--from", formats=DATES, help="The first moment, in UTC.")],
    end: Annotated[datetime, typer.Option("--to", formats=DATES, help="The first moment after the range, in UTC.")],
    every: Annotated[str, typer.Option(help="The length of a window: 30d, 12h.")] = "30d",
    windows: Annotated[
        int | None, typer.Option(min=1, max=MAX_WINDOWS, help="So many windows of one length, instead.")
    ] = None,
    by: Annotated[By, typer.Option(help="What a row belongs to a window by.")] = By.LAST_ACTIVITY_AT,
    runner: Runner = "thread",
    as_json: Json = False,
) -> None:
    """Export a range of history in windows, side by side, and publish one snapshot of it and what there is already."""
    with loading():
        from config.reading import load_dataset
        from config.settings import load_settings

    dataset = load_dataset(config)
    load_settings()  # what cannot be used is refused before anything starts
    begin, stop = (moment.replace(tzinfo=UTC) for moment in (start, end))
    length = timedelta(seconds=ceil((stop - begin).total_seconds() / windows)) if windows else duration(every)
    with loading_runs():
        from flows.backfill import backfill as run_backfill
        from flows.commands.running import run_here

    result = run_here(run_backfill, runner, dataset, begin, stop, length, by.value)
    print_json(result) if as_json else print_text(describe(result))


@app.command(
    epilog="Example: labelsnap reprocess s3://datasets/labelsnap/street-scenes@12 "
    "--config config/datasets/street-scenes.yaml"
)
def reprocess(
    ref: Ref,
    config: Annotated[Path, typer.Option(help="The dataset file, of the snapshot's source.")],
    runner: Runner = "thread",
    as_json: Json = False,
) -> None:
    """Make the rows of a snapshot anew from the raw export in it, as the dataset file says, without Labelbox.

    Masks and images come from the snapshot, and so no API key is needed.
    """
    with loading():
        from config.reading import load_dataset
        from config.settings import load_settings
        from labelsnap.references import open_snapshot

    dataset = load_dataset(config)
    load_settings()  # what cannot be used is refused before anything starts
    fixed = str(open_snapshot(ref).ref)
    with loading_runs():
        from flows.commands.running import run_here
        from flows.reprocess import reprocess as run_reprocess

    result = run_here(run_reprocess, runner, dataset, fixed)
    print_json(result) if as_json else print_text(describe(result))


def duration(text: str) -> timedelta:
    """`30d` or `12h`. Raises ``ConfigurationError`` for anything else."""
    if match := re.fullmatch(r"([1-9][0-9]{0,5})([dh])", text):
        return timedelta(**{{"d": "days", "h": "hours"}[match[2]]: int(match[1])})
    raise ConfigurationError(
        f"--every is {text!r}, which is no length of time.", remedy="Write for example 30d or 12h.", code="bad_duration"
    )
