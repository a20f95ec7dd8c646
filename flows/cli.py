"""The ``labelsnap`` command: what is typed becomes one call, and its outcome an exit status. No logic lives here."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from flows.commands.console import describe, print_error, print_json, print_text, progress_shown
from flows.commands.faults import StoppedBySignal, fault_of, signals_raise
from flows.commands.operations import app as operations
from flows.commands.options import HEARTBEAT_SECONDS, MAX_COUNT, Json, Ref, Runner, help_alone
from flows.commands.output import discard_output, output_checked
from flows.commands.process import loading, loading_runs, look_seldom_for_garbage, pass_over_scipy, share_heaps
from flows.commands.snapshots import app as snapshots
from labelsnap.errors import ConfigurationError, OutputLostError, RunStoppedError

if TYPE_CHECKING:
    from labelsnap.errors import LabelsnapError

QUIET_PREFECT = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    "DO_NOT_TRACK": "1",
}
"""What Prefect is told unless the environment says otherwise: time to start, no telemetry, failures in our words."""

app = typer.Typer(
    name="labelsnap",
    help="Labelbox image exports as versioned training datasets on S3-compatible storage.",
    callback=help_alone,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(snapshots, name="snapshots")
app.add_typer(operations)

Rows = Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="Rows of the generated sample project.")]
Directory = Annotated[Path, typer.Option("--dir", help="Where the sandbox keeps its store and its files.")]

DEMO = Path("labelsnap-demo")
EXIT_SECONDS = 30.0
"""How long threads have to end after a command has."""
BROKEN_PIPE = 141
"""The shell's exit status for a reader that has closed its end, such as ``| head``."""


@app.command(epilog="Example: labelsnap demo --rows 48 --dir labelsnap-demo")
def demo(rows: Rows = 48, directory: Directory = DEMO, as_json: Json = False) -> None:
    """Run the whole thing on this machine with no account: sandbox up, refresh, pull, and where to look."""
    from flows.commands.demo import run_demo

    with progress_shown() as show:
        outcome = run_demo(rows, directory, show)
    print_json(outcome.content) if as_json else print_text(outcome.text)


@app.command(epilog="Example: labelsnap sandbox --rows 200 --dir labelsnap-demo")
def sandbox(rows: Rows = 48, directory: Directory = DEMO, as_json: Json = False) -> None:
    """Run the demo's Labelbox stand-in and S3 store until interrupted; print what to export and what to run."""
    from flows.commands.demo import open_sandbox

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), open_sandbox(rows, directory) as running:
        print_json(running.content) if as_json else print_text(running.text)
        sys.stdout.flush()
        running.wait()


@app.command(epilog="Example: labelsnap refresh config/datasets/street-scenes.yaml")
def refresh(
    config: Annotated[Path, typer.Argument(help="The dataset file.")], runner: Runner = "thread", as_json: Json = False
) -> None:
    """Export, fetch masks and images, convert, and publish a new version, or none when nothing changed."""
    with loading():
        from config.reading import load_dataset
        from config.settings import load_settings

    dataset = load_dataset(config)
    load_settings()  # what cannot be used is refused before anything starts
    with loading_runs():
        from flows.commands.running import run_here
        from flows.refresh import refresh as run_refresh

    result = run_here(run_refresh, runner, dataset)
    print_json(result) if as_json else print_text(describe(result))


@app.command(epilog="Example: labelsnap pull s3://datasets/labelsnap/street-scenes@latest --format coco tree")
def pull(  # noqa: PLR0917 - typer calls it by name
    ref: Ref,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The root of the tree.")],
    format_name: Annotated[
        str, typer.Option("--format", help="A name below `formats` in the dataset file; also parquet and raw.")
    ],
    cache: Annotated[
        Path | None,
        typer.Option(envvar="LABELSNAP_CACHE", metavar="DIR", help="Link files that were pulled before from here."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that no pull has written.")] = False,
    as_json: Json = False,
) -> None:
    """Lay out the plain tree that a training tool expects; every hash is checked, and a broken-off pull goes on.

    In the folder of an earlier pull it leaves the new tree, and every file that was not pulled.
    """
    from flows.commands.reports import describe_pull
    from labelsnap import references

    with progress_shown() as show:
        report = references.pull(ref, format_name, directory, cache=cache, overwrite=overwrite, show=show)
    print_json(asdict(report)) if as_json else print_text(f"{directory}: {describe_pull(report)}")


def main() -> None:
    """Run the command line, and end the process: what still waits a while after that is not waited for.

    Prefect's client tries at the end to deliver each of its events, for minutes where its server has gone.
    """
    share_heaps()
    look_seldom_for_garbage()
    pass_over_scipy()
    status = _ended()
    gc.freeze()  # the end of the process looks through all that it holds, otherwise
    ending = Timer(EXIT_SECONDS, os._exit, (status,))
    ending.daemon = True
    ending.start()
    sys.exit(status)


def _ended() -> int:
    """Run the command line; its exit status, or another one where it was done and standard output does not take it."""
    status = 0
    try:
        with output_checked():
            try:
                run()
            except SystemExit as left:
                status = left.code if isinstance(left.code, int) else int(left.code is not None)
            sys.stdout.flush()
    except BrokenPipeError:
        return BROKEN_PIPE
    except ConfigurationError as closed:
        print_error(closed, as_json=False)
        return closed.exit_status
    except OutputLostError as lost:
        print_error(lost, as_json=False)
        return status or lost.exit_status
    return status


def run() -> NoReturn:
    """Run the command line; the exit status is one of those in README.md."""
    for name, value in QUIET_PREFECT.items():
        os.environ.setdefault(name, value)
    as_json = "--json" in sys.argv
    try:
        with signals_raise():
            status = app(standalone_mode=False)
    except typer.TyperException as error:
        usage = ConfigurationError(error.format_message(), remedy="See `labelsnap --help`.", code="usage")
        _end(usage, as_json=as_json)
    except (BrokenPipeError, OutputLostError):
        raise
    except typer.Abort:
        _end(fault_of(KeyboardInterrupt()), as_json=as_json)
    except (Exception, KeyboardInterrupt, StoppedBySignal) as error:  # noqa: BLE001 - none ends with a bare trace
        _end(fault_of(error), as_json=as_json)
    if status == RunStoppedError.exit_status:  # typer's own answer to Ctrl-C, without a word
        _end(fault_of(KeyboardInterrupt()), as_json=as_json)
    sys.exit(status)


def _end(error: LabelsnapError, *, as_json: bool) -> NoReturn:
    try:
        print_error(error, as_json=as_json)
        sys.stdout.flush()
    except OutputLostError:
        discard_output()
        print_error(error, as_json=False)
    sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
