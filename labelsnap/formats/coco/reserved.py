"""Names that readers of COCO use themselves, and how a question that is called so is called in ``attributes``.

FiftyOne 1.22 lays ``attributes`` over the annotation and hands all keys to its labels, whose fields and methods they
replace; it refuses names with dots or null characters and those that begin with a dollar sign, and forgets those that
begin with an underscore. Datumaro 1.13, and CVAT's import by it, take some attributes for flags of their own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from labelsnap.formats.shared.attributes import is_ambiguous, is_suffixed, joined, with_digits

if TYPE_CHECKING:
    from labelsnap.formats.shared.attributes import Path

OF_COCO: Final = frozenset({
    "id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "keypoints", "num_keypoints",
    "score", "attributes", "drawn", "label_id", "feature_id", "feature_schema_id", "classifications",
})  # fmt: skip
"""The keys of an annotation, ours too."""
OF_FIFTYONE: Final = frozenset({
    "STRICT", "apply_confidence_threshold", "attributes", "bounding_box", "clean", "clear_field", "closed", "cls",
    "coco_id", "confidence", "copy", "delete_attribute", "export_mask", "fancy_repr", "field_names",
    "field_to_mongo", "field_to_python", "filled", "from_cuboid", "from_dict", "from_json", "from_mask",
    "from_rotated_box", "get_attribute_value", "get_field", "get_mask", "get_text_score", "has_attribute",
    "has_field", "has_mask", "id", "import_mask", "index", "instance", "instance_id", "iter_attributes",
    "iter_fields", "label", "mask", "mask_path", "merge", "my_metaclass", "pk", "points", "self",
    "set_attribute_value", "set_field", "supercategory", "tags", "to_detection", "to_dict", "to_json", "to_mongo",
    "to_polyline", "to_segmentation", "to_shapely", "validate", "visible",
})  # fmt: skip
"""The fields and methods of its labels, and parameters of what makes them."""
OF_DATUMARO: Final = frozenset({
    "frame", "ignored", "is_crowd", "keyframe", "occluded", "outside", "rotation", "score", "track_id",
    "visibility",
})  # fmt: skip
RESERVED: Final = OF_COCO | OF_FIFTYONE | OF_DATUMARO
_FOREIGN: Final = str.maketrans(".\0", "__")
_PRIVATE: Final = ("_", "$")
_NAMELESS: Final = "question"


@lru_cache(maxsize=1 << 12)
def attribute_name(path: Path) -> str:
    """Return the name of a question's answer in ``attributes``, which no other question's answer has.

    One that readers use has an underscore more at its end, and so has one that is equal to it but for underscores
    there. One that FiftyOne does not take has digits of its sha256 at its end, underscores for dots and null
    characters, and begins with what comes after ``_`` and ``$``. One that could be such a name has digits too, and so
    has one with a slash that does not part it from a question above.
    """
    name = joined(path)
    spelled = name.translate(_FOREIGN)
    if name.startswith(_PRIVATE) or spelled != name:
        return with_digits(spelled.lstrip("".join(_PRIVATE)) or _NAMELESS, path)
    if is_ambiguous(path) or is_suffixed(name):
        return with_digits(name, path)
    return f"{name}_" if name.rstrip("_") in RESERVED else name
