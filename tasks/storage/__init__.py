"""Object stores: what a snapshot needs of one, and the two kinds there are (S3 and a folder)."""

from __future__ import annotations

from tasks.storage.interface import Capabilities, ObjectInfo, ObjectStore
from tasks.storage.opening import check_store_url, open_store
from tasks.storage.probing import probe

__all__ = ["Capabilities", "ObjectInfo", "ObjectStore", "check_store_url", "open_store", "probe"]
