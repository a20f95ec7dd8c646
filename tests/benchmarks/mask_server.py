"""A server of one mask with a chosen latency and chosen faults, light enough to be no part of what is measured.

``GET /LATENCY/FAULTS/…`` answers after ``LATENCY`` milliseconds, of ``FAULTS`` percent of the requests with a fault. It
prints its port, serves until its standard input ends, and then prints its milliseconds of CPU a request.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from functools import partial
from itertools import count

from tests.benchmarks.bench_masks import draw_composite, write_by_pillow
from tests.benchmarks.light_http import Connection, Request, answer

SLOW_SECONDS = 0.2
FAULTS = ("429", "500", "cut", "corrupt", "slow")


class Masks(Connection):
    """One connection; ``requests`` counts those of all."""

    def __init__(self, mask: bytes, draws: random.Random, requests: count[int]) -> None:
        super().__init__()
        self.answers = {
            "429": answer("429 Too Many Requests", b"", "Retry-After: 0.05"),
            "500": answer("500 Internal Server Error", b""),
            "corrupt": answer("200 OK", mask[:-100] + bytes(100)),
            "": answer("200 OK", mask),
        }
        self.draws = draws
        self.requests = requests

    def asked(self, request: Request) -> None:
        """Answer when the request's latency is over."""
        next(self.requests)
        latency, faults = request.target.split("/")[1:3]
        strikes = self.draws.random() < int(faults) / 100
        fault = self.draws.choice(FAULTS) if strikes else ""
        self.reply(int(latency) / 1000 + (SLOW_SECONDS if fault == "slow" else 0), partial(self.made, fault))

    def made(self, fault: str) -> bytes:
        """The answer; none where the connection is cut."""
        if fault == "cut":
            self.transport.abort()
            return b""
        return self.answers.get(fault, self.answers[""])


async def serve() -> None:
    """Serve until standard input ends."""
    pixels, _ = draw_composite()
    draws, requests = random.Random(0), count()  # noqa: S311 - repeatable
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Masks, write_by_pillow(pixels), draws, requests), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - for whoever started it
    begin = time.process_time()
    await loop.run_in_executor(None, sys.stdin.read)
    print((time.process_time() - begin) * 1000 / max(next(requests), 1))  # noqa: T201 - for whoever started it


if __name__ == "__main__":
    asyncio.run(serve())
