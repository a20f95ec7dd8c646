"""Images in folders by class: what image classification is trained on, the format ``yolo`` with ``task: classify``.

Format: https://docs.ultralytics.com/datasets/classify and torchvision's ImageFolder: ``SPLIT/CLASS/IMAGE``. Classes are
numbered by the order of their folders' names, in each split apart: so every split that has rows has a folder for every
class, which ``.class.txt``, with the class's whole name, keeps there where it has no image. Readers pass over what is
no image.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from labelsnap.errors import ConfigurationError
from labelsnap.formats.interface import Artifact
from labelsnap.formats.shared.attributes import image_choices
from labelsnap.formats.shared.documents import encode
from labelsnap.shown import line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from labelsnap.formats.interface import Dataset
    from labelsnap.records.model import Sample

FOLDERS: Final = "classes.json"
"""Says which folder each answer has."""
UNANSWERED: Final = "unanswered"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)  # no name for a folder on Windows
_SPLIT: Final = re.compile(
    r"(?<![A-Za-z])(?:train|training|validation|valid|val|dev|test|testing|eval|evaluation)(?![A-Za-z])"
)
"""What ``datasets`` takes for a split in the name of any folder, in lower case only."""

_LONGEST: Final = 60
_DIGITS: Final = 8


def folders_of_split(dataset: Dataset, split: str, question: str) -> Iterator[Artifact]:
    """Give what keeps a folder of a split for each answer; ``classes.json`` comes with the first split.

    Raises ConfigurationError with the code ``unknown_question`` where the dataset has other radio questions about
    images only.
    """
    folders = folder_names(_answers(dataset, question))
    if split == dataset.splits[0]:
        yield Artifact(FOLDERS, iter([_classes(question, folders)]))
    for answer, folder in folders.items() if split in dataset.filled else ():
        yield Artifact(f"{split}/{folder}/.class.txt", iter([f"{line(answer)}\n".encode()]), small=True)


def image_of_row(dataset: Dataset, question: str) -> Callable[[Sample], Iterator[Artifact]]:
    """Give a row's image in the folder of its answer; without one, or with several, in ``unanswered``.

    Raises ConfigurationError as ``folders_of_split`` does, and where an image is read that the dataset only refers to,
    with the code ``images_not_copied``.
    """
    folders = folder_names(_answers(dataset, question))

    def image(sample: Sample) -> Iterator[Artifact]:
        answered = image_choices(sample.record.entry.labels).get(question)
        folder = UNANSWERED if answered is None else f"{sample.split}/{folders[answered]}"
        yield Artifact(f"{folder}/{sample.image.file_name}", _image(dataset, sample), small=True, image=sample)

    return image


def folder_names(answers: Iterable[str]) -> dict[str, str]:
    """Map answers to names of folders, in the order of these: ASCII, and different where case makes no difference.

    A name is the answer where that is safe; a word in it that is called like a split is in capitals. Of answers that
    come to one name, the first by code points has it, and the others get digits of their sha256, as does what no folder
    can be called.
    """
    found: dict[str, str] = {}
    taken = {""}
    for answer in sorted(answers):
        ascii_letters = normalize("NFKD", answer).encode("ascii", "ignore").decode()
        safe = _UNSAFE.sub("_", ascii_letters).strip("_-")[:_LONGEST]
        plain = _SPLIT.sub(lambda name: name[0].upper(), safe)
        digest = sha256(answer.encode()).hexdigest()
        names = (plain, *(f"{plain or 'class'}-{digest[:digits]}" for digits in (_DIGITS, len(digest))))
        name = next(each for each in names if each.lower() not in taken and not _DEVICE.fullmatch(each))
        taken.add(name.lower())
        found[answer] = name
    return dict(sorted(found.items(), key=lambda each: each[1]))


def _answers(dataset: Dataset, question: str) -> Collection[str]:
    """Give all answers to a question, in any split."""
    asked = dataset.choices()
    if asked and question not in asked:
        near = get_close_matches(question, sorted(asked), n=1)
        raise ConfigurationError(
            f"Expected a radio question about images of the name {question!r}, found none.",
            remedy=f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(sorted(asked))}.",
            code="unknown_question",
        )
    return asked.get(question, ())


def _image(dataset: Dataset, sample: Sample) -> Iterator[bytes]:
    body = dataset.read_image(sample)
    if body is None:
        raise ConfigurationError(
            f"Expected a copy of the image {sample.image.file_name}, found its URL only.",
            remedy="Set `images: copy`: what is classified by folders are the images themselves.",
            code="images_not_copied",
        )
    yield body


def _classes(question: str, folders: Mapping[str, str]) -> bytes:
    classes = [{"index": at, "folder": folder, "name": answer} for at, (answer, folder) in enumerate(folders.items())]
    return encode({"question": question, "classes": classes}) + b"\n"
