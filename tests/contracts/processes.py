"""Processes of a test that are forked from one without threads, whatever ran in the test's own before."""

from __future__ import annotations

from multiprocessing import get_context

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["flows.refresh", "pytest"])  # what most of them import, once
