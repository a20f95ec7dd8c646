"""What one sees of a run in Prefect's interface: how far it is while it works, and what came of it.

An artifact that cannot be made is a warning in the run's log and nothing more: the dataset does not depend on it. Nor
does the work wait for one: the run does, at its end.
"""

from __future__ import annotations

import logging
import shlex
import time
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from labelsnap.buckets.noted import said_of
from labelsnap.shown import line, markdown
from tasks.machines.here import here_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from types import TracebackType
    from uuid import UUID

    from config.dataset import Dataset

Item = TypeVar("Item")

STEP: Final = 10
"""Per cent between two updates of how far a run is: each is a request to Prefect's server."""
PAUSE: Final = 1.0
"""Seconds between two updates, but for the last."""

log = logging.getLogger(__name__)


def advancing(
    dataset: Dataset,
    items: Iterable[Item],
    total: int,
    size: Callable[[Item], int],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Item]:
    """The items, while a progress artifact ``progress-DATASET`` follows how much of the total has passed."""
    soon = here_of(dataset.url).soon
    progress = _Progress(soon(partial(_new_progress, dataset, total)))
    done, shown, told = 0, 0, clock()
    for item in items:
        done += size(item)
        percent = 100 * done // total if total else 100
        is_due = percent >= shown + STEP and clock() >= told + PAUSE
        if is_due or percent == 100 > shown:  # noqa: PLR2004 - per cent
            shown, told = percent, clock()
            soon(partial(progress.advance, percent))
        yield item


def _new_progress(dataset: Dataset, total: int) -> UUID | None:
    """A new artifact of progress; None where it cannot be made."""
    with Unimportant():
        return _id(create_progress_artifact(0.0, key=f"progress-{dataset.dataset}", description=f"rows of {total}"))
    return None


class _Progress:
    """An artifact of progress that never goes back, though its updates may overtake each other."""

    def __init__(self, made: Future[UUID | None]) -> None:
        self._made = made
        self._lock = Lock()
        self._shown = 0

    def advance(self, percent: int) -> None:
        """Show so many per cent, unless more are shown."""
        artifact = self._made.result()
        with self._lock, Unimportant():
            if artifact is not None and percent > self._shown:
                update_progress_artifact(artifact, float(percent))
                self._shown = percent


def show_table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    """A table under a key; the one that was there before becomes its history."""
    with Unimportant():
        cells = [{name: line(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows]
        create_table_artifact(cells, key=key, description=markdown(description))


def show_picture(dataset: Dataset, svg: str) -> None:
    """A picture ``samples-DATASET``, of which everything is in its address."""
    here_of(dataset.url).soon(partial(_show_picture, dataset, svg))


def _show_picture(dataset: Dataset, svg: str) -> None:
    address = f"data:image/svg+xml,{quote(svg, safe='/+=:;,')}"
    with Unimportant():
        create_image_artifact(
            address, key=f"samples-{dataset.dataset}", description=markdown(f"Images of {dataset.url}")
        )


def show_result(dataset: Dataset, result: Mapping[str, Any]) -> None:
    """A page ``result-DATASET``: the version, how to see it and what changed, and where rows and annotations went."""
    here_of(dataset.url).soon(partial(_show_result, dataset, result))


def _show_result(dataset: Dataset, result: Mapping[str, Any]) -> None:
    with Unimportant():
        description = markdown(str(result["ref"]))
        create_markdown_artifact(result_page(result), key=f"result-{dataset.dataset}", description=description)


def result_page(result: Mapping[str, Any]) -> str:
    """The result of a run in Markdown."""
    rows, base = result["rows"], result["base"]
    dataset_url, _, version = str(result["ref"]).rpartition("@")
    verdict = "published" if result["published"] else result["reason"]
    lines = [
        f"# {markdown(str(result['dataset']))}: {markdown(verdict)}, version {markdown(version)}",
        "",
        "```sh",
        f"labelsnap snapshots show {_typed(result['ref'])}",
    ]
    if result["published"] and base:
        lines.append(f"labelsnap snapshots diff {_typed(f'{dataset_url}@{base}')} {_typed(result['ref'])}")
    lines += ["```", ""]
    lines += _table("rows", {"exported": rows["exported"], "published": rows["published"]})
    lines += _table("excluded rows", rows["excluded"])
    for name, counts in result.get("sources", {}).items():
        lines += _table(f"source {name}", counts)
    lines += _table("problems", {"rows": rows["problems"]} if rows["problems"] else {})
    lines += _table("noted", {said: number for number, said in said_of(result)})
    lines += _table("annotations", result["annotations"])
    lines += _table("predictions", result.get("predictions", {}))
    lines += _table("classes", {name: result["classes"][name] for name in ("in_use", "removed")})
    lines += _table("requests", result["requests"])
    for name, kinds in result["formats"].items():
        lines += _table(f"{name} cannot hold", kinds["lost"])
        lines += _table(f"{name} leaves out", kinds.get("not_selected", {}))
    return "\n".join(lines)


def _typed(ref: object) -> str:
    """What names a version, as one word of a command to copy."""
    return shlex.quote(line(str(ref)))


def _table(title: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return []
    rows = (f"| {markdown(name.replace('_', ' '))} | {count} |" for name, count in counts.items())
    return [f"| {markdown(title)} | |", "|---|---:|", *rows, ""]


class Unimportant:
    """A block whose failure, whatever Prefect's client or server says, is told in the log; the run goes on."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if isinstance(error, Exception):
            log.warning("An artifact could not be made in Prefect's interface.", exc_info=error)
        return isinstance(error, Exception)


def _id(created: Any) -> UUID:
    """Prefect's functions give a coroutine where an event loop runs; a flow here has none."""
    identifier: UUID = created
    return identifier
