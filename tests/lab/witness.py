"""What ss(8) sees: the independent count that ours is compared with."""

import time
from collections import Counter
from collections.abc import Callable

from exporter.tcp import State
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


def by_state(namespace: Namespace) -> Counter[State]:
    """Sockets of the namespace by state."""
    lines = namespace.run("ss", "-tanH").splitlines()
    return Counter(_STATES[line.split(None, 1)[0]] for line in lines)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 5.0) -> None:
    """Wait until *condition* holds, or fail."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)
