"""Arguments and options that several commands have in common."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, everything else on stderr.")]
Ref = Annotated[str, typer.Argument(metavar="REF", help="DATASET_URL[@VERSION | @TAG | @latest]")]
DatasetUrl = Annotated[str, typer.Argument(metavar="DATASET_URL", help="s3://BUCKET/PREFIX/DATASET")]
Apply = Annotated[bool, typer.Option("--yes", help="Do it; without this the command only says what it would do.")]
Runner = Annotated[
    str, typer.Option(metavar="RUNNER", help="Where tasks run: thread, process, dask[:ADDRESS] or ray[:ADDRESS].")
]
