"""Where contestants run: a stand-in for Labelbox, a store, Prefect's server, and commands that are measured."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, Final

import boto3
import yaml
from prefect.settings import PREFECT_API_URL

from labelsnap.references import open_snapshot
from labelsnap.snapshots import read_file
from labelsnap.storage import open_store
from tests.benchmarks.contest.checking import faults
from tests.benchmarks.contest.measuring import Cost, cost_of
from tests.benchmarks.contest.steering import Steered, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[3]
BUCKET: Final = "bench"
PICTURES: Final = Path(".bench")
"""Where drawn pictures are kept, below the folder that the benchmark is run from."""
TRAINING: Final[dict[str, dict[str, Any]]] = {
    name: {} for name in ("coco", "yolo", "voc", "masks", "webdataset", "huggingface", "labelme")
}
"""The formats that training tools read, with their options as by default."""
WARMING: Final = 8
"""Rows of the refresh that nobody measures."""
KEYS: Final = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True, slots=True)
class Run:
    """One measured command: its cost, what it asked of both servers, their processors' seconds, and its faults.

    Without COCO there is nothing to find faults with. ``requests`` are by kind, the store's by method; ``result`` is
    what a refresh prints; ``ref`` where its work lies.
    """

    cost: Cost
    requests: Mapping[str, int]
    store_requests: Mapping[str, int]
    servers: float
    ref: str
    faults: tuple[str, ...]
    result: Mapping[str, Any] = field(default_factory=dict)


class Arena:
    """Servers that run, and the way to run a contestant against them; each run has a scratch folder of its own."""

    def __init__(self, folder: Path, labelbox: Steered, store: Steered, prefect: str) -> None:
        self._folder = folder
        self._labelbox, self._store = labelbox, store
        self._numbers = count()
        self._project: str = labelbox.ask("project")
        self.environment = KEYS | {
            "AWS_ENDPOINT_URL_S3": store.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "LABELBOX_API_KEY": "bench",
            "LABELBOX_GRAPHQL_ENDPOINT": f"{labelbox.url}/graphql",
            "LABELBOX_REST_ENDPOINT": f"{labelbox.url}/api/v1",
            "LABELSNAP_ALLOW_HOSTS": "127.0.0.1",
            "LABELSNAP_REQUESTS_PER_MINUTE": "1000000",
            "PREFECT_API_URL": prefect,
        }

    def set(self, rows: int, milliseconds: int = 0) -> None:
        """Have a project of so many rows, unedited, an empty store, and servers that answer so late."""
        rmtree(self._folder / "store" / BUCKET)
        (self._folder / "store" / BUCKET).mkdir()
        self._labelbox.ask("set", rows=rows, milliseconds=milliseconds)
        self._store.ask("set", milliseconds=milliseconds)

    def change(self, rows: int) -> None:
        """Edit the labels of so many rows."""
        self._labelbox.ask("change", count=rows)

    def script(self, name: str) -> Run:
        """The script ``packed`` or ``recipe``, which begins anew."""
        url = f"s3://{BUCKET}/{name}-{next(self._numbers)}"
        command = [sys.executable, "-m", f"tests.benchmarks.contest.{name}", self._project, url]
        return self._run(command, url, {})

    def refresh(
        self,
        formats: Mapping[str, Any],
        *,
        upon: Run | None = None,
        runner: str = "thread",
        workers: int | None = None,
    ) -> Run:
        """A refresh with these formats: of a dataset that has no version yet, or ``upon`` what a refresh has made."""
        store = upon.ref.rpartition("/")[0] if upon else f"s3://{BUCKET}/labelsnap-{next(self._numbers)}"
        dataset = {
            "dataset": "comparison",
            "store": store,
            "source": {"project": self._project},
            "filters": {"workflow_status": "Done"},
            "formats": dict(formats),
        }
        path = self._folder / "comparison.yaml"
        path.write_text(yaml.safe_dump(dataset), encoding="utf-8")
        command = [sys.executable, "-m", "flows.cli", "refresh", str(path), "--json", "--runner", runner]
        return self._run(command, store, {} if workers is None else {"LABELSNAP_WORKERS": str(workers)})

    def files(self, ref: str) -> dict[str, str]:
        """The hash of every file of a version, by path."""
        return {file.path: file.sha256 for file in open_snapshot(ref).manifest.files}

    def _run(self, command: list[str], url: str, more: Mapping[str, str]) -> Run:
        self._counted()
        before = self._servers()
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            # what an earlier run keeps on the disk is of no use to a later one; Prefect's settings are
            own = {"TMPDIR": scratch, "XDG_CACHE_HOME": scratch, "PREFECT_HOME": str(self._folder / "prefect")}
            environment = {**os.environ, **self.environment, **own, **more}
            cost = cost_of(command, environment, ROOT, Path(scratch, "errors.txt"))
        used, (requests, store_requests) = self._servers() - before, self._counted()
        result = json.loads(cost.output) if cost.output else {}
        documents = instances(result["ref"]) if result else [scripted(url)]
        wrong = tuple(faults(documents, self._labelbox.ask("truth"))) if documents else ()
        return Run(cost, requests, store_requests, used, result.get("ref", url), wrong, result)

    def _counted(self) -> tuple[dict[str, int], dict[str, int]]:
        return self._labelbox.ask("counted"), self._store.ask("counted")

    def _servers(self) -> float:
        used: float = self._labelbox.ask("cpu") + self._store.ask("cpu")
        return used


def instances(ref: str) -> list[bytes]:
    """The documents of a version's COCO instances."""
    snapshot = open_snapshot(ref)
    store = open_store(snapshot.dataset_url)
    wanted = (file for file in snapshot.manifest.files if "/annotations/instances_" in file.path)
    return [read_file(store, file) for file in wanted]


def scripted(url: str) -> bytes:
    """The document that a script has put on the store."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    content: bytes = boto3.client("s3").get_object(Bucket=bucket, Key=f"{prefix}/instances.json")["Body"].read()
    return content


@contextmanager
def arena(rows: int, pictures: Path = PICTURES) -> Iterator[Arena]:
    """Serve projects of up to so many rows; the variables to use the store by are the process's own meanwhile."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labelsnap-bench-")))
        labelbox = stack.enter_context(serving("tests.benchmarks.contest.labelbox_server", pictures.resolve(), rows))
        store = stack.enter_context(serving("tests.benchmarks.contest.store_server", folder / "store", BUCKET))
        if not PREFECT_API_URL.value():
            from prefect.testing.utilities import prefect_test_harness

            stack.enter_context(prefect_test_harness(server_startup_timeout=300))
        made = Arena(folder, labelbox, store, str(PREFECT_API_URL.value()))
        before = dict(os.environ)
        stack.callback(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update({key: value for key, value in made.environment.items() if key.startswith("AWS_")})
        made.set(min(rows, WARMING))
        made.refresh(TRAINING)  # loops are compiled, and files of bytecode written
        made.set(rows)
        yield made
