"""Prefect's flows, one a file, and the command line: order, concurrency, and what happens on failure.

In: a dataset. Out: a version and its result. Rooms beside: ``commands`` (what is typed and printed), ``runners`` (where
tasks go), ``service`` (what runs between runs: deployments, worker, receiver).
Doors: again, listen, assembly, backfill, refresh, reprocess.
"""
