"""What ss(8) sees: the independent count that ours is compared with."""

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from exporter.tcp.states import State
from tests.lab.netns import Namespace

_STATES = {
    "ESTAB": State.ESTABLISHED,
    "SYN-SENT": State.SYN_SENT,
    "SYN-RECV": State.SYN_RECV,
    "FIN-WAIT-1": State.FIN_WAIT1,
    "FIN-WAIT-2": State.FIN_WAIT2,
    "TIME-WAIT": State.TIME_WAIT,
    "UNCONN": State.CLOSE,
    "CLOSE-WAIT": State.CLOSE_WAIT,
    "LAST-ACK": State.LAST_ACK,
    "LISTEN": State.LISTEN,
    "CLOSING": State.CLOSING,
}


_DETAIL = re.compile(r"(timer:\(|ino:)(\w+)")

Value = TypeVar("Value")


class Row(NamedTuple):
    """A socket as ss shows it."""

    state: State
    local_port: int
    remote_port: int
    """0 for a listening socket, which has no peer."""
    receive_queue: int
    """Bytes that nobody has read, a FIN counting as one; for a listening socket, connections nobody has accepted."""
    timer: str
    """``on`` while packets are sent again, ``keepalive``, ``timewait``, ``persist``, or empty."""
    inode: int
    """0 for a socket that no process has, or none yet."""


def rows(namespace: Namespace) -> list[Row]:
    """The sockets of the namespace, one by one."""
    return [_row(line) for line in namespace.run("ss", "-tanoeH").splitlines()]


def by_state(namespace: Namespace) -> Counter[State]:
    """Sockets of the namespace by state."""
    return Counter(_STATES[line.split(None, 1)[0]] for line in namespace.run("ss", "-tanH").splitlines())


def mini_sockets(namespace: Namespace) -> int:
    """How many sockets are in TIME_WAIT, or in FIN_WAIT2 with nobody to hold them; takes no walk over all of them."""
    with namespace.entered():
        text = Path("/proc/thread-self/net/sockstat").read_text()
    found = re.search(r"^TCP: .* tw (\d+)", text, re.MULTILINE)
    assert found, text
    return int(found[1])


def _row(line: str) -> Row:
    state, receive_queue, _, local, remote, *details = line.split()
    known = dict(_DETAIL.findall(" ".join(details)))
    timer, inode = known.get("timer:(", ""), int(known.get("ino:", 0))
    return Row(_STATES[state], _port(local), _port(remote), int(receive_queue), timer, inode)


def _port(address: str) -> int:
    port = address.rpartition(":")[2]
    return 0 if port == "*" else int(port)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until *condition* holds, or fail; on a busy machine nothing comes at once."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def answered(ask: Callable[[], Value], what: str, seconds: float = 20.0) -> Value:
    """The first answer that is not empty; fail if there is none."""
    found: list[Value] = []

    def is_answered() -> bool:
        found[:] = [ask()]
        return bool(found[0])

    wait_for(is_answered, what, seconds)
    return found[0]


def wait_for_value(ask: Callable[[], Value], expected: Value, what: str, seconds: float = 20.0) -> None:
    """Wait until *ask* gives what is *expected*, or fail and tell both."""
    end = time.monotonic() + seconds
    while (found := ask()) != expected:
        if time.monotonic() >= end:
            assert found == expected, f"not within {seconds} s: {what}"
        time.sleep(0.01)
