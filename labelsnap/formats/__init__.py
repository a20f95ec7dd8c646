"""Records → files of training formats: one file or package a format, one line each in ``registry``.

``outputs`` are what a dataset file names: a format with options, and what is selected.

In: one split of a dataset as rows with numbers and image bytes, and frozen options. Out: files by path, and what the
format cannot hold. Formats do not know each other. Rooms beside: ``shared`` (what formats have in common),
``description`` and ``report`` (what describes a whole dataset). README.md has the conventions and the readers.
Doors: interface, outputs, registry.
"""
