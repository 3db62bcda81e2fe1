"""After how long a socket is stuck: for each state a duration, or a mapping that tells services apart.

stuck_after: {fin_wait2: 2m, close_wait: {default: 2m, "server 8080": 1h, "client 5432": null}}
"""

import re
from collections.abc import Mapping
from typing import Any

from exporter import durations
from exporter.count.rules import Seconds, StuckRules
from exporter.errors import Fault
from exporter.settings.schema import mapping, scalar
from exporter.tcp.sockets import PORTS, ROLES, Service
from exporter.tcp.states import WATCHED, State

MAX_SECONDS = 7 * 24 * 3600
_DEFAULT = "default"
_PORT = re.compile(r"\b[1-9]\d{0,4}\b", re.ASCII)

ByService = Mapping[Service | None, Seconds]
"""What the file says of a state; under None, of all services that it does not name."""


def after(found: Mapping[str, ByService]) -> Mapping[State, float]:
    """Seconds by state: the defaults, with what the file says for all services; null takes a state out."""
    usual = StuckRules().after
    seconds = {state: found.get(state.label, {}).get(None, usual[state]) for state in usual}
    return {state: number for state, number in seconds.items() if number is not None}


def by_service(found: Mapping[str, ByService]) -> Mapping[tuple[State, Service], Seconds]:
    """Seconds by state and service, of the services that the file names."""
    return {
        (state, service): seconds
        for state in WATCHED
        for service, seconds in found.get(state.label, {}).items()
        if service is not None
    }


def _seconds(value: Any) -> Seconds:
    if value is None:
        return None
    seconds = durations.seconds(value)
    if not 1 <= seconds <= MAX_SECONDS:
        raise ValueError(value)
    return seconds


_DURATION = "a duration from 1s to 168h, such as 2m"
_OF_STATE = scalar(
    f'{_DURATION}, null to switch the state off, or a mapping such as {{default: 2m, "server 8080": 1h}}', _seconds
)
_OF_SERVICE = scalar(f"{_DURATION}, or null to switch it off", _seconds)
_NAME = f'default, or a role and a port from 1 to {PORTS - 1} such as "server 8080"'


def of_state(value: Any, path: str, faults: list[Fault]) -> ByService:
    """Check what the file says of a state."""
    if not isinstance(value, dict):
        return {None: _OF_STATE(value, path, faults)}
    found: dict[Service | None, Seconds] = {}
    for key, seconds in value.items():
        services = _services(str(key))
        check = mapping(dict.fromkeys(services, _OF_SERVICE), _NAME)
        found |= {services[name]: known for name, known in check({key: seconds}, path, faults).items()}
    return found


def _services(key: str) -> Mapping[str, Service | None]:
    """By name all that a *key* may mean: the default, and both roles of a port that stands in it."""
    match = _PORT.search(key)
    ports = [int(match[0])] if match and int(match[0]) < PORTS else []
    return {_DEFAULT: None} | {f"{role} {port}": Service(role, port) for port in ports for role in ROLES}
