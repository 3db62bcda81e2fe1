"""The shape of a configuration file: YAML text in, checked values out, and a fault with its place for each mistake."""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporter.errors import ConfigError, Fault
from exporter.settings import regular_file

MAX_BYTES = 1 << 17
"""A thousand users with their hashes, or two thousand thresholds, and comments."""
MOST_SHOWN = 60
"""Characters of what was found, in a fault."""


def read(path: Path) -> str:
    """The text of a configuration file. Raises ConfigError."""
    try:
        with regular_file.opened(path) as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise ConfigError(str(path), (Fault("", f"cannot be read: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), (Fault("", f"expected UTF-8, found byte {error.start} is not"),)) from error
    if len(content) > MAX_BYTES:
        raise ConfigError(str(path), (Fault("", f"expected at most {MAX_BYTES} bytes"),))
    return text


Check = Callable[[Any, str, list[Fault]], Any]
"""Takes a value and its path, gives the checked value, and adds the faults that it finds."""


def mapping(keys: Mapping[str, Check], expected: str = "") -> Check:
    """A mapping of *keys*, which may be said in other words to be *expected*; nothing at all is an empty one."""

    def check(value: Any, path: str, faults: list[Fault]) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            faults.append(fault(path, f"a mapping with keys {', '.join(keys)}", value))
            return {}
        faults.extend(_unknown(path, shortened(str(key)), keys, expected) for key in value if key not in keys)
        known = {key: value[key] for key in keys if key in value}
        return {key: keys[key](inner, f"{path}.{key}" if path else key, faults) for key, inner in known.items()}

    return check


def scalar(expected: str, convert: Callable[[Any], Any]) -> Check:
    """A value for which *convert* does not raise TypeError or ValueError."""

    def check(value: Any, path: str, faults: list[Fault]) -> Any:
        try:
            return convert(value)
        except (TypeError, ValueError):
            faults.append(fault(path, expected, value))
            return None

    return check


def one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        if value not in choices:
            raise ValueError(value)
        return str(value)

    return convert


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _unknown(path: str, key: str, keys: Mapping[str, Check], expected: str) -> Fault:
    """For a *key* of the mapping at *path*."""
    near = difflib.get_close_matches(key, keys, n=1)
    hint = f", did you mean {near[0]}?" if near else f", expected {expected}" if expected else ""
    return Fault(f"{path}.{key}" if path else key, f"unknown key{hint}")


def fault(path: str, expected: str, value: Any) -> Fault:
    found = repr(value) if value is not None else "nothing"
    return Fault(path, f"expected {expected}, found {shortened(found)}")


def shortened(text: str) -> str:
    """*text* as far as a fault shows it, in one line."""
    line = text if text.isprintable() else repr(text)[1:-1]
    return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 3]}..."
