"""A sandbox in a process of its own, so that what it draws is not counted as the product's memory or work."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests
import yaml

from config.reading import load_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from config.dataset import Dataset

SERVE = """
import sys
from pathlib import Path
from deploy.sandbox import Sandbox
directory = Path(sys.argv[2])
with Sandbox(int(sys.argv[1]), directory=directory) as sandbox:
    sandbox.write_dataset_file(directory / "dataset.yaml")
    print(*(f"{name}={value}" for name, value in sandbox.environment().items()), flush=True)
    sys.stdin.read()
"""


@contextmanager
def serving(rows: int, directory: Path) -> Iterator[dict[str, str]]:
    """Give the environment to use the sandbox by; its dataset file is ``directory / "dataset.yaml"``."""
    command = [sys.executable, "-c", SERVE, str(rows), str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sandbox:  # noqa: S603
        assert sandbox.stdout
        try:
            yield dict(pair.split("=", 1) for pair in sandbox.stdout.readline().split())
        finally:
            sandbox.communicate("")


@contextmanager
def datasets(rows: int) -> Iterator[tuple[dict[str, str], Callable[[str], Dataset]]]:
    """Serve and use a sandbox; give its environment, and what makes its dataset with a store of the given name."""
    with tempfile.TemporaryDirectory() as folder, serving(rows, Path(folder)) as environment:
        os.environ.update(environment)
        path = Path(folder, "dataset.yaml")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))

        def dataset(name: str) -> Dataset:
            path.write_text(yaml.safe_dump(content | {"store": f"file://{folder}/{name}"}), encoding="utf-8")
            return load_dataset(path)

        yield environment, dataset


def edit_rows(environment: dict[str, str], rows: int, count: int) -> None:
    """Change so many rows of the sandbox's, evenly spread, of those that every refresh publishes."""
    edited = [index for index in range(rows) if index % 16 not in {5, 9, 13} and index % 20 != 7]
    for index in edited[:: len(edited) // count][:count]:
        steer(environment, call="edit_row", index=index)


def steer(environment: dict[str, str], **call: object) -> None:
    """Change something in the sandbox: see its README."""
    admin(environment, "POST", json=call)


def admin(environment: dict[str, str], method: str, **options: object) -> requests.Response:
    """One call of the sandbox's own end point."""
    url = environment["LABELBOX_REST_ENDPOINT"].removesuffix("/api/v1") + "/admin"
    headers = {"Authorization": f"Bearer {environment['LABELBOX_API_KEY']}"}
    answer = requests.request(method, url, headers=headers, timeout=60, **options)  # type: ignore[arg-type]
    answer.raise_for_status()
    return answer
