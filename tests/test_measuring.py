"""What coverage traces."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.measuring import UNMEASURED, Measuring


@pytest.fixture
def traced():
    """The names of functions that were called while they were traced, and what traces them."""
    before, of_threads = sys.gettrace(), threading.gettrace()
    names = []

    def trace(frame, event, arg):
        names.append(frame.f_code.co_name)

    measuring = Measuring(trace, trace)
    threading.settrace(measuring.begin)
    yield names, measuring
    threading.settrace(of_threads)
    sys.settrace(before)


def called():
    """Do nothing."""


def begun(hook):
    """A hook that pytest is within."""
    next(hook)
    return hook


def ended(hook):
    """Go on to its end."""
    with pytest.raises(StopIteration):
        next(hook)


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [("tests/masks/test_a.py::test", [0, 1, 2, 3, 3]), (f"{UNMEASURED[0]}test_a.py::test", [0] * 5)],
)
def test_a_test_is_traced_and_what_pytest_does_around_it_is_not(traced, nodeid, expected):
    """A fixture that the test asks for while it runs ends nothing; nothing is traced of a test that is not measured."""
    names, measuring = traced
    counted = []

    def call():
        called()
        counted.append(names.count("called"))

    protocol = begun(measuring.pytest_runtest_protocol(SimpleNamespace(nodeid=nodeid)))
    call()
    test = begun(measuring.pytest_pyfunc_call())
    call()
    fixture = begun(measuring.pytest_fixture_setup())
    call()
    ended(fixture)
    call()
    ended(test)
    call()
    ended(protocol)
    assert counted == expected


@pytest.mark.parametrize(("by", "is_traced"), [("tests.test_measuring", True), ("deploy.sandbox", False)])
def test_threads_that_serve_are_not_traced(traced, by, is_traced):
    """A thread is traced unless what it runs is of a stand-in."""
    names, _ = traced

    def run():
        called()

    run.__module__ = by
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert ("called" in names) is is_traced


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        (["labelsnap.memory"], ["labelsnap.memory"]),
        (["numpy"], []),
        (["labelsnapper"], []),
        (["flows", "numpy", "tasks.run"], ["flows", "tasks.run"]),
        (["numpy", "labelsnap", "numpy.linalg"], ["labelsnap"]),
    ],
)
def test_modules_are_traced_that_are_measured(traced, modules, expected):
    """Whichever of them imports the next one, and after that as before."""
    names, measuring = traced
    seen = []

    def execute(loader, module):
        if loader:
            load(loader[1:], SimpleNamespace(__name__=loader[0]))
        before = names.count("called")
        called()
        if names.count("called") > before:
            seen.insert(0, module.__name__)

    load = measuring.importing(execute)
    load(modules[1:], SimpleNamespace(__name__=modules[0]))
    assert seen == expected


@pytest.mark.parametrize("start", UNMEASURED)
def test_what_is_not_measured_is_there(pytestconfig, start):
    """Each is a folder or a file, or how a test in a file begins."""
    path, _, name = start.partition("::")
    there = Path(pytestconfig.rootpath, path)
    assert there.exists()
    assert not name or f"\ndef {name}" in there.read_text()
