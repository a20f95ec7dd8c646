"""The whole sandbox as one context manager."""

from __future__ import annotations

import shlex
import tempfile
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import yaml

from deploy.sandbox.project.rows import Project, Row, Status
from deploy.sandbox.server.exports import Exports, ExportSettings
from deploy.sandbox.server.faults import Faults
from deploy.sandbox.server.graphql import Api
from deploy.sandbox.server.server import Handlers, Server
from deploy.sandbox.server.store import BUCKET, Store
from deploy.sandbox.server.traffic import Traffic
from deploy.sandbox.server.webhooks import Delivery, row_event
from deploy.sandbox.server.workspace import Workspace

if TYPE_CHECKING:
    from types import TracebackType


class Sandbox:
    """A Labelbox stand-in with a generated project, and an S3 store, on 127.0.0.1.

    It serves from construction to ``close`` (or inside ``with``). ``directory`` keeps the S3 store's folders, so a
    later sandbox over it finds its datasets; without one everything is in a temporary folder. ``port`` and ``s3_port``
    0 take free ones. ``shared_colours`` are rows whose composite shows two instances in one colour,
    ``hidden_instances`` rows whose composite lacks the first instance's colour; ``timezone`` is the workspace's.
    """

    def __init__(
        self,
        rows: int = 48,
        seed: int = 0,
        directory: Path | None = None,
        *,
        port: int = 0,
        s3_port: int = 0,
        settings: ExportSettings | None = None,
        shared_colours: frozenset[int] = frozenset(),
        hidden_instances: frozenset[int] = frozenset(),
        timezone: str | None = None,
    ) -> None:
        self._stack = ExitStack()
        self.directory = directory or Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="labelsnap-sandbox-"))
        )
        self.directory.mkdir(parents=True, exist_ok=True)
        spool = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="exports-", dir=self.directory)))
        server = Server(port)
        self._stack.callback(server.stop)
        self._store = Store(self.directory / "s3", s3_port)
        self._stack.callback(self._store.stop)
        self.url = server.url
        self.api_key = f"sandbox-key-{seed}"
        self.settings = settings or ExportSettings()
        project = Project(seed, server.url, shared_colours=shared_colours, hidden_instances=hidden_instances)
        self._initial = replace(self.settings), project, rows
        self._initial_key = self.api_key
        self.workspace = Workspace(*self._initial[1:])
        self.exports = Exports(self.workspace, self.settings, spool)
        self._stack.callback(self.exports.close)
        self.requests = Traffic()
        self.faults = Faults(seed)
        api = Api(self.workspace, self.exports, timezone)
        server.start(Handlers(api, self.requests, self.faults, lambda: self.api_key))
        self._store.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops both servers; a temporary folder goes, a given directory stays."""
        self._stack.close()

    @property
    def graphql_endpoint(self) -> str:
        """For the SDK's ``endpoint``."""
        return f"{self.url}/graphql"

    @property
    def rest_endpoint(self) -> str:
        """For the SDK's ``rest_endpoint``."""
        return f"{self.url}/api/v1"

    @property
    def s3_endpoint(self) -> str:
        """The S3 store, which holds the bucket ``datasets``."""
        return self._store.url

    @property
    def project_id(self) -> str:
        """The sample project."""
        return self.workspace.project.id

    @property
    def model_run_id(self) -> str:
        """Its one model run."""
        return self.workspace.project.model_run_id

    def reset(self) -> None:
        """Project, key, settings, faults and counters as at the start; export tasks and the store stay."""
        settings, project, rows = self._initial
        self.api_key = self._initial_key
        for each in fields(settings):
            setattr(self.settings, each.name, getattr(settings, each.name))
        self.workspace.reset(project, rows)
        self.faults.clear()
        self.requests.clear()

    def row(self, index: int) -> Row:
        """The row as it is now."""
        return self.workspace.row(index)

    def rows(self, status: Status | None = None) -> list[Row]:
        """The rows as they are now, all or those in one workflow status."""
        return [row for row in self.workspace.existing() if status in {None, row.status}]

    def edit_row(self, index: int) -> None:
        """A labeller changes the row's labels."""
        self.workspace.edit_row(index)

    def replace_image(self, index: int, *, told: bool = False) -> None:
        """Another picture is put under the row's URL; exports say so in ``updated_at`` where they are ``told``."""
        self.workspace.replace_image(index, told=told)

    def set_status(self, index: int, status: Status) -> None:
        """The row moves to another workflow status."""
        self.workspace.set_status(index, status)

    def set_split(self, index: int, split: str) -> None:
        """The row goes to another split of the model run: ``training``, ``validation`` or ``test``."""
        self.workspace.set_split(index, split)

    def set_metadata(self, index: int, name: str, *values: str) -> None:
        """The row has these values, and no others, of a metadata field."""
        self.workspace.set_metadata(index, name, *values)

    def set_key(self, index: int, key: str) -> None:
        """The row has another external id; its global key begins with a folder, as ever."""
        self.workspace.set_key(index, key)

    def remove_row(self, index: int) -> None:
        """The data row is deleted."""
        self.workspace.remove_row(index)

    def add_rows(self, count: int) -> None:
        """The project grows at its end."""
        self.workspace.add_rows(count)

    def rename_class(self, name: str, new_name: str) -> None:
        """A class gets another name; its schema id stays."""
        self.workspace.rename_class(name, new_name)

    def add_class(self, name: str, tool: str = "rectangle") -> None:
        """The ontology has a class more, of which no row has an object; ``tool`` is Labelbox's word."""
        self.workspace.add_class(name, tool)

    def remove_class(self, name: str) -> None:
        """The ontology has a class no more; rows keep the objects that they have of it."""
        self.workspace.remove_class(name)

    def colour_class(self, name: str, colour: str) -> None:
        """A class gets another colour, ``#rrggbb``."""
        self.workspace.colour_class(name, colour)

    def add_option(self, question: str, option: str) -> None:
        """A question offers an option, which nobody need have chosen; before the first it offers none."""
        self.workspace.add_option(question, option)

    def rotate_key(self, api_key: str) -> None:
        """Another key is the right one from now on; the one before is refused."""
        self.api_key = api_key

    def delivery(self, index: int, *, secret: str, event: str = "WORKFLOW_ACTION", number: int = 0) -> Delivery:
        """A signed webhook delivery about a row; another ``number`` is another delivery id."""
        return row_event(self.row(index), secret=secret, event=event, number=number)

    def environment(self) -> dict[str, str]:
        """What to export so that `labelsnap` works against this sandbox."""
        return {
            "LABELBOX_API_KEY": self.api_key,
            "LABELBOX_GRAPHQL_ENDPOINT": self.graphql_endpoint,
            "LABELBOX_REST_ENDPOINT": self.rest_endpoint,
            "AWS_ENDPOINT_URL_S3": self.s3_endpoint,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": "us-east-1",
            "LABELSNAP_ALLOW_HOSTS": "127.0.0.1",
            "LABELSNAP_REQUESTS_PER_MINUTE": "1000000",
        }

    def instructions(self, dataset_file: Path) -> str:
        """What to paste into a shell, and what to run then."""
        exports = [f"export {name}={shlex.quote(value)}" for name, value in self.environment().items()]
        hints = [
            f"# then: labelsnap refresh {shlex.quote(str(dataset_file))}",
            f"# Labelbox stand-in at {self.url}; Ctrl-C stops it",
        ]
        return "\n".join((*exports, *hints))

    def write_dataset_file(self, path: Path, *, model_run: bool = False) -> Path:
        """Writes a dataset file for this project (or its model run) and returns its path."""
        details = {"attachments": True, "metadata_fields": True, "data_row_details": True}
        run = {
            "source": {"model_run": self.model_run_id},
            "params": {**details, "predictions": True, "model_run_details": True},
        }
        project = {"source": {"project": self.project_id}, "params": details, "filters": {"workflow_status": "Done"}}
        content = {
            "dataset": "street-scenes-model-run" if model_run else "street-scenes",
            "store": f"s3://{BUCKET}/labelsnap",
            **(run if model_run else project),
            "formats": {"coco": {}},
            "problems": {"max_share": 0.1},
        }
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return path
