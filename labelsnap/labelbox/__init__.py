"""The source: exports through Labelbox's official SDK, and what its webhooks say.

In: an account, params and filters. Out: an export that is complete, its lines, chunk by chunk, and a project's
ontology. ``downloads`` is the room for what URLs of an export lead to.
Doors: client, export, keys, ontology, patience, retry, starting, stream, webhooks.
"""
