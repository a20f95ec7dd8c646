"""The tables of config/README.md are the dataset file's keys, the formats' options and the environment's variables."""

from __future__ import annotations

import re
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
import pytest
import yaml
from pydantic import BaseModel, SecretStr
from typer.main import get_command

from config.dataset import Dataset
from config.settings import LabelboxSettings, Settings
from flows.cli import app
from labelsnap.formats.registry import FORMATS

CONFIG = Path(__file__).parents[2] / "config"
README = (CONFIG / "README.md").read_text(encoding="utf-8")
EXAMPLE = (CONFIG / "datasets" / "street-scenes.yaml").read_text(encoding="utf-8")
IN_WORDS = {
    "source": {"values": "a source, or `null`"},
    "sources.classes": {"values": "name: name or `null`"},
    "schedule": {"values": "a schedule, or `null`"},
    "keep": {"values": "what stays, or `null`"},
    "formats": {"values": "format: options"},
    "classes": {"values": "name: name or `null`"},
    "split.names": {"values": "name: `train`, `val`, `test` or `null`"},
    "LABELSNAP_WORKERS": {"default": "cores, at most 4"},
    "LABELSNAP_MEMORY_BYTES": {"default": "a quarter of what the process may use, at least 256 MiB"},
}
"""What the page says in words, because it depends on the machine or is no single value."""
ANY_NUMBER = "-9223372036854775808 to 9223372036854775807"


def rows(*headings):
    """The rows of the tables below these headings, by their first cells, which are code."""
    found = {}
    for heading in headings:
        part = re.split(r"^#+ ", README.partition(f" {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
        for line in part.splitlines():
            first, *others = line.strip("|").split("|")
            if line.startswith("| `"):
                assert first.strip(" `") not in found
                found[first.strip(" `")] = [cell.strip() for cell in others]
    return found


KEYS = rows("Every key of the dataset file")
VARIABLES = rows("Labelbox", "What a run may take", "Where downloads may reach", "Runs, machines and the listener")


def model_in(annotation):
    """The model that an annotation is of, if any: ``Schedule | None`` is of one."""
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def keys(model, above=""):
    """Every key below a model with its field, in order; one that only holds others is none."""
    for name, field in model.model_fields.items():
        below = model_in(field.annotation)
        if below is None or below is not field.annotation:
            yield f"{above}{field.alias or name}", field
        if below is not None:
            yield from keys(below, f"{above}{name}.")


def variables():
    """Every variable of the environment that the settings read, with its field."""
    for model in (LabelboxSettings, Settings):
        for name, field in model.model_fields.items():
            if model_in(field.annotation) is None:
                yield f"{model.model_config['env_prefix']}{name.upper()}", field


def written(value):
    """A value as YAML spells it on one line."""
    plain = list(value) if isinstance(value, (tuple, frozenset)) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("...\n").strip()


def values_of(annotation, limits):
    """What a key or variable takes, in the words of the tables."""
    origin, kinds = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType}:
        return values_of(next(kind for kind in kinds if kind is not NoneType), limits)
    if origin is Literal:
        return " or ".join(", ".join(f"`{written(kind)}`" for kind in kinds).rsplit(", ", 1))
    if origin is tuple and ... not in kinds:
        return "[from, to]"
    if annotation in {int, float}:
        bounds = {type(limit): limit for limit in limits}
        from_exactly = bounds.get(annotated_types.Ge)
        least = str(from_exactly.ge) if from_exactly else f"above {bounds[annotated_types.Gt].gt},"
        return f"{least} to {bounds[annotated_types.Le].le}".replace(ANY_NUMBER, "whole number")
    words = {bool: "`true` or `false`", SecretStr: "secret", tuple: "list", frozenset: "list"}
    return words.get(origin or annotation, "text")


def cells(name, field):
    """The cells of values and default that the table should have."""
    values, default = values_of(field.annotation, field.metadata), field.get_default(call_default_factory=True)
    no_default = field.is_required() or isinstance(default, SecretStr)
    said = {"values": values, "default": "" if no_default else f"`{written(default)}`"}
    return list((said | IN_WORDS.get(name, {})).values())


def named(value):
    """The part of a test's id that says what it is about."""
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("key", "field"), list(keys(Dataset)), ids=named)
def test_every_key_stands_in_the_table(key, field):
    """With the values that it takes and its default, as the model has them, and a word on its meaning."""
    *said, meaning = KEYS[key]
    assert said == cells(key, field)
    assert meaning


def test_the_table_has_no_other_keys():
    """They stand in the order of the model."""
    assert list(KEYS) == [key for key, _ in keys(Dataset)]


def test_the_example_shows_every_key():
    """It says so of itself."""
    assert not [key for key, _ in keys(Dataset) if not re.search(rf"\b{key.rpartition('.')[2]}\b", EXAMPLE)]


@pytest.mark.parametrize(("variable", "field"), list(variables()), ids=named)
def test_every_variable_stands_in_a_table(variable, field):
    """With the values that it takes and its default, as the settings have them, and a word on its meaning."""
    *said, meaning = VARIABLES[variable]
    assert said == cells(variable, field)
    assert meaning


def test_the_tables_have_no_other_variables():
    """What the settings do not read is an option's."""
    of_options = {option.envvar for option in get_command(app).commands["pull"].params if option.envvar}
    assert set(VARIABLES) == {name for name, _ in variables()} | of_options


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_stands_with_its_options(name):
    """The default of an option comes first, and all that it may be follows."""
    (said,) = rows("Formats")[name]
    each = FORMATS[name]
    told = re.findall(r"`(\w+): ([^`]+)`((?:(?:, | or )`\w+`)*)", said)
    defaults = {option: getattr(each(), option) for option in each.__struct_fields__}
    assert {option: default for option, default, _ in told} == {
        option: written(default) for option, default in defaults.items()
    }
    for option, default, others in told:
        kind = get_type_hints(each)[option]
        choices = ["true", "false"] if kind is bool else get_args(kind) if get_origin(kind) is Literal else [default]
        assert sorted([default, *re.findall(r"\w+", others.replace(" or ", " "))]) == sorted(choices)
