"""YAML text → plain values, within bounds that hold before anything is expanded.

PyYAML reads a key that stands twice as the last of the two, shares what an alias repeats (so that nine lines stand for
billions of values once somebody walks over them), and recurses as deep as the text nests.
"""

from __future__ import annotations

from typing import Any, Final

import yaml
from yaml.composer import Composer
from yaml.events import AliasEvent, CollectionStartEvent, ScalarEvent

from labelsnap.redaction import shown

MAX_DEPTH: Final = 20
MAX_NODES: Final = 200_000
"""Keys, values and lists in all, each as often as aliases repeat it."""
MAX_CHARACTERS: Final = 4 << 20
"""Of all keys and values, each as often as aliases repeat it."""
MAX_KEY: Final = 1000
MAX_NUMBER: Final = 100
"""Characters of a key; of a number, date or whatever else is no text."""
_TEXT: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"
UNREADABLE: Final = (yaml.YAMLError, ValueError, OverflowError)
"""What ``parse_yaml`` raises: the others come from numbers without digits, the 32nd of a month, no such character."""


def parse_yaml(text: str) -> Any:
    """The one document of a YAML text. Raises one of ``UNREADABLE``, most with a ``problem`` and a ``problem_mark``."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


_Parser: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""What makes events of text: libyaml, some ten times as fast, where it is there."""


class _Loader(Composer, _Parser):  # type: ignore[misc]
    """PyYAML's safe loader, which refuses while it reads: repeated keys, tags, and what is out of bounds."""

    def __init__(self, text: str) -> None:
        _Parser.__init__(self, text)
        Composer.__init__(self)
        self._depth = self._deepest = self._nodes = self._characters = 0
        self._measures: dict[int, tuple[int, int, int]] = {}  # a whole node: nodes, characters, depth

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()
        _check_event(event)
        nodes_before, characters_before, outer = self._nodes, self._characters, self._deepest
        self._depth += 1
        self._deepest = self._depth
        self._count(event, 0 if isinstance(event, AliasEvent) else 1, len(getattr(event, "value", None) or ""))
        node = super().compose_node(parent, index)
        if isinstance(event, AliasEvent):
            if id(node) not in self._measures:
                raise _refused(f"the alias *{event.anchor} stands within what it repeats", event)
            nodes, characters, height = self._measures[id(node)]
            self._deepest += height - 1
            self._count(event, nodes, characters)
        else:
            nodes, characters = self._nodes - nodes_before, self._characters - characters_before
            self._measures[id(node)] = nodes, characters, self._deepest - self._depth + 1
        self._depth -= 1
        self._deepest = max(outer, self._deepest)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            name = self._name(key)
            line = key.start_mark.line + 1
            if name in lines:
                raise _refused(f"the key {shown(key.value)} is given twice, at lines {lines[name]} and {line}", key)
            lines[name] = line
        return node

    def _name(self, key: yaml.Node) -> Any:
        if not isinstance(key, yaml.ScalarNode):
            raise _refused("a key is a list or has keys of its own", key)
        if len(key.value) > MAX_KEY:
            raise _refused(f"a key has more than {MAX_KEY} characters", key)
        return (_MERGE,) if key.tag == _MERGE else self.construct_object(key)

    def _count(self, event: yaml.Event, nodes: int, characters: int) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._characters > MAX_CHARACTERS:
            raise _refused(f"it holds more than {MAX_CHARACTERS:,} characters, counting what aliases repeat", event)
        if self._nodes > MAX_NODES:
            raise _refused(f"it holds more than {MAX_NODES:,} values, counting what aliases repeat", event)
        if self._deepest > MAX_DEPTH:
            raise _refused(f"it nests more than {MAX_DEPTH} deep", event)

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if node.tag != _TEXT and len(node.value) > MAX_NUMBER:
            raise _refused(f"a number or date has more than {MAX_NUMBER} characters", node)
        if any("\ud800" <= letter <= "\udfff" for letter in node.value):
            raise _refused("a text has half a character (a lone surrogate)", node)
        return node


def _check_event(event: Any) -> None:
    tagged = isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag not in {None, "!", _TEXT}
    if tagged or (isinstance(event, CollectionStartEvent) and event.tag is not None):
        raise _refused("tags such as !!int are not read", event)


def _refused(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)
