"""A store in memory whose clock is the test's: for histories that take weeks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

from labelsnap.storage import Capabilities, ObjectInfo
from labelsnap.storage.interface import RECORD_BYTES, check_key, too_long

BEGINNING = datetime(2024, 5, 6, tzinfo=UTC)


@dataclass
class MemoryStore:
    """Objects in a dictionary; ``now`` is the server's clock, and stands still until a test moves it."""

    now: datetime = BEGINNING
    objects: dict = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    url: str = "memory://store"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(*[True] * 4))

    def pass_time(self, **duration):
        """Move the server's clock on."""
        self.now += timedelta(**duration)

    def put(self, key, body):
        content = body.read_bytes() if isinstance(body, Path) else body
        with self.lock:
            self.objects[check_key(key)] = (content, self.now)

    def create(self, key, body):
        with self.lock:
            if check_key(key) in self.objects:
                return False
            self.objects[key] = (body, self.now)
            return True

    def get(self, key, *, offset=0, length=None, most=RECORD_BYTES):
        content, _ = self.objects.get(check_key(key), (None, None))
        if length is None and content is not None and len(content) > most:
            raise too_long(key, most)
        return content if content is None else content[offset : None if length is None else offset + length]

    def download(self, key, path, *, size):
        content = self.get(key, length=size + 1)
        if content is not None:
            path.write_bytes(content)
        return content is not None

    def head(self, key):
        content, modified = self.objects.get(check_key(key), (None, None))
        return None if content is None else ObjectInfo(key, len(content), modified)

    def list(self, prefix, *, after=""):
        with self.lock:
            found = [(key, entry) for key, entry in self.objects.items() if key.startswith(prefix) and key > after]
        for key, (content, modified) in sorted(found, key=lambda item: item[0].encode()):
            yield ObjectInfo(key, len(content), modified)

    def uploads(self):
        return iter(())

    def delete_many(self, keys):
        for key in keys:
            self.delete(key)

    def delete(self, key):
        with self.lock:
            self.objects.pop(check_key(key), None)
