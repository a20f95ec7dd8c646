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

SLOW_SECONDS = 0.2
FAULTS = ("429", "500", "cut", "corrupt", "slow")


def answer(status: str, body: bytes, *headers: str) -> bytes:
    """One HTTP answer."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


class Masks(asyncio.Protocol):
    """One connection; ``requests`` counts those of all."""

    def __init__(self, mask: bytes, draws: random.Random, requests: count[int]) -> None:
        self.answers = {
            "429": answer("429 Too Many Requests", b"", "Retry-After: 0.05"),
            "500": answer("500 Internal Server Error", b""),
            "corrupt": answer("200 OK", mask[:-100] + bytes(100)),
            "": answer("200 OK", mask),
        }
        self.draws = draws
        self.requests = requests
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request when its latency is over."""
        self.received += data
        while b"\r\n\r\n" in self.received:
            next(self.requests)
            request, _, self.received = self.received.partition(b"\r\n\r\n")
            latency, faults = request.split(b" ", 2)[1].split(b"/")[1:3]
            strikes = self.draws.random() < int(faults) / 100
            fault = self.draws.choice(FAULTS) if strikes else ""
            seconds = int(latency) / 1000 + (SLOW_SECONDS if fault == "slow" else 0)
            if seconds:
                asyncio.get_running_loop().call_later(seconds, self.reply, fault)
            else:
                self.reply(fault)

    def reply(self, fault: str) -> None:
        """Send the answer, or cut the connection."""
        if fault == "cut":
            self.transport.abort()
        else:
            self.transport.write(self.answers.get(fault, self.answers[""]))


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
