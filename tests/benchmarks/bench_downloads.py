"""What downloads cost, and how near they come to what connections and latency allow: run from the root.

The ceiling is connections / latency. It is out of reach where client and server find no idle core: what both spend a
request must stay well below the cores' time a request at the ceiling, 3.1 ms on two.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import local
from typing import TYPE_CHECKING

from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.pace import Pace
from labelsnap.labelbox.retry import Backoff
from labelsnap.masks.decoding.png import check_png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONNECTIONS, LATENCY, ROUNDS = 32, 50, 3
MASKS = 5000
FAULTS = 20
LIMIT = 10_000_000


@dataclass
class Server:
    """A mask server's port and, once it has ended, its milliseconds of CPU a request."""

    port: int
    cpu_milliseconds: float = 0.0


@contextmanager
def serving() -> Iterator[Server]:
    """A mask server in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.mask_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout
        served = Server(int(server.stdout.readline()))
        yield served
        served.cpu_milliseconds = float(server.communicate("")[0])


def downloader(port: int) -> Downloader:
    """Connections to the mask server, at no pace but their own."""
    return Downloader(
        api_key="key",
        rest_endpoint=f"http://127.0.0.1:{port}/",
        allow_hosts=frozenset(),
        connections=CONNECTIONS,
        pace=Pace(1_000_000),
        backoff=Backoff(base=0.05, cap=1),
    )


def spent(fetch: Callable[[int], object], count: int) -> tuple[float, float]:
    """Seconds of the clock and of this process's CPU that it takes to fetch so many, ``CONNECTIONS`` at a time."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(fetch, range(CONNECTIONS)))  # connections stand when the clock starts
        begin, cpu = time.perf_counter(), time.process_time()
        list(pool.map(fetch, range(count)))
        return time.perf_counter() - begin, time.process_time() - cpu


def with_downloader(port: int, latency: int, count: int, *, faults: int = 0) -> dict[str, float]:
    """What a number of masks costs: seconds, CPU seconds, and requests."""
    with downloader(port) as pool:

        def fetch(number: int) -> None:
            pool.mask(f"http://127.0.0.1:{port}/{latency}/{faults}/{number}", limit=LIMIT, check=check_png)

        seconds, cpu = spent(fetch, count)
        return {"seconds": seconds, "cpu": cpu, "requests": pool.counts.requests}


def with_http_client(port: int, latency: int, count: int) -> dict[str, float]:
    """The same with bare connections of the standard library: no retry, no limit, no checks."""
    own = local()

    def fetch(number: int) -> None:
        if not hasattr(own, "connection"):
            own.connection = HTTPConnection("127.0.0.1", port)
        own.connection.request("GET", f"/{latency}/0/{number}")
        own.connection.getresponse().read()

    seconds, cpu = spent(fetch, count)
    return {"seconds": seconds, "cpu": cpu}


def in_turn(port: int, latency: int) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds and CPU seconds of all masks, medians of rounds: ours, and with bare connections."""
    ways = (with_downloader, with_http_client)
    rounds = [[way(port, latency, MASKS) for way in ways] for _ in range(ROUNDS)]
    ours, bare = (
        {name: statistics.median(each[name] for each in way) for name in ("seconds", "cpu")}
        for way in zip(*rounds, strict=True)
    )
    return ours, bare


def main() -> dict[str, float]:
    """Return rates against ceilings, CPU a request, and how many requests a fifth of failing ones costs."""
    with serving() as server:
        at_once, bare_at_once = in_turn(server.port, 0)
        late, bare_late = in_turn(server.port, LATENCY)
        faulty = with_downloader(server.port, LATENCY, MASKS, faults=FAULTS)
    ceiling = CONNECTIONS / LATENCY * 1000
    return {
        "masks_per_second_at_0_ms": round(MASKS / at_once["seconds"]),
        "cpu_milliseconds_a_request": round(at_once["cpu"] / MASKS * 1000, 2),
        "server_cpu_milliseconds_a_request": round(server.cpu_milliseconds, 2),
        "cpu_to_bare_connections": round(at_once["cpu"] / bare_at_once["cpu"], 2),
        f"masks_per_second_at_{LATENCY}_ms": round(MASKS / late["seconds"]),
        f"share_of_ceiling_at_{LATENCY}_ms": round(MASKS / late["seconds"] / ceiling, 3),
        f"share_of_bare_connections_at_{LATENCY}_ms": round(bare_late["seconds"] / late["seconds"], 3),
        f"requests_a_mask_with_{FAULTS}_percent_faults": round(faulty["requests"] / (MASKS + CONNECTIONS), 3),
        "masks_per_second_with_faults": round(MASKS / faulty["seconds"]),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=2) + "\n")
