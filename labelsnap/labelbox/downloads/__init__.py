"""Bytes behind the URLs of an export, which is not trusted: where the key goes, what may be asked, and how long.

In: URLs, limits, credentials. Out: bytes in memory or in a file, or a failure by name.
Doors: azure_source, download, failures, known, nothing, object_sources, pace.
"""
