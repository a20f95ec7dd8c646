"""The stand-in's HTTP face: Labelbox's endpoints, exports, pictures, webhooks, and faults that can be switched on.

In: requests. Out: what Labelbox would answer, from the sample project.
Doors: exports, faults, graphql, server, store, traffic, webhooks, workspace.
"""
