"""S3 and what speaks its protocol, by boto3, with bounds on what a server may answer and on how slowly.

In: a bucket, a prefix, boto3's own settings. Out: an ``ObjectStore``.
Doors: store.
"""
