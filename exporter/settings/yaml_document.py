"""One YAML document as plain values, with the faults that YAML itself forgives: keys given twice, and aliases."""

from collections.abc import Iterator
from typing import Any

import yaml

from exporter.errors import Fault


def load(text: str) -> tuple[Any, list[Fault]]:
    """The document in *text*, or None where there is none that can be read, and what is wrong with its form."""
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            return None, [
                Fault("", "expected no YAML aliases (*name); each makes a document of any size from a few bytes")
            ]
        node = yaml.compose(text, yaml.SafeLoader)
        return yaml.safe_load(text), list(_given_twice(node, "")) if node else []
    except yaml.MarkedYAMLError as error:
        return None, [_syntax(error)]
    except RecursionError:
        return None, [Fault("", "expected YAML with less than a few hundred levels")]
    except (yaml.YAMLError, ValueError) as error:
        return None, [Fault("", f"expected YAML: {str(error).splitlines()[0]}")]


def _syntax(error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return Fault(where, f"expected YAML: {', '.join(filter(None, (error.context, error.problem)))}")


def _given_twice(node: yaml.Node, path: str) -> Iterator[Fault]:
    """A fault for each key that its mapping already has; a loader would keep the last and say nothing."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            at = f"{path}.{key.value}" if path else str(key.value)
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                yield Fault(at, f"expected once, found again in line {key.start_mark.line + 1}")
            seen.add(str(key.value))
            yield from _given_twice(value, at)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _given_twice(item, f"{path}[{index}]")
