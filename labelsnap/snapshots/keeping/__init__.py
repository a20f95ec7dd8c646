"""Versions are kept: their history, names, rollbacks, expiry, and the collection of what nobody needs.

In: a dataset's store. Out: which versions there are, and which objects may go.
Doors: behind, checkpoints, epochs, expire, gc, history, records, rollback, tagging, tags, witnesses.
"""
