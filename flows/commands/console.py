"""What people see: bars on a terminal, plain lines elsewhere, results in words. Only results go to stdout."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from labelsnap.errors import RunStoppedError
from labelsnap.records.counts import KINDS
from labelsnap.shown import json_text, line, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rich.progress import TaskID

    from labelsnap.errors import LabelsnapError

TITLES = {
    "windows": "export (windows)",
    "export": "export (%)",
    "chunks": "download export (bytes)",
    "rows": "masks and images (rows)",
    "files": "write and upload formats",
    "gate": "read back (objects)",
    "pull": "pull (files)",
    "verify": "verify (objects)",
    "diff": "compare (buckets)",
    "gc": "delete (objects)",
}
_UNICODE = frozenset({"utf-8", "utf8"})
OURS = ("labelsnap", "tasks", "flows")
"""The loggers of labelsnap's own code; a command tells Prefect to print nothing, which has them print nothing, too."""
PLAIN_STEPS = 4
"""How many lines a stage prints where there is no terminal."""


def say(text: str) -> None:
    """Lines on standard error. Work goes on where that is a full disk or nobody reads it."""
    with suppress(OSError):
        print(lines(text), file=sys.stderr, flush=True)


@contextmanager
def progress_shown() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function (stage, done, total) that draws bars on a terminal and prints a few lines a stage elsewhere."""
    if not sys.stderr.isatty():
        with warnings_said():
            yield PlainProgress().show
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<26}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars: dict[str, TaskID] = {}
    lock = threading.Lock()
    console = Console(stderr=True)
    said = warnings_said(partial(console.print, markup=False, highlight=False, soft_wrap=True))
    with Progress(*columns, console=console) as progress, said:

        def show(stage: str, done: int, total: int) -> None:
            with lock:
                if stage not in bars:
                    bars[stage] = progress.add_task(TITLES[stage], total=total)
                progress.update(bars[stage], completed=done, total=total)

        yield show


@contextmanager
def warnings_said(write: Callable[[str], None] | None = None) -> Iterator[None]:
    """Write what labelsnap's own code warns of, such as what it waits for, while the block runs; else on stderr."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            (write or say)(line(record.getMessage()))

    handler, ours = Handler(logging.WARNING), [logging.getLogger(name) for name in OURS]
    for each in ours:
        each.addHandler(handler)
    try:
        yield
    finally:
        for each in ours:
            each.removeHandler(handler)


class PlainProgress:
    """One line when a stage begins, at each quarter, and when it is done."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}

    def show(self, stage: str, done: int, total: int) -> None:
        """Print a line when the stage has come a step further."""
        step = PLAIN_STEPS if done >= total else done * PLAIN_STEPS // total
        if self._shown.get(stage) != step:
            self._shown[stage] = step
            say(f"{TITLES[stage]}: {done} of {total}")


def print_text(text: str) -> None:
    """Lines on standard output."""
    print(lines(text))


def print_json(value: object) -> None:
    """One JSON object on standard output, in ASCII where that does not take every letter (text in memory does)."""
    encoding = sys.stdout.encoding or "utf-8"
    print(json_text(value, ascii_only=encoding.lower() not in _UNICODE))


def print_error(error: LabelsnapError, *, as_json: bool) -> None:
    """An error as one JSON object on standard output, or in two lines (one where it was stopped) on standard error."""
    if as_json:
        rejected = getattr(error, "result", None)
        print_json(rejected if rejected is not None else {"error": error.described})
    elif isinstance(error, RunStoppedError):
        say(f"labelsnap: {error}")
    else:
        say(f"labelsnap: {error.message}\n  → {error.remedy}")


def describe(result: Mapping[str, Any]) -> str:
    """The result of a refresh in a few lines."""
    from labelsnap.buckets.noted import said_of

    rows, labels, requests = result["rows"], result["labels"], result["requests"]
    verdict = "published" if result["published"] else result["reason"]
    told = [
        f"{verdict}: {result['ref']}",
        f"  rows         {rows['exported']} exported = {_where_rows_went(rows)}",
        f"  labels       {labels['published']} published{_listed(labels['excluded'])}",
        f"  annotations  {counted(result['annotations'])}",
        f"  reused       {result['reused_rows']} rows",
        f"  downloaded   {downloads(requests)}",
    ]
    if "predictions" in result:
        told.insert(4, f"  predictions  {counted(result['predictions'])}")
    if origin := result.get("origin"):
        told.insert(1, f"  made anew    of {origin}, without Labelbox")
    told += [f"  source {name}  {counted(counts)}" for name, counts in result.get("sources", {}).items()]
    if result["export_errors"]:
        told.append(f"  Labelbox reported {result['export_errors']} errors: pull --format raw and read errors.ndjson")
    told += [f"  {number} {said}" for number, said in said_of(result)]
    for name, described in result["classes"]["suffixed"].items():
        told.append(f"  two classes are named {described['name']!r}: the later one is written as {name!r}")
    if keep := result.get("keep"):
        told.append(f"  kept         {_tidied(keep)}")
    for name, kinds in result["formats"].items():
        if kinds["lost"]:
            told.append(f"  {name} cannot hold  {counted(kinds['lost'])} (they are in the parquet tables)")
        if kinds.get("not_selected"):
            told.append(f"  {name} leaves out  {counted(kinds['not_selected'])} (by its classes and kinds)")
    return joined(told)


def _tidied(keep: Mapping[str, Any]) -> str:
    """What became of versions and objects that are kept no longer."""
    if error := keep.get("error"):
        return f"as it was: {error['message']} → {error['remedy']}"
    return f"{len(keep['expired'])} versions expired, {keep['deleted']} objects deleted ({keep['deleted_bytes']} bytes)"


def joined(told: Iterable[str]) -> str:
    """Lines, none of which what it quotes can break in two."""
    return "\n".join(map(line, told))


def downloads(requests: Mapping[str, int]) -> str:
    """What was asked for once, in words."""
    kinds = ("composite_masks", "instance_masks", "images")
    counts = ", ".join(f"{requests[kind]} {kind.replace('_', ' ')}" for kind in kinds)
    return f"{counts} ({requests['retries']} retries)"


def _where_rows_went(rows: Mapping[str, Any]) -> str:
    excluded = f"{sum(rows['excluded'].values())} excluded{_listed(rows['excluded'])}"
    return f"{rows['published']} published + {excluded} + {rows['problems']} problems"


def counted(counts: Mapping[str, int]) -> str:
    """Kinds in the contract's order, then whatever else is counted."""
    names = [*(kind for kind in KINDS if kind in counts), *(name for name in counts if name not in KINDS)]
    return ", ".join(f"{counts[name]} {name}" for name in names) or "none"


def _listed(counts: Mapping[str, int]) -> str:
    return f" ({counted(counts)})" if counts else ""
