"""A run as a whole: how it begins, what it keeps of its work, that it is alone on its dataset, how it ends.

In: the dataset and its store. Out: what tasks share of a run, as receipts. No ``@task`` stands here.
Doors: beginning, exports, hints, lease, ledger, outlived, receipts, result, span, undertaking, unfinished, wanted.
"""
