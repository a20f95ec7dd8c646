"""Dataset file → ``Dataset``, with one sentence for each thing that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, ValidationError

from config.bounded_yaml import UNREADABLE, parse_yaml
from config.dataset import Dataset
from config.split_files import listed_splits
from labelsnap.errors import ConfigurationError
from labelsnap.redaction import LEFT_OUT, cut, is_like_address, is_secret_name, shown, without_address_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

MAX_BYTES: Final = 4 << 20
"""Room for the ids of a hundred thousand rows."""
MAX_FAULTS: Final = 20
FILE: Final = "file:"
MAX_SENTENCE: Final = 600


def load_dataset(path: Path) -> Dataset:
    """Read and check a dataset file. Raises ``ConfigurationError`` naming the key, what was found, what is allowed."""
    text = _read(path)
    try:
        content = parse_yaml(text)
    except UNREADABLE as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigurationError(
            f"The dataset file {path} cannot be read as YAML{where}: {_told(str(problem))}.",
            remedy="Correct the file; config/datasets/ holds an example.",
            code="bad_dataset_file",
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"The dataset file {path} holds {type(content).__name__}, not keys and values.",
            remedy="Begin with `dataset:`, `store:` and `source:`; config/datasets/ holds an example.",
            code="bad_dataset_file",
        )
    dataset = parse_dataset(_beside(content, path.parent), origin=str(path))
    listed_splits(dataset)
    return dataset


def _beside(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The content of a dataset file whose list of splits is named by its whole path: runs begin in other folders."""
    split = content.get("split")
    named = split.get("from") if isinstance(split, dict) else None
    if not (isinstance(split, dict) and isinstance(named, str) and named.startswith(FILE) and named != FILE):
        return content
    return content | {"split": split | {"from": f"{FILE}{(folder / named.removeprefix(FILE)).absolute()}"}}


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(MAX_BYTES + 1)
        text = found.decode()
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"The dataset file {path} cannot be read: {reason}.",
            remedy="Give the path of a YAML file such as config/datasets/street-scenes.yaml.",
            code="no_dataset_file",
        ) from None
    if len(found) > MAX_BYTES:
        raise ConfigurationError(
            f"The dataset file {path} has more than {MAX_BYTES:,} bytes.",
            remedy="Ask for batches or a workflow status in place of long lists of ids.",
            code="bad_dataset_file",
        )
    return text


def parse_dataset(content: Mapping[str, Any], *, origin: str = "The dataset") -> Dataset:
    """Check the content of a dataset file. Raises ``ConfigurationError`` with every fault that was found.

    Messages repeat values cut, and none that may be a secret.
    """
    try:
        return Dataset.model_validate(content)
    except ConfigurationError as error:
        message, remedy = (_told(_without_secrets(text, content)) for text in (error.message, error.remedy))
        raise ConfigurationError(message, remedy=remedy, code=error.code) from None
    except ValidationError as error:
        found = error.errors(include_url=False)
        faults = [_told(_without_secrets(_sentence(fault), content)) for fault in found[:MAX_FAULTS]]
        more = f"; and {len(found) - MAX_FAULTS} more" if len(found) > MAX_FAULTS else ""
        raise ConfigurationError(
            f"{origin} cannot be used: {'; '.join(faults)}{more}.",
            remedy="Correct the dataset file; nothing was started.",
            code="bad_dataset_file",
        ) from None


def _told(text: str) -> str:
    return cut(without_address_secrets(text), MAX_SENTENCE)


def _without_secrets(text: str, content: object, name: str = "") -> str:
    """A message without the content's addresses as they are spelled, and without values whose key says secret."""
    match content:
        case Mapping():
            for key, value in content.items():
                text = _without_secrets(_without_secrets(text, key), value, str(key))
        case list() | tuple():
            for value in content:
                text = _without_secrets(text, value, name)
        case str() if is_secret_name(name) and content:
            text = text.replace(repr(content), LEFT_OUT)
        case str() if is_like_address(content):
            text = text.replace(repr(content), shown(content))
    return text


def _sentence(fault: ErrorDetails) -> str:
    path = ".".join(shown(part).strip("'\"") for part in fault["loc"]) or "the file"
    match fault["type"]:
        case "extra_forbidden":
            known = known_keys(fault["loc"][:-1])
            return f"unknown key `{path}`{nearest(str(fault['loc'][-1]), known)} (known here: {', '.join(known)})"
        case "missing":
            return f"the key `{path}` is missing"
        case "value_error":
            return f"`{path}`: {fault['ctx']['error']}"
        case _:
            found = LEFT_OUT if any(is_secret_name(str(part)) for part in fault["loc"]) else shown(fault["input"])
            return f"`{path}` is {found}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"


def nearest(word: str, known: list[str]) -> str:
    """`` (did you mean …?)`` for a word that is nearly a known one, else nothing."""
    matches = get_close_matches(word, known, n=1)
    return f" (did you mean `{matches[0]}`?)" if matches else ""


def known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the dataset file knows at a place, such as ``("params",)``."""
    model: type[BaseModel] = Dataset
    for part in (each for each in location if isinstance(each, str)):  # the place in a list says nothing
        annotation = model.model_fields[part].annotation
        candidates = (annotation, *get_args(annotation))
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]
