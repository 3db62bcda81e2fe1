"""How many series a host makes, the exporter's own among them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from exporter.count.census import Census, Memory, blank
from exporter.count.report import Sample
from exporter.count.rules import NamespaceRules, PortRules
from exporter.show.exposition import render
from exporter.show.formats import Format, Variant
from exporter.tcp.limits import ELSEWHERE
from exporter.tcp.sockets import Listener, Row, Socket
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
    memory, lasting = blank(PortRules(), NamespaceRules()), (State.ESTABLISHED, State.TIME_WAIT)
    census([*served((*lasting, *PASSING)), *dialled(lasting)], LISTENERS, memory=memory, limits=samples.LIMITS)

    found = census([*served(lasting), *dialled(lasting)], LISTENERS, memory=memory, now=595.0, limits=samples.LIMITS)

    assert found.total(State.SYN_RECV) == 0
    assert 300 < series(found) <= 350


def test_an_idle_host_has_at_most_150_series() -> None:
    assert of([], LISTENERS[:3]) <= 150


PODS = range(4026532001, 4026532201)
NODE_LIMITS = {
    netns: replace(samples.LIMITS, values={name: samples.LIMITS.values[name] for name in ELSEWHERE}) for netns in PODS
}
NODE_LISTENERS = [*LISTENERS, *(Listener(8080, 0, 4096, netns=netns) for netns in PODS)]


def pods(states: Iterable[State]) -> list[Socket]:
    """In each pod a service, whose sockets are in these *states*, and two others that it asks."""
    lasting = (State.ESTABLISHED, State.TIME_WAIT)
    served = [(state, 8080, 40000 + end) for state in states for end in range(3)]
    dialled = [(state, 40000 + end, port) for port in (5432, 6379) for state in lasting for end in range(3)]
    return [socket(*one, netns=netns) for netns in PODS for one in (*served, *dialled)]


def node(states: Iterable[State], memory: Memory, now: float) -> Census:
    """A web host with pods."""
    lasting = (State.ESTABLISHED, State.TIME_WAIT)
    sockets = [*served(lasting), *dialled(lasting), *pods(states)]
    found = census(sockets, NODE_LISTENERS, memory=memory, now=now, limits=samples.LIMITS, elsewhere=NODE_LIMITS)
    return replace(found, namespaces_missed=0)


def test_a_node_with_200_pods_has_less_than_6000_series() -> None:
    found = node((State.ESTABLISHED, State.TIME_WAIT), blank(PortRules(), NamespaceRules()), 0.0)

    assert found.namespaces == 201
    assert 200 * 17 < series(found) < 6000


def test_it_has_less_also_when_the_services_of_all_pods_have_just_had_what_passes() -> None:
    memory, lasting = blank(PortRules(), NamespaceRules()), (State.ESTABLISHED, State.TIME_WAIT)
    node((*lasting, *PASSING), memory, 0.0)

    found = node(lasting, memory, 595.0)

    assert {State.FIN_WAIT2, State.SYN_RECV} <= found.shown[Row(str(PODS[-1]), "server", "8080")]
    assert 5000 < series(found) < 6000
