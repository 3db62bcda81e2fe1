"""The hosts that are measured: so many sockets, in so many to the hundred of each state."""

from collections.abc import Callable

from tests.lab.netns import Namespace
from tests.lab.population import Population

Load = Callable[[Namespace], Population]
Scale = Callable[[int], int]
"""How many sockets are made of those that a section is about."""


def busy(size: int, ports: int = 10) -> Load:
    """A host with 4 % of its sockets in states that are watched, as the README says."""
    hundredth = size // 100
    return lambda host: Population(
        host,
        established=60 * hundredth,
        time_wait=36 * hundredth,
        fin_wait2=2 * hundredth,
        close_wait=2 * hundredth,
        ports=ports,
    )


def orderly(size: int) -> Load:
    """The same without those."""
    hundredth = size // 100
    return lambda host: Population(host, established=60 * hundredth, time_wait=40 * hundredth, ports=10)


def hanging(size: int) -> Load:
    """As many watched as on a busy host, but with timers running: the kernel tells each of them anew each time."""
    hundredth = size // 100
    return lambda host: Population(
        host, established=60 * hundredth, time_wait=36 * hundredth, fin_wait1=4 * hundredth, ports=10
    )


def leaking(size: int) -> Load:
    """All sockets are in FIN_WAIT2 and CLOSE_WAIT, and stay there."""
    return lambda host: Population(host, fin_wait2=size // 2, close_wait=size // 2)


def scanning(size: int) -> Load:
    """Connected to as many ports, as one who scans or a peer among peers."""
    return lambda host: Population(host, remote_ports=size)


def proxying(size: int) -> Load:
    """Connected to one port of as many addresses."""
    return lambda host: Population(host, destinations=size)


def idle(host: Namespace) -> Population:
    """Nothing but the sockets that listen."""
    return Population(host, ports=1)


def quiet(host: Namespace) -> Population:
    """One connection."""
    return Population(host, established=2, ports=1)
