"""The commands by which a dataset is kept up without anybody typing: deployments, and a listener for webhooks."""

from __future__ import annotations

import signal
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Annotated

import typer

from flows.console import print_json
from flows.options import Json

app = typer.Typer(rich_markup_mode=None)

Configs = Annotated[list[Path], typer.Argument(metavar="CONFIG…", help="Dataset files.")]


@app.command(epilog="Example: labelsnap deploy config/datasets/street-scenes.yaml --pool labelsnap")
def deploy(
    configs: Configs,
    pool: Annotated[str, typer.Option(help="The work pool; made as a process pool where there is none.")] = "labelsnap",
    as_json: Json = False,
) -> None:
    """Create or renew one Prefect deployment a dataset file, `refresh/DATASET`, with the file's schedule."""
    from config.reading import load_dataset

    datasets = [load_dataset(config) for config in configs]
    from flows.deploy import deploy as deploy_all

    deployed = deploy_all(datasets, pool)
    if as_json:
        print_json({"pool": pool, "deployments": deployed})
        return
    for each in deployed:
        print(f"{each['deployment']}: {each['schedule'] or 'no schedule'}")
    print(f"To run them: prefect worker start --pool {pool}")


@app.command(epilog="Example: labelsnap listen config/datasets/street-scenes.yaml --port 8080 --poll 900 --quiet 120")
def listen(
    configs: Configs,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of POST /labelbox and GET /health.")] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 in a container.")] = "127.0.0.1",
    poll: Annotated[
        float, typer.Option(min=0, help="Seconds between two looks for rows that are Done; 0: none.")
    ] = 900,
    quiet: Annotated[float, typer.Option(min=0, help="Seconds without a webhook before a refresh starts.")] = 120,
) -> None:
    """Receive Labelbox's webhooks, look for what they missed, and start one refresh a dataset once it is quiet."""
    from config.reading import load_dataset

    datasets = [load_dataset(config) for config in configs]
    from flows.listen import Watch, check_listenable
    from flows.receiver import receiver, serve

    secret = check_listenable(datasets)
    watches = [Watch(dataset, quiet=quiet, poll=poll) for dataset in datasets]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        for watch in watches:
            watch.open()
            stack.enter_context(closing(watch))
        serve(receiver(watches, secret), host=host, port=port)
