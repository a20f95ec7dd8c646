"""Lines of an export: those that snapshots keep, read again and passed on, and what is found out about all together.

In: a reference, a snapshot's files; lines. Out: the snapshot, opened, and streams of its lines; what is said of a line.
No ``@task`` stands here.
Doors: origin, passing, said.
"""
