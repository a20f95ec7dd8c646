"""Formats bucket by bucket: what rows make of each format is made once, and documents are joined from it.

In: a bucket's rows, what the version before has of them. Out: items and small files, an index of them; documents.
Doors: decoded, documents, index, making, shards, work.
"""
