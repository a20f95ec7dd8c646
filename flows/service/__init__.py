"""What runs between runs: deployments and pools at Prefect's server, a worker, and the receiver of webhooks.

In: dataset files, deliveries, signals. Out: runs that are scheduled, started, and started again.
Doors: admission, deployments, own_records, pools, prefect_server, prefect_settings, receiver, worker.
"""
