"""What the process of a command loads, and how it holds memory."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from flows.commands.process import ALLOCATORS, UNUSED

HEAVY = {"boto3", "fastapi", "labelbox", "numba", "numpy", "pandas", "prefect", "pyarrow", "pydantic", "rich"}


def told(code, **environment):
    """What a new interpreter prints as JSON."""
    clean = {name: value for name, value in os.environ.items() if name not in ALLOCATORS}
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", f"import json, sys\n{code}"],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ARROW = "ARROW_DEFAULT_MEMORY_POOL"
POOL = """
from flows.commands.process import share_heaps
share_heaps()
import os, pyarrow
print(json.dumps([pyarrow.default_memory_pool().backend_name, os.environ["MALLOC_ARENA_MAX"]]))
"""


def test_the_command_line_loads_nothing_large():
    """`--help`, a wrong option and a file that is not there are answered at once."""
    assert HEAVY.isdisjoint(told("import flows.cli\nprint(json.dumps(list(sys.modules)))"))


@pytest.mark.parametrize(
    ("environment", "found"),
    [({}, ["system", "2"]), ({ARROW: "mimalloc", "MALLOC_ARENA_MAX": "7"}, ["mimalloc", "7"])],
)
def test_what_is_freed_is_there_for_all(environment, found):
    """Arrow and all threads allocate from few heaps, unless the environment says otherwise."""
    assert told(POOL, **environment) == found


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc tells since 2.33 what it has mapped")
@pytest.mark.parametrize(("threshold", "mapped"), [(None, 1 << 20), (str(32 << 20), 0)])
def test_what_is_large_lies_in_no_heap(threshold, mapped):
    """Nor when as much was freed before, by which glibc has it lie there; the environment may say otherwise."""
    sizes = """
from flows.commands.process import share_heaps
share_heaps()
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
class Told(ctypes.Structure):
    _fields_ = [(f"field{number}", ctypes.c_size_t) for number in range(10)]
libc.mallinfo2.restype = Told
libc.free(libc.malloc(16 << 20))
before = libc.mallinfo2().field4  # hblkhd, bytes in mapped regions
held = libc.malloc(1 << 20)
print(json.dumps(libc.mallinfo2().field4 - before))
"""
    found = told(sizes, **({} if threshold is None else {"MALLOC_MMAP_THRESHOLD_": threshold}))
    assert found >> 20 == mapped >> 20


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process has mapped")
def test_threads_share_heaps():
    """Each of glibc's further heaps reserves 64 MiB; of many threads at once only one has one."""
    threads = """
from flows.commands.process import share_heaps
share_heaps()
from threading import Barrier, Thread
from pathlib import Path
barrier = Barrier(17)
def work():
    held = [bytes(600) for _ in range(1000)]
    barrier.wait(); barrier.wait()
all_of_them = [Thread(target=work) for _ in range(16)]
[each.start() for each in all_of_them]
barrier.wait()
sizes = [[int(end, 16) for end in line.split()[0].split("-")] for line in Path("/proc/self/maps").open()]
heaps = {begin >> 26 for begin, end in sizes if begin % (1 << 26) == 0}
barrier.wait()
print(json.dumps(len(heaps)))
"""
    assert told(threads) <= 1


def test_pandas_is_loaded_where_it_is_asked_for_alone():
    """An array of a list does not load it; a table that shall become a data frame does."""
    code = """
from flows.commands.process import pass_over_pandas
pass_over_pandas()
import pyarrow
column = pyarrow.array(["a", None])
loaded = "pandas" in sys.modules
frame = pyarrow.table({"a": column}).to_pandas()
print(json.dumps([loaded, "pandas" in sys.modules, len(frame)]))
"""
    pytest.importorskip("pandas")
    assert told(code) == [False, True, 2]


