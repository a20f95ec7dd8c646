"""Where the tasks of a run are carried out: threads, processes, or the machines of a Dask or Ray cluster.

In: what ``--runner`` says. Out: a task runner of Prefect's, and workers that were checked.
Doors: cluster_runner, runners.
"""
