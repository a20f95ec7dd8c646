"""What people see of a run while it works and after: progress, artifacts, log records, times.

In: receipts. Out: text without what a terminal or a page obeys.
Doors: artifacts, logged, progress, stopwatch.
"""
