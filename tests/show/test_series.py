"""How many series a host makes, the exporter's own among them."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from exporter.count.census import Census, blank
from exporter.count.report import Sample
from exporter.count.rules import PortRules
from exporter.show.exposition import render
from exporter.show.formats import Format, Variant
from exporter.tcp.sockets import Listener, Socket
from exporter.tcp.states import State
from tests.count.test_census import census, socket
from tests.show import samples

LOCAL = (22, 25, 80, 443, 8080, 8443, 9090, 9100)
REMOTE = (53, 389, 443, 2181, 3306, 4317, 5432, 6379, 8500, 9092, 11211, 27017)
LISTENERS = [Listener(port, 0, 128) for port in LOCAL]
PASSING = (State.SYN_RECV, State.FIN_WAIT2, State.LAST_ACK)
"""What connections to a server pass through, and is seen now and then."""


def series(census: Census) -> int:
    """The lines of /metrics that are no comments."""
    own = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=own)
    report = samples.report(last=Sample(census, at=0.0, now=1000.0, seconds=0.1))
    text = render(Variant(Format.TEXT_0_0_4, gzip=False), report, 1001.0, own.collect()).decode()
    return sum(not line.startswith("#") for line in text.splitlines())


def served(states: Iterable[State]) -> list[Socket]:
    return [socket(state, port, 40000 + end) for port in LOCAL for state in states for end in range(3)]


def dialled(states: Iterable[State]) -> list[Socket]:
    return [socket(state, 40000 + end, port) for port in REMOTE for state in states for end in range(3)]


def of(sockets: Sequence[Socket], listeners: Sequence[Listener]) -> int:
    return series(census(sockets, listeners, limits=samples.LIMITS))


def test_a_web_host_has_at_most_350_series() -> None:
    lasting = (State.ESTABLISHED, State.TIME_WAIT)

    assert of([*served(lasting), *dialled(lasting)], LISTENERS) <= 350


def test_it_has_no_more_when_every_service_has_just_had_what_passes() -> None:
    memory, lasting = blank(PortRules()), (State.ESTABLISHED, State.TIME_WAIT)
    census([*served((*lasting, *PASSING)), *dialled(lasting)], LISTENERS, memory=memory, limits=samples.LIMITS)

    found = census([*served(lasting), *dialled(lasting)], LISTENERS, memory=memory, now=595.0, limits=samples.LIMITS)

    assert found.total(State.SYN_RECV) == 0
    assert 300 < series(found) <= 350


def test_an_idle_host_has_at_most_150_series() -> None:
    assert of([], LISTENERS[:3]) <= 150
