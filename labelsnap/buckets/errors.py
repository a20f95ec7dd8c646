from __future__ import annotations


class RowError(Exception):
    """Something of a row cannot be had or read, so the whole row becomes a problem: JSON path, code and reason."""

    def __init__(self, path: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.code = code
        self.reason = reason


def object_path(feature_id: str, member: str) -> str:
    """The JSONPath (RFC 9535) of a member of the object with this feature id, wherever it stands in the line."""
    quoted = feature_id.replace("\\", "\\\\").replace("'", "\\'")
    return f"$..objects[?@.feature_id=='{quoted}'].{member}"
