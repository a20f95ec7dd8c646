"""Dataset file → ``Dataset``, with one sentence for each thing that is wrong."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from config.dataset import Dataset
from tasks.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails


def load_dataset(path: Path) -> Dataset:
    """Read and check a dataset file. Raises ``ConfigurationError`` naming the key, what was found, what is allowed."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"The dataset file {path} cannot be read: {reason}.",
            remedy="Give the path of a YAML file such as config/datasets/street-scenes.yaml.",
            code="no_dataset_file",
        ) from None
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number of thousands of digits, the 32nd of a month
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"The dataset file {path} is not YAML{where}: {getattr(error, 'problem', None) or 'it cannot be parsed'}.",
            remedy="Correct the file; config/datasets/ holds an example.",
            code="bad_dataset_file",
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"The dataset file {path} holds {type(content).__name__}, not keys and values.",
            remedy="Begin with `dataset:`, `store:` and `source:`; config/datasets/ holds an example.",
            code="bad_dataset_file",
        )
    return parse_dataset(content, origin=str(path))


def parse_dataset(content: Mapping[str, Any], *, origin: str = "The dataset") -> Dataset:
    """Check the content of a dataset file. Raises ``ConfigurationError`` with every fault that was found."""
    try:
        return Dataset.model_validate(content)
    except ValidationError as error:
        faults = [_sentence(fault) for fault in error.errors(include_url=False)]
        raise ConfigurationError(
            f"{origin} cannot be used: {'; '.join(faults)}.",
            remedy="Correct the dataset file; nothing was started.",
            code="bad_dataset_file",
        ) from None


def _sentence(fault: ErrorDetails) -> str:
    path = ".".join(str(part) for part in fault["loc"]) or "the file"
    match fault["type"]:
        case "extra_forbidden":
            known = known_keys(fault["loc"][:-1])
            return f"unknown key `{path}`{nearest(str(fault['loc'][-1]), known)} (known here: {', '.join(known)})"
        case "missing":
            return f"the key `{path}` is missing"
        case "value_error":
            return f"`{path}`: {fault['ctx']['error']}"
        case _:
            return f"`{path}` is {fault['input']!r}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"


def nearest(word: str, known: list[str]) -> str:
    """`` (did you mean …?)`` for a word that is nearly a known one, else nothing."""
    matches = get_close_matches(word, known, n=1)
    return f" (did you mean `{matches[0]}`?)" if matches else ""


def known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the dataset file knows at a place, such as ``("params",)``."""
    model: type[BaseModel] = Dataset
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        candidates = (annotation, *get_args(annotation))
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(model.model_fields)
