"""What is kept as JSON, read by many threads at once."""

from __future__ import annotations

import subprocess
import sys

FIRST_READ = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import msgspec
from tasks.buckets.receipt import BucketReceipt, Tally
from tasks.formats.census import Census
from tasks.snapshots.decoders import decoder_of

body = msgspec.json.encode(BucketReceipt(0, (), (), Tally(), Census(), (), ()))
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(16)

def read(_):
    barrier.wait()
    return decoder_of(BucketReceipt).decode(body)

with ThreadPoolExecutor(16) as pool:
    assert len(set(map(repr, pool.map(read, range(16))))) == 1
"""


def test_many_threads_may_be_the_first_to_read_a_type():
    """In a process of its own, eight times: msgspec alone ends about one of four by a signal."""
    for _ in range(8):
        assert subprocess.run([sys.executable, "-c", FIRST_READ], check=False).returncode == 0  # noqa: S603
