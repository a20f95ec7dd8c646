"""What a dataset decides about its rows: which are published, in which split, with which class ids, names and numbers.

In: rows, and the dataset's settings. Out: the same decision for the same row, whatever other rows come and go.
Doors: classes, merging, names, numbers, policy, selection, split_files, split_sources, splits.
"""
