"""One YAML document as plain values, with the faults that YAML itself forgives: keys given twice, and aliases.

What a file may have is bounded before anything is made of it, for the time that YAML takes grows with the square of the
levels, and that of a number with the square of its digits. Within the bounds it is a fraction of a second.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.reader import ReaderError

from exporter.errors import Fault
from exporter.settings.schema import MAX_BYTES, shortened

MOST_TOKENS = 20_000
"""A key with its value is four, an item of a list two."""
MOST_LEVELS = 10
MOST_DIGITS = 40
"""Characters of a number, which may also be a time or a date."""

_DEEPER = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_HIGHER = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
_REFUSED = {
    yaml.AliasToken: "no YAML aliases (*name); each makes a document of any size from a few bytes",
    yaml.TagToken: "no YAML tags (!name); what a value is follows from how it is written",
}
_NUMBERS = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp")}


class Texts(yaml.SafeLoader):
    """Takes every scalar for the text that it is, numbers and dates too, and only nothing for None."""


Texts.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> tuple[Any, list[Fault]]:
    """The document in *text*, or None where there is none that can be read, and what is wrong with its form."""
    try:
        refused = _refused(text)
        node = None if refused else yaml.compose(text, loader)
        if node is None:
            return None, refused
        faults, unreadable = list(_given_twice(node, "")), list(_unreadable(node, ""))
        return None if unreadable else SafeConstructor().construct_document(node), [*unreadable, *faults]
    except yaml.MarkedYAMLError as error:
        return None, [_syntax(error)]
    except ReaderError as error:
        lines = text[: error.position].split("\n")
        return None, [Fault(f"line {len(lines)}, column {len(lines[-1]) + 1}", f"expected YAML: {error.reason}")]


def _refused(text: str) -> list[Fault]:
    """The first thing for which a document in *text* is not even composed, if there is any. Raises YAMLError."""
    if len(text) > MAX_BYTES:
        return [Fault("", f"expected at most {MAX_BYTES} characters")]
    scanner = yaml.SafeLoader(text)
    try:
        return list(islice(_token_faults(scanner), 1))
    except (ValueError, OverflowError):  # of int() and chr(), which the scanner calls unguarded
        what = "found an escape sequence or a directive with a number that is out of range"
        return [Fault(_place(scanner.get_mark()), f"expected YAML: {what}")]


def _token_faults(scanner: yaml.SafeLoader) -> Iterator[Fault]:
    levels, tokens = 0, 0
    while scanner.check_token():
        token = scanner.get_token()  # type: ignore[no-untyped-call]
        tokens += 1
        levels = max(0, levels + isinstance(token, _DEEPER) - isinstance(token, _HIGHER))
        expected = _REFUSED.get(type(token)) or _excess(levels, tokens)
        if expected:
            yield Fault(_place(token.start_mark), f"expected {expected}")


def _excess(levels: int, tokens: int) -> str:
    """What is expected where there are more; empty where there are not."""
    if levels > MOST_LEVELS:
        return f"YAML with at most {MOST_LEVELS} levels"
    return f"at most {MOST_TOKENS} keys, values and brackets" if tokens > MOST_TOKENS else ""


def _syntax(error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    return Fault(_place(mark), f"expected YAML: {', '.join(filter(None, (error.context, error.problem)))}")


def _place(mark: yaml.Mark | None) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _given_twice(node: yaml.Node, path: str) -> Iterator[Fault]:
    """A fault for each key that its mapping already has; a loader would keep the last and say nothing."""
    seen: set[str] = set()
    for key, at, inner in _inside(node, path):
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                yield Fault(at, f"expected once, found again in line {key.start_mark.line + 1}")
            seen.add(key.value)
        yield from _given_twice(inner, at)


def _unreadable(node: yaml.Node, path: str) -> Iterator[Fault]:
    """A fault for each number and date, also as a key, that is none or goes on and on."""
    if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS:
        yield from _number_faults(node, path)
    for key, at, inner in _inside(node, path):
        if key is not None:
            yield from _unreadable(key, at)
        yield from _unreadable(inner, at)


def _number_faults(node: yaml.ScalarNode, path: str) -> Iterator[Fault]:
    if len(node.value) > MOST_DIGITS:
        yield Fault(path, f"expected a number of at most {MOST_DIGITS} digits, found {shortened(repr(node.value))}")
        return
    try:
        SafeConstructor().construct_object(node)
    except (ValueError, OverflowError):
        yield Fault(path, f"expected a number or a date, found {node.value!r}")


def _inside(node: yaml.Node, path: str) -> Iterator[tuple[yaml.Node | None, str, yaml.Node]]:
    """The nodes in a mapping or a list, each with its key, if it has one, and its path."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = shortened(str(key.value)) if isinstance(key, yaml.ScalarNode) else "?"
            yield key, f"{path}.{name}" if path else name, value
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield None, f"{path}[{index}]", item