@pytest.mark.slow
def test_loops_are_compiled_without_scipy():
    """A command decodes masks, and numba does not find what it would load for linear algebra; scipy itself stays."""
    code = """
from flows import cli
cli._ended = lambda: 0
try:
    cli.main()
except SystemExit:
    pass
from labelsnap.masks.shapes.polygons import fill_rings
from labelsnap.masks.rasters.overlay import overlay
overlay([fill_rings([[(0, 0), (3, 0), (3, 2), (0, 2)]], 4, 4)], 4, 4)
from labelsnap.snapshots.checking.extents import mask_extents
import numpy as np
found = mask_extents([b"11"], np.array([1]), np.array([2])).tolist()
print(json.dumps(["numba" in sys.modules, [name for name in sys.modules if name.startswith("scipy.")], found]))
"""
    assert told(code) == [True, [], [[1, 1, 0, 1, 1]]]


def test_modules_are_loaded_without_a_look_for_garbage():
    """Afterwards it is looked for again, but not among what was loaded."""
    code = """
import gc
from flows.commands.process import loading
looked = []
gc.callbacks.append(lambda phase, _: looked.append(phase))
with loading():
    made = [[] for _ in range(10_000)]
    inside = len(looked)
after = [[] for _ in range(10_000)]
print(json.dumps([inside, gc.isenabled(), gc.get_freeze_count() > 10_000, len(looked) > 0]))
"""
    assert told(code) == [0, True, True, True]


def test_a_process_ends_without_a_last_look_for_garbage():
    """It would look through all that was loaded."""
    code = """
import atexit, gc
from flows import cli
made = [[] for _ in range(10_000)]
atexit.register(lambda: print(json.dumps([gc.get_freeze_count() > 10_000, gc.isenabled()])))
cli._ended = lambda: 0
cli.main()
"""
    assert told(code) == [True, True]


LOADED_LATER = """
import pkgutil
from flows.commands.process import UNUSED, loading
with loading():
    import prefect
    from flows.refresh import refresh
"""


@pytest.mark.slow
def test_what_a_run_does_not_use_is_loaded_by_whoever_uses_it():
    """Prefect's blocks of webhooks, each with certificates of its own, are there under their names, and empty."""
    code = f"""{LOADED_LATER}
import prefect.blocks.notifications as notifications, prefect.blocks.webhook as webhook
before = [sorted(set(vars(each)) & {{"Webhook", "SlackWebhook"}}) for each in (webhook, notifications)]
absent = sorted(UNUSED - set(sys.modules))
names = [webhook.Webhook.__name__, notifications.SlackWebhook.__name__]
print(json.dumps([absent, before, names, "Webhook" in vars(webhook)]))
"""
    assert told(code) == [[], [[], []], ["Webhook", "SlackWebhook"], True]


@pytest.mark.slow
def test_a_module_that_is_loaded_later_is_whole_for_every_thread():
    """Of sixteen threads that use it first none meets half of it; what it lacks it lacks; ``inspect`` loads none."""
    code = f"""{LOADED_LATER}
import inspect, prefect.blocks.webhook as webhook
from concurrent.futures import ThreadPoolExecutor
inspect.stack()
empty = "Webhook" not in vars(webhook)
with ThreadPoolExecutor(16) as pool:
    found = set(pool.map(lambda _: webhook.Webhook.__name__, range(16)))
print(json.dumps([empty, sorted(found), hasattr(webhook, "nothing_such"), webhook.__name__]))
"""
    assert told(code) == [True, ["Webhook"], False, "prefect.blocks.webhook"]


@pytest.mark.parametrize("name", sorted(UNUSED))
def test_no_package_is_loaded_later(name):
    """Whoever imports a module of a package has it before the package: both would be there by half."""
    assert find_spec(name).submodule_search_locations is None


def test_modules_are_found_as_ever_after_loading():
    """What is imported outside of the block is loaded at once."""
    code = """
from flows.commands.process import loading
with loading():
    pass
import coolname
print(json.dumps("generate" in vars(coolname)))
"""
    assert told(code) is True


def test_a_command_looks_seldom_for_garbage():
    """Python's own threshold is for programs that make some; what is loaded holds the most."""
    code = """
import atexit, gc
from flows import cli
atexit.register(lambda: print(json.dumps([gc.get_threshold()[0] > 10_000, gc.isenabled()])))
cli._ended = lambda: 0
cli.main()
"""
    assert told(code) == [True, True]
