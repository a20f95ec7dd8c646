"""A snapshot is checked: what lies in the store is read again, by code that shares nothing with what wrote it.

In: a manifest and its store, and what a run counted. Out: what is wrong, by key.
Doors: decoding, gate, measures, objects, of_tables, verify.
"""
