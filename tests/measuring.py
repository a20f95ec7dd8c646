"""What coverage traces: code while a test or a fixture runs it, and neither pytest nor stand-ins for other servers.

Python 3.11 runs all that is traced at half its speed, whether it is measured or not. Tests that run no line which
others do not run, too, are not traced: the share of lines that are run may be said too low by it, and never too high.
"""

from __future__ import annotations

import sys
import threading
from importlib.machinery import SourceFileLoader
from typing import Final

import pytest

MEASURED: Final = ("config", "flows", "labelsnap", "tasks")
"""Packages whose lines are measured, as ``[tool.coverage.run]`` has them."""
STAND_INS: Final = ("anyio", "deploy", "http", "socketserver", "uvicorn")
"""Packages whose threads serve a test, and run no code that is measured."""
UNMEASURED: Final = (
    *(f"tests/buckets/test_{of}.py" for of in ("bucket_orientation", "bucket_source", "bucket_told", "parts")),
    "tests/buckets/test_bucket_build.py::test_whatever_stands_already",
    "tests/buckets/test_renewed_shards.py::test_versions_upon_others",
    "tests/faults/test_commit_faults.py",
    "tests/flows/test_cli_kept.py",
    "tests/flows/test_refresh.py",
    *(f"tests/flows/test_refresh_{of}.py" for of in ("history", "key")),
    *(f"tests/flows/test_refresh_{of}.py" for of in ("problems", "resume", "sources", "splits", "stores")),
    "tests/flows/test_refresh_unchanged.py",
    "tests/flows/test_refresh_ontology.py::test_a_class_without_an_object",
    *(f"tests/formats/test_format_{of}.py" for of in ("census", "contract", "rows")),
    *(f"tests/images/test_images_{of}.py" for of in ("edits", "orientation")),
    "tests/labelbox/test_labelbox_hiccups.py::test_each_hiccup",
    *(f"tests/masks/test_masks_{of}.py" for of in ("composite", "compressed", "contours", "memory", "outlines")),
    *(f"tests/masks/test_masks_{of}.py" for of in ("overlaps", "polygons", "without")),
    "tests/orchestration/test_artifacts.py",
    "tests/protocol/",
    "tests/readers/",
    "tests/records/test_records_extent.py",
    "tests/records/test_records_tables.py",
    "tests/sandbox/",
    *(f"tests/snapshots/test_{of}.py" for of in ("joined_files", "small_files", "snapshot_draft", "snapshot_history")),
    *(
        f"tests/snapshots/test_checkpoints.py::test_{of}"
        for of in ("a_kill", "requests_do_not_grow", "sixteen_writers")
    ),
    *(
        f"tests/snapshots/test_snapshot_commit.py::test_{of}"
        for of in ("lost_answer", "racing", "repeated", "versions")
    ),
    "tests/snapshots/test_snapshot_epochs.py::test_a_publication_reads_no",
    *(f"tests/snapshots/test_snapshot_gc.py::test_{of}" for of in ("a_kill", "every_store")),
    *(f"tests/snapshots/test_snapshot_pull.py::test_{of}" for of in ("damaged_pack", "pull_goes_on", "receipt_lists")),
    "tests/snapshots/test_snapshot_tags.py::test_tag_names",
    "tests/snapshots/test_snapshot_verify.py::test_any_flipped_bit",
    "tests/test_environment.py",
    "tests/test_pages.py",
    "tests/test_structure.py",
)
"""Where tests are that run no line of ours which others do not run, too, but for about a hundred of 23,000."""


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session):
    """Where coverage traces, have it trace no more than it needs to."""
    if sys.gettrace() is not None and threading.gettrace() is not None:
        measuring = Measuring(sys.gettrace(), threading.gettrace())
        threading.settrace(measuring.begin)
        session.config.pluginmanager.register(measuring)


class Measuring:
    """Ends the tracing of a thread where there is nothing to be measured, and takes it up again."""

    def __init__(self, trace, trace_thread):
        self.trace, self.trace_thread = trace, trace_thread
        self.of_item = trace

    def begin(self, frame, event, arg):
        """Trace a new thread from its first call on, unless it serves."""
        if self.of_item is None or serves(threading.current_thread()):
            sys.settrace(None)
            return None
        return self.trace_thread(frame, event, arg)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self):
        """Of what is imported for tests, modules of ours are traced."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SourceFileLoader, "exec_module", self.importing(SourceFileLoader.exec_module))
            return (yield from meanwhile(None))

    def importing(self, execute):
        """Give what executes a module in the place of ``execute``: traced, if it is measured."""

        def traced(loader, module):
            before = sys.gettrace()
            sys.settrace(self.trace if module.__name__.partition(".")[0] in MEASURED else None)
            try:
                execute(loader, module)
            finally:
                sys.settrace(before)
                begin()

        return traced

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        """Pytest's own work for a test is not traced."""
        self.of_item = None if item.nodeid.startswith(UNMEASURED) else self.trace
        return (yield from meanwhile(None))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_pyfunc_call(self):
        """A test is, where it is measured."""
        return (yield from meanwhile(self.of_item))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_fixture_setup(self):
        """So is what a fixture does before the test."""
        return (yield from meanwhile(self.of_item))


def begin():
    """Do nothing: what traces takes up its work with the next call, and so sees its caller's end."""


def meanwhile(trace):
    """Have what is yielded to traced like this."""
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return (yield)
    finally:
        sys.settrace(before)


def serves(thread):
    """Whether a thread is a stand-in's; a listener's, which has a server of our own kind, is not."""
    target = getattr(thread, "_target", None)
    of = type(target.__self__) if hasattr(target, "__self__") else target
    modules = type(thread).__module__, getattr(of, "__module__", None) or ""
    return any(module.partition(".")[0] in STAND_INS for module in modules)
