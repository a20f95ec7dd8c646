"""A snapshot is read: from a reference to a checked manifest, from there to bytes, trees and differences.

In: a store and a reference. Out: bytes whose hash is the one that was published; folders that are whole.
Doors: at_hand, chunks, content, diff, looking, pull, ranges, read, tree.
"""
