"""The flows' tests run on Ceph too, where the environment names one."""

from __future__ import annotations

from tests.contracts.store_fixtures import aws, ceph_url

__all__ = ["aws", "ceph_url"]
