"""What Prefect costs: a full refresh over the same steps as plain functions, in pairs, against a running server.

The sandbox runs in a process of its own, and so does Prefect's server, which is up before anything is timed. The plain
side makes one request to that server, for the picture of ``describe``.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil

from config.settings import load_settings
from flows.refresh import refresh
from labelsnap.records.choices.splits import SPLITS
from labelsnap.storage import open_store
from tasks.buckets import build_bucket, group_rows
from tasks.describe import describe
from tasks.export import fetch_stream, start_exports, wait_for_exports
from tasks.formats.conversion import indexes_of
from tasks.formats.convert import convert_bucket
from tasks.formats.joining import write_format
from tasks.formats.shards import shards_of, write_shard
from tasks.prepare import prepare
from tasks.publish import publish
from tasks.run.result import summary
from tasks.run.unfinished import forget
from tasks.settle import settle
from tests.benchmarks.sandbox_process import datasets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from config.dataset import Dataset

ROWS = int(os.environ.get("LABELSNAP_BENCH_ROWS", "5000"))
PAIRS = 5


def without_prefect(dataset: Dataset, flow_run: str) -> None:
    """The steps of a refresh as plain functions with a pool of threads: the same work, nothing orchestrated."""
    beginning = prepare.fn(dataset, flow_run)
    run, base = beginning.run, beginning.base.version
    exports = start_exports.fn(dataset, run)
    wait_for_exports.fn(exports)
    (task_id,) = exports.ids
    results = (fetch_stream.fn(dataset, run, base, 0, task_id, "RESULT"),)
    errors = (fetch_stream.fn(dataset, run, base, 0, task_id, "ERRORS"),)
    buckets = group_rows.fn(dataset, run, results, errors, beginning.base)
    with ThreadPoolExecutor(load_settings().workers) as pool:
        build = partial(build_bucket.fn, dataset, run, since=beginning.looking_since)
        built = tuple(pool.map(build, buckets.inputs))
        settlement = settle.fn(dataset, beginning.base, buckets.lines, built, buckets.not_in_range)
        registry, counted, conversion = settlement.registry, settlement.census, settlement.conversion
        standing = tuple(conversion.bases)
        convert = partial(
            convert_bucket.fn, dataset, run, registry=registry, census=counted, standing=standing, alike=frozenset()
        )
        made = tuple(pool.map(convert, conversion.works))
        joints = {name: conversion.joint(name, made) for name in dataset.formats}
        write = partial(write_format.fn, dataset, registry=registry, census=counted)
        parts = product(dataset.formats, SPLITS)
        written = [*pool.map(lambda part: write(*part, joint=joints[part[0]]), parts)]
        write_one = partial(write_shard.fn, dataset, registry=registry, census=counted)
        written += pool.map(write_one, shards_of(dataset, settlement, made))
    formats = (indexes_of(conversion, made), *written)
    formats = (*formats, describe.fn(dataset, settlement, formats, base))
    result = summary(dataset, settlement, results, errors, formats, {})
    publish.fn(dataset, beginning, settlement, (*results, *errors), formats, result)
    forget(open_store(dataset.url), dataset, run)


def processor(server: Sequence[psutil.Process]) -> float:
    """Seconds of the processors that this process and the server have used."""
    return time.process_time() + sum(sum(process.cpu_times()[:2]) for process in server)


def timed(call: Callable[[], object], server: Sequence[psutil.Process]) -> tuple[float, float]:
    """Seconds that pass, and seconds of the processors."""
    begin, used = time.perf_counter(), processor(server)
    call()
    return time.perf_counter() - begin, processor(server) - used


def main() -> dict[str, float]:
    """Medians over pairs, of which every second one begins with Prefect; the first refresh of all is not timed."""
    from prefect.testing.utilities import prefect_test_harness

    with datasets(ROWS) as (_, dataset):
        ways: dict[str, Callable[[str], Any]] = {
            "plain": lambda name: without_prefect(dataset(name), name),
            "prefect": lambda name: refresh(dataset(name)),
        }
        others = psutil.Process().children(recursive=True)
        starting = time.perf_counter()
        with prefect_test_harness(server_startup_timeout=300):
            started = time.perf_counter() - starting
            server = [child for child in psutil.Process().children(recursive=True) if child not in others]
            ways["prefect"]("first")  # the sandbox draws its pictures and keeps them, loops are compiled
            pairs = []
            for number in range(PAIRS):
                order = ("plain", "prefect") if number % 2 else ("prefect", "plain")
                taken = {way: timed(partial(ways[way], f"{way}-{number}"), server) for way in order}
                pairs.append((taken["prefect"], taken["plain"]))
    wall, used = (sorted(with_it[i] / without[i] - 1 for with_it, without in pairs) for i in (0, 1))
    return {
        "rows": ROWS,
        "server_start_seconds": round(started, 1),
        "pairs": PAIRS,
        "plain_seconds": round(median(without[0] for _, without in pairs), 2),
        "over_none_least": round(wall[0], 3),
        "over_none": round(median(wall), 3),
        "over_none_most": round(wall[-1], 3),
        "over_none_processor": round(median(used), 3),
    }


if __name__ == "__main__":
    print(main())  # noqa: T201
