"""Stores that lose answers, for tests of those who must cope."""

from __future__ import annotations

from dataclasses import dataclass, field

from labelsnap.errors import StorageOutcomeUnknownError


@dataclass
class LossyStore:
    """Passes everything on, but the first answers to one operation are lost, before or after it took effect."""

    store: object
    operation: str
    losses: int
    landed: bool
    calls: list = field(default_factory=list)

    def __getattr__(self, name):
        real = getattr(self.store, name)
        if name not in {"put", "create", "get", "head", "download", "delete"}:
            return real

        def call(*arguments, **options):
            self.calls.append((name, arguments[0]))
            if name != self.operation or self.losses == 0:
                return real(*arguments, **options)
            self.losses -= 1
            if self.landed:
                real(*arguments, **options)
            raise StorageOutcomeUnknownError("The answer was lost.", remedy="Repeat.", code="storage_unreachable")

        return call
