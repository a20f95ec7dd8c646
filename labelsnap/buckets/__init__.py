"""Rows grouped into stable buckets, and one bucket's way: lines → records → masks and images → tables and a pack.

In: a bucket's lines, the part of an earlier snapshot that concerns it, connections. Out: a receipt; every row is
published, excluded by a named policy, or a named problem. ``rows`` is the room for what is done with one row.
Doors: base, boundary, build, claims, given, grouping, noted, reading, receipt, source, spool, unwritable.
"""
