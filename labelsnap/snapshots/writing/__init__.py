"""A snapshot is written: objects go up, what an earlier version has is pointed to, one creation commits it.

In: files and what stands. Out: a manifest; a version, or the reason why there is none.
Doors: commit, draft, frames, joined, nesting, presence, small, tar.
"""
