"""The image of a row, as a snapshot has it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ImageRule = Literal["copy", "jpg", "reference"]
"""Whether images are published as they come, all as JPEGs, or by their URLs alone."""


class Validators(Struct, frozen=True, gc=False):
    """What an answer told of the version of an image that it brought: ``ETag`` and ``Last-Modified``, as HTTP has them.

    None where it told none, or what cannot be sent back (see RFC 9110, 8.8).
    """

    etag: str | None = None
    last_modified: str | None = None

    def is_of_another(self, known: Validators) -> bool:
        """Whether it is certain that the two are of different versions."""
        if self.etag and known.etag:
            return self.etag.removeprefix("W/") != known.etag.removeprefix("W/")
        return None not in {self.last_modified, known.last_modified} and self.last_modified != known.last_modified


class Image(Struct, frozen=True, gc=False):
    """The image of a sample as it stands in the snapshot.

    ``file_name`` is safe and unique in the dataset; ``width`` and ``height`` are in pixels; ``sha256`` (hex) and
    ``size`` (bytes) are None where the dataset refers to images and does not copy them. ``orientation`` (1 to 8) is the
    one that readers saw in the file at its source (None: not known), and ``turned`` whether the pixels were turned by
    it; the published file has none. ``converted_from`` is the type at its source of an image that was made a JPEG of
    another type, else None. ``validators`` are of that file, and ``unconfirmed`` tells that the image was kept
    though nobody could say whether it is still the one at its source: both stand in the images table alone.
    """

    file_name: str
    width: int
    height: int
    mime_type: str
    sha256: str | None
    size: int | None
    orientation: int | None = None
    turned: bool = False
    converted_from: str | None = None
    validators: Validators = Validators()
    unconfirmed: bool = False
