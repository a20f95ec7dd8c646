"""Arguments and options that several commands have in common."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from flows.commands.console import say
from labelsnap.errors import ConfigurationError

MAX_DAYS: Final = 36_500
MAX_SECONDS: Final = 31_536_000
MAX_COUNT: Final = 1_000_000
MAX_WINDOWS: Final = 10_000
"""What number options are bounded by, so that clocks and threads can be set by them."""
HEARTBEAT_SECONDS: Final = 30
"""How often a run tells Prefect that it lives, wherever it is started; deploy/automations.yaml waits far longer."""


Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, everything else on stderr.")]
Ref = Annotated[str, typer.Argument(metavar="REF", help="DATASET_URL[@VERSION | @TAG | @latest]")]
DatasetUrl = Annotated[str, typer.Argument(metavar="DATASET_URL", help="s3://BUCKET/PREFIX/DATASET")]
Apply = Annotated[bool, typer.Option("--yes", help="Do it; without this the command only says what it would do.")]
Runner = Annotated[
    str, typer.Option(metavar="RUNNER", help="Where tasks run: thread, process, dask[:ADDRESS] or ray[:ADDRESS].")
]


def help_alone(context: typer.Context) -> None:
    """Print the help on standard error where no command is given, and exit as for any wrong use."""
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(ConfigurationError.exit_status)
