"""The stores that these tests run against."""

from __future__ import annotations

from tests.contracts.store_fixtures import (
    aws,
    ceph_url,
    folder_store,
    localbucket_endpoint,
    localbucket_url,
    store,
    store_url,
)

__all__ = ["aws", "ceph_url", "folder_store", "localbucket_endpoint", "localbucket_url", "store", "store_url"]
