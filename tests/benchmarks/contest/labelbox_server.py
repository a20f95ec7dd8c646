"""A Labelbox stand-in of low cost: what it answers lies in memory, and its latency can be set.

The protocol is the sandbox's; HTTP and rows are its own, for a request of the sandbox's costs seven times as much of
the processors that are measured. ``python -m tests.benchmarks.contest.labelbox_server FOLDER ROWS`` is steered as
``steering`` says; FOLDER keeps drawn pictures.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
from collections import Counter
from functools import lru_cache, partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.project.identifiers import THIS_TASK, decode
from deploy.sandbox.project.rows import Project
from deploy.sandbox.server.exports import Exports, ExportSettings
from deploy.sandbox.server.graphql import Api
from deploy.sandbox.server.workspace import Workspace
from tests.benchmarks.contest.rows import line_of, scene_of, truth_of
from tests.benchmarks.contest.scenes import SCENES, Scene, named, photographs, scenes
from tests.benchmarks.contest.steering import obey
from tests.benchmarks.light_http import Connection, Request, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deploy.sandbox.project.rows import Row

HOST: Final = "127.0.0.1"
LINES_KEPT: Final = 1 << 14


class LinedExports(Exports):
    """The sandbox's exports, of the comparison's rows, whatever is asked for."""

    def __init__(self, workspace: Workspace, directory: Path, pictures: list[Scene]) -> None:
        super().__init__(workspace, ExportSettings(), directory)
        self._line = lru_cache(LINES_KEPT)(partial(_line, pictures))

    def _lines(self, task: Any, filters: dict[str, Any], params: dict[str, Any]) -> Iterator[str]:
        del filters, params
        return (self._line(row).replace(THIS_TASK, task.id) for row in self._workspace.snapshot().existing())

    def forget(self) -> None:
        """Give up what has been exported so far."""
        self.close()
        for path in (path for task in self._tasks.values() for path in task.files.values()):
            path.unlink()
        self._tasks.clear()


def _nothing(parts: list[str], _: bytes) -> bytes:
    raise LookupError(parts)


def _line(pictures: list[Scene], row: Row) -> str:
    number = scene_of(row, len(pictures))
    written = line_of(row, number, len(pictures[number].extents))
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"))


class Labelbox:
    """The project, what it has been asked, and what it answers."""

    def __init__(self, url: str, rows: int, folder: Path, spool: Path) -> None:
        self.pictures = scenes(folder, min(rows + 1, SCENES))
        self.images = photographs(folder)
        self.workspace = Workspace(Project(0, url), rows)
        self.exports = LinedExports(self.workspace, spool, self.pictures)
        self.api = Api(self.workspace, self.exports)
        self.requests: Counter[str] = Counter()
        self.seconds = 0.0
        self.kinds: dict[str, tuple[str, Callable[[list[str], bytes], bytes]]] = {
            "graphql": ("questions", self._graphql),
            "_gql": ("questions", self._graphql),
            "files": ("chunks", self._chunk),
            "images": ("images", self._image),
            "tasks": ("composites", self._composite),
            "projects": ("masks", self._mask),
        }

    def answered(self, request: Request) -> bytes:
        """The whole answer; 404 for what is not there."""
        first, *parts = request.target.partition("?")[0].removeprefix("/api/v1").strip("/").split("/")
        kind, made = self.kinds.get(first, ("unknown", _nothing))
        self.requests[kind] += 1
        try:
            return answer("200 OK", made(parts, request.body))
        except LookupError:
            return answer("404 Not Found", b"")

    def _graphql(self, _: list[str], body: bytes) -> bytes:
        asked = json.loads(body)
        return json.dumps({"data": self.api.answer(asked["query"], asked.get("variables"))}).encode()

    def _chunk(self, parts: list[str], _: bytes) -> bytes:
        task, stream, span = parts
        first, last = map(int, span.split("-"))
        with self.exports.get(task).files[stream].open("rb") as file:  # type: ignore[index]
            file.seek(first)
            return file.read(last - first + 1)

    def _image(self, parts: list[str], _: bytes) -> bytes:
        row = int(parts[0].removesuffix(".jpg"))
        return named(self.images[row % len(self.images)], row)

    def _composite(self, parts: list[str], _: bytes) -> bytes:
        return self._scene("composite", parts[2])[0].composite

    def _mask(self, parts: list[str], _: bytes) -> bytes:
        scene, part = self._scene("feature", parts[2])
        return scene.masks[part - 1]

    def _scene(self, kind: str, identifier: str) -> tuple[Scene, int]:
        """The scene of the row that an id names, and the part that it names within it."""
        index, part = decode(self.api.project.seed, kind, identifier) or (-1, 0)
        return self.pictures[scene_of(self.workspace.row(index), len(self.pictures))], part

    def set(self, rows: int, milliseconds: int) -> None:
        """Have so many rows, unedited, and answer so late."""
        self.workspace.reset(self.api.project, rows)
        self.seconds = milliseconds / 1000
        self.exports.start({}, {})
        self.exports.forget()  # but not the lines: no contestant pays for their making

    def change(self, count: int) -> list[str]:
        """Edit so many rows, evenly spread; give their ids."""
        every = self.workspace.rows // count
        changed = range(every // 2, self.workspace.rows, every)[:count]
        for index in changed:
            self.workspace.edit_row(index)
        return [self.workspace.row(index).id for index in changed]

    def counted(self) -> dict[str, int]:
        """The requests by kind since the last call."""
        counted, self.requests = dict(self.requests), Counter()
        return counted

    def truth(self) -> dict[str, Any]:
        """The extents of all masks, by row and feature."""
        rows = self.workspace.existing()
        return {row.id: truth_of(row, self.pictures[scene_of(row, len(self.pictures))].extents) for row in rows}


class LabelboxConnection(Connection):
    """A connection to the stand-in."""

    def __init__(self, labelbox: Labelbox) -> None:
        super().__init__()
        self.labelbox = labelbox

    def asked(self, request: Request) -> None:
        """Answer when the latency is over."""
        self.reply(self.labelbox.seconds, partial(self.labelbox.answered, request))


def main(folder: str, rows: str) -> None:
    """Serve until standard input ends."""
    listening = socket.create_server((HOST, 0), backlog=1024)
    url = f"http://{HOST}:{listening.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as spool:
        labelbox = Labelbox(url, int(rows), Path(folder), Path(spool))
        loop = asyncio.new_event_loop()
        loop.run_until_complete(loop.create_server(partial(LabelboxConnection, labelbox), sock=listening))
        Thread(target=loop.run_forever, daemon=True).start()
        commands = {name: getattr(labelbox, name) for name in ("set", "change", "counted", "truth")}
        obey(url, commands | {"project": lambda: labelbox.api.project.id})
        loop.call_soon_threadsafe(loop.stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
