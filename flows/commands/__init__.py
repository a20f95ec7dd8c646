"""The command line: what is typed becomes one call, and its outcome words, JSON and an exit status.

In: arguments. Out: standard output; faults with a code, a sentence and a remedy.
Doors: console, demo, faults, operations, options, output, process, reports, running, snapshots.
"""
