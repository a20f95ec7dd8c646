from __future__ import annotations


class MaskError(ValueError):
    """Bytes or a declaration that cannot become masks; the row they belong to becomes a problem under ``code``.

    Codes: ``not_a_png``, ``truncated``, ``crc``, ``damaged``, ``unsupported``, ``too_large``, ``size_mismatch``,
    ``bad_colour`` (a declared colour that no instance can have) and ``bad_counts`` (an RLE string that is none).
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
