"""Prefect's tasks, one step of a run a file: options in, the library called, a receipt out.

In: what a flow hands on. Out: receipts, never rows or pixels. Rooms beside: ``run`` (what tasks share of a run),
``machines`` (where they are carried out), ``telling`` (what people see), ``raw`` (the export that snapshots keep),
``formats``.
Doors: buckets, describe, export, housekeeping, kept, ontology, parts, poll, prepare, publish, settle, windows.
"""

import os

from labelsnap.environment import work_in
from tasks.telling.logged import show_plainly

work_in(os.environ)
show_plainly()
