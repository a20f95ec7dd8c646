"""``python -m deploy.sandbox``: runs the sandbox until it is interrupted."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from threading import Event

from deploy.sandbox import Sandbox


def serve(rows: int, directory: Path, port: int = 0, seed: int = 0, *, until: Event | None = None) -> None:
    """Prints what to export and which dataset file to use, then serves until Ctrl-C (or until ``until`` is set)."""
    with Sandbox(rows, seed, directory, port=port) as sandbox:
        dataset_file = sandbox.write_dataset_file(directory / "street-scenes.yaml")
        sys.stdout.write(sandbox.instructions(dataset_file) + "\n")
        sys.stdout.flush()
        try:
            (until or Event()).wait()
        except KeyboardInterrupt:
            sys.stderr.write("stopped\n")


def main(arguments: list[str] | None = None) -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m deploy.sandbox", description=serve.__doc__)
    parser.add_argument("--rows", type=int, default=48, help="rows of the sample project (default: 48)")
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path("sandbox"),
        help="folder of the S3 store and of the dataset file (default: sandbox)",
    )
    parser.add_argument("--port", type=int, default=0, help="port of the Labelbox stand-in (default: a free one)")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another project (default: 0)")
    options = parser.parse_args(arguments)
    serve(options.rows, options.dir, options.port, options.seed)


if __name__ == "__main__":
    main()
