"""The configuration: YAML text in, a frozen ``Config`` out, or one error that names every fault with its place.

No file is needed: the defaults are the product. YAML is imported only when there is a file, because the exporter also
has to start fast.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

from exporter import durations
from exporter.count.rules import NamespaceRules, OwnerRules, PortRules, StuckRules
from exporter.errors import ConfigError, Fault
from exporter.settings import thresholds
from exporter.settings.schema import Check, boolean, fault, mapping, one_of, read, scalar
from exporter.tcp.states import WATCHED

MAX_PORT = 65535
MOST_NAMED = 1000
"""Ports of a role that may have a row of their own."""
SOURCES = ("auto", "bpf", "sock_diag", "procfs", "psutil")


@dataclass(frozen=True)
class Config:
    """How to sample."""

    interval: float = 5.0
    """Seconds between samples."""
    source: str = "auto"
    """One of SOURCES."""
    max_cpu: float = 0.05
    """Share of one core that sampling may take."""
    addresses: bool = True
    """Whether the page and the list of stuck sockets tell them."""
    ports: PortRules = field(default_factory=PortRules)
    namespaces: NamespaceRules = field(default_factory=NamespaceRules)
    stuck: StuckRules = field(default_factory=StuckRules)


def named(path: Path | None) -> Config:
    """The configuration in *path*, or the defaults where none is named. Raises ConfigError."""
    return load(path) if path else Config()


def load(path: Path) -> Config:
    """The configuration in the file *path*. Raises ConfigError."""
    return parse(read(path), str(path))


def parse(text: str, file: str) -> Config:
    """The configuration in *text*, read from *file*. Raises ConfigError."""
    from exporter.settings import yaml_document  # noqa: PLC0415 - see the module's docstring

    document, faults = yaml_document.load(text)
    values = mapping(_KEYS)(document, "", faults)
    if faults:
        raise ConfigError(file, tuple(faults))
    stuck, owners = values.pop("stuck_after", {}), values.pop("owners", {})
    rules = StuckRules(thresholds.after(stuck), OwnerRules(**owners), thresholds.by_service(stuck))
    return Config(**values, stuck=rules)


def _interval(value: Any) -> float:
    seconds = durations.seconds(value)
    if not 0.1 <= seconds <= 3600:
        raise ValueError(value)
    return seconds


def _share(value: Any) -> float:
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%", value, re.ASCII)
    if match is None or not 0 < float(match[1]) <= 100:
        raise ValueError(value)
    return float(match[1]) / 100


def _number(low: int, high: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(value)
        return value

    return convert


def _port_range(value: Any) -> range:
    """A port, or a range of ports, both ends included."""
    if not isinstance(value, str):
        port = _number(1, MAX_PORT)(value)
        return range(port, port + 1)
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", value, re.ASCII)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MAX_PORT:
        raise ValueError(value)
    return range(int(match[1]), int(match[2]) + 1)


def _port_list(value: Any, path: str, faults: list[Fault], expected: str = "a list of ports") -> frozenset[int]:
    if not isinstance(value, list):
        faults.append(fault(path, expected, value))
        return frozenset()
    if len(value) > MOST_NAMED:
        faults.append(Fault(path, f"expected at most {MOST_NAMED} ports and ranges, found {len(value)}"))
        return frozenset()
    item = scalar('a port from 1 to 65535, or a range such as "9000-9010"', _port_range)
    found = [item(port, f"{path}[{index}]", faults) for index, port in enumerate(value)]
    return _union(ports for ports in found if ports is not None)


def _union(ranges: Iterable[range]) -> frozenset[int]:
    """The ports that are in any of the *ranges*; a thousand may have all ports each."""
    named = bytearray(MAX_PORT + 1)
    for ports in ranges:
        named[ports.start : ports.stop] = bytes([1]) * len(ports)
    return frozenset(compress(range(len(named)), named))


def _client_ports(value: Any, path: str, faults: list[Fault]) -> frozenset[int] | None:
    return None if value == "auto" else _port_list(value, path, faults, "auto, or a list of ports")


def _ports(value: Any, path: str, faults: list[Fault]) -> PortRules:
    before = len(faults)
    found = mapping(_PORT_KEYS)(value, path, faults)
    if len(faults) > before:  # then some of what was found is not what it should be
        return PortRules()
    rules = PortRules(**found)
    for role, named in (("server", rules.server), ("client", rules.client or frozenset())):
        if len(named) > rules.max:
            faults.append(
                Fault(f"{path}.{role}", f"expected at most ports.max ({rules.max}) ports, found {len(named)}")
            )
    return rules


_PORT_KEYS: Mapping[str, Check] = {
    "listening": scalar("true or false", boolean),
    "server": _port_list,
    "client": _client_ports,
    "max": scalar(f"a number from 1 to {MOST_NAMED}", _number(1, MOST_NAMED)),
}

_WHICH = ("own", "all")

_NAMESPACE_KEYS: Mapping[str, Check] = {
    "which": scalar("own or all", one_of(_WHICH)),
    "max": scalar("a number from 1 to 1000", _number(1, 1000)),
    "ports": scalar("a number from 1 to 100", _number(1, 100)),
}


def _namespaces(value: Any, path: str, faults: list[Fault]) -> NamespaceRules:
    """``own``, ``all``, or a mapping."""
    if value is not None and not isinstance(value, dict):
        expected = f"own, all, or a mapping with keys {', '.join(_NAMESPACE_KEYS)}"
        return NamespaceRules(scalar(expected, one_of(_WHICH))(value, path, faults) or "own")
    before = len(faults)
    found = mapping(_NAMESPACE_KEYS)(value, path, faults)
    return NamespaceRules(**found) if len(faults) == before else NamespaceRules()


_STUCK_KEYS: Mapping[str, Check] = {state.label: thresholds.of_state for state in WATCHED}

_OWNER_KEYS: Mapping[str, Check] = {
    "enabled": scalar("true or false", boolean),
    "processes": scalar("true or false", boolean),
    "max": scalar("a number from 1 to 1000", _number(1, 1000)),
}

_KEYS: Mapping[str, Check] = {
    "interval": scalar("a duration from 100ms to 1h, such as 5s", _interval),
    "source": scalar(f"one of {', '.join(SOURCES)}", one_of(SOURCES)),
    "max_cpu": scalar("a share of one core above 0% and up to 100%, such as 5%", _share),
    "addresses": scalar("true or false", boolean),
    "ports": _ports,
    "namespaces": _namespaces,
    "stuck_after": mapping(_STUCK_KEYS),
    "owners": mapping(_OWNER_KEYS),
}
