"""The raw export that snapshots keep, read again: which snapshot it may be, and how its lines are passed on.

In: a reference, a snapshot's files. Out: the snapshot, opened, and streams of its lines. No ``@task`` stands here.
Doors: origin, passing.
"""
