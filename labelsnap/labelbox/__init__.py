"""The source: exports through Labelbox's SDK, and downloads of chunks, masks and images over plain HTTP."""
