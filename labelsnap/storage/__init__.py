"""Object stores: what a snapshot needs of one, and the two kinds there are (S3 and a folder).

In: a URL. Out: an ``ObjectStore`` whose promises were tried. What is named below is for everybody.
Doors: beneath, compression, interface, lines, probing.
"""

from __future__ import annotations

from labelsnap.storage.interface import Capabilities, ObjectInfo, ObjectStore, Upload
from labelsnap.storage.opening import check_store_url, open_store
from labelsnap.storage.probing import create_once, probe

__all__ = [
    "Capabilities",
    "ObjectInfo",
    "ObjectStore",
    "Upload",
    "check_store_url",
    "create_once",
    "open_store",
    "probe",
]
