"""The whole product on this machine: a Labelbox stand-in and an S3 store, two refreshes, and a pulled tree."""

from __future__ import annotations

import os
import socket
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from config.reading import load_dataset
from deploy.sandbox import ExportSettings, Sandbox
from deploy.sandbox.oddities.odd_rows import SHOWN
from flows.commands.console import describe, downloads
from flows.refresh import refresh
from labelsnap.references import pull
from tasks.telling.progress import listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LABELBOX_PORT: Final = 8765
S3_PORT: Final = 8766
"""The sandbox's ports where they are free: the same URLs every time, so that a later refresh finds nothing changed."""


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that serves, and a dataset file for its project."""

    sandbox: Sandbox
    dataset_file: Path

    def wait(self) -> None:
        """Serve until interrupted."""
        Event().wait()

    @property
    def content(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "environment": self.sandbox.environment(),
            "dataset_file": str(self.dataset_file),
            "url": self.sandbox.url,
        }

    @property
    def text(self) -> str:
        """Lines to paste into a shell."""
        return self.sandbox.instructions(self.dataset_file)


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """Both refreshes' results, and the folder with what came of them."""

    first: dict[str, Any]
    second: dict[str, Any]
    directory: Path

    @property
    def tree(self) -> Path:
        """The COCO tree."""
        return self.directory / "coco"

    @property
    def report(self) -> Path:
        """The snapshot's report, as every tree has it."""
        return self.tree / "report.html"

    @property
    def content(self) -> dict[str, Any]:
        """For ``--json``."""
        places = {"tree": str(self.tree), "report": str(self.report)}
        return {"refresh": self.first, "second_refresh": self.second, **places}

    @property
    def text(self) -> str:
        """What came of it and where to look."""
        return "\n".join(
            (
                describe(self.first),
                "",
                f"A second refresh: {self.second.get('reason', 'published')}: {self.second['ref']}",
                f"  downloaded   {downloads(self.second['requests'])}",
                "",
                f"The tree pulled from {self.first['ref']}:",
                *(f"    {line}" for line in tree_lines(self.tree)),
                "",
                "To look at it:",
                f"    {self.report}  counts, and a few images with their annotations drawn over them",
                f"    {self.tree}  the tree: what pycocotools and training tools read",
                "To go on: run the sandbox, and in another shell what it prints",
                f"    labelsnap sandbox --dir {self.directory}",
            )
        )


def run_demo(rows: int, directory: Path, show: Callable[[str, int, int], None]) -> DemoOutcome:
    """Sandbox up, refresh twice, pull the COCO tree; all of it below ``directory``."""
    with open_sandbox(rows, directory) as running:
        os.environ.update(running.sandbox.environment())
        dataset = load_dataset(running.dataset_file)
        with listening(show):
            first = refresh(dataset)
            second = refresh(dataset)
        outcome = DemoOutcome(first, second, directory)
        pull(second["ref"], "coco", outcome.tree, show=show)
    return outcome


@contextmanager
def open_sandbox(rows: int, directory: Path) -> Iterator[RunningSandbox]:
    """Serve the sample project and the S3 store below ``directory``; an earlier demo's versions are found there."""
    port, s3_port = free_or_any(LABELBOX_PORT), free_or_any(S3_PORT)
    settings = ExportSettings(odd_lines=SHOWN)
    with Sandbox(rows, directory=directory, port=port, s3_port=s3_port, settings=settings) as sandbox:
        dataset_file = sandbox.write_dataset_file(directory / "street-scenes.yaml")
        yield RunningSandbox(sandbox, dataset_file)


def free_or_any(port: int) -> int:
    """The port when nothing listens there on this machine, else 0: the system's choice."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def tree_lines(root: Path) -> Iterator[str]:
    """The folders of a tree with how many files each holds, and the files beside them."""
    for folder in sorted({path.parent for path in root.rglob("*") if path.is_file()}):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        name = folder.relative_to(root.parent).as_posix()
        shown = ", ".join(path.name for path in files[:3]) + (", …" if len(files) > 3 else "")  # noqa: PLR2004
        yield f"{name}/  {len(files)} files: {shown}"
