"""What is kept as JSON, read by many threads at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

FIRST_READ = """
import os, sys, threading
from concurrent.futures import ThreadPoolExecutor
import msgspec
from labelsnap.buckets.receipt import BucketReceipt, Tally
from labelsnap.formats.description.census import Census
from labelsnap.decoders import converted, decoder_of

empty = BucketReceipt(0, (), (), Tally(), Census(), (), ())
body, values = msgspec.json.encode(empty), msgspec.to_builtins(empty)
sys.setswitchinterval(1e-6)

def read(barrier):
    barrier.wait()
    return HOW

for _ in range(8):
    child = os.fork()
    if not child:
        with ThreadPoolExecutor(16) as pool:
            os._exit(len(set(map(repr, pool.map(read, [threading.Barrier(16)] * 16)))) - 1)
    ended = os.waitpid(child, 0)[1]
    assert ended == 0, ended
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        "decoder_of(BucketReceipt).decode(body)",
        "converted(values, BucketReceipt)",
    ],
)
def test_many_threads_may_be_the_first_to_read_a_type(how):
    """In a process of its own, eight times: msgspec alone ends about one of four by a signal."""
    assert subprocess.run([sys.executable, "-c", FIRST_READ.replace("HOW", how)], check=False).returncode == 0  # noqa: S603
