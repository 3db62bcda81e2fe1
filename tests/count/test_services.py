"""Stories of services that die, and of their sockets, which live on; time is a number."""

from collections.abc import Iterable

from exporter.count.services import KEPT_SECONDS, LOOK_SECONDS, REMEMBERED, HostServices, Services
from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import Listener, Service

EPHEMERAL = range(32768, 61000)


def listening(*ports: int) -> list[Listener]:
    return [Listener(port, 0, 128) for port in ports]


def service(  # noqa: PLR0913 - a question about a socket
    known: Services, local: int, remote: int, listeners: Iterable[Listener], now: float, *, named: Iterable[int] = ()
) -> Service:
    return known.roles(listeners, frozenset(named), EPHEMERAL, now).service(local, remote)


def test_a_service_that_died_is_one_for_ten_minutes() -> None:
    """Even inside the ephemeral range, where nothing but the memory tells."""
    known = Services()

    assert service(known, 50051, 40000, listening(50051), now=0) == Service("server", 50051)
    assert service(known, 50051, 40000, [], now=KEPT_SECONDS) == Service("server", 50051)
    assert service(known, 50051, 40000, [], now=KEPT_SECONDS + 1) == Service("client", 40000)


def test_as_long_as_it_has_sockets_a_service_that_died_is_one() -> None:
    known = Services()
    service(known, 50051, 40000, listening(50051), now=0)
    for now in range(5, 24 * 3600, 300):
        known.note({50051: 60}, now)

        assert service(known, 50051, 2000, [], now) == Service("server", 50051)

    last = now + KEPT_SECONDS
    assert service(known, 50051, 2000, [], last) == Service("server", 50051)
    assert service(known, 50051, 2000, [], last + 1) == Service("client", 2000)


def test_a_port_that_was_never_a_services_does_not_become_one_by_having_sockets() -> None:
    known = Services()
    known.note({40000: 5}, now=0)

    assert service(known, 40000, 443, [], now=1) == Service("client", 443)


def test_a_named_server_is_one_without_ever_having_listened() -> None:
    assert service(Services(), 50051, 40000, [], now=0, named=[50051]) == Service("server", 50051)


def test_a_shared_port_that_was_found_is_a_services() -> None:
    known = Services()
    known.learn({50051}, now=0)

    assert service(known, 50051, 40000, [], now=5) == Service("server", 50051)


def test_shared_ports_are_looked_for_at_first_and_once_a_minute() -> None:
    known = HostServices()
    assert known.is_looking(0)

    known.looked(now=0)
    assert not known.is_looking(LOOK_SECONDS - 1)
    assert known.is_looking(LOOK_SECONDS)


def test_a_program_that_listens_on_one_port_after_the_other_is_remembered_within_bounds() -> None:
    known = Services()
    for now in range(10):
        known.roles(listening(*range(1000 * now, 1000 * now + 1000)), frozenset(), EPHEMERAL, now)

    assert len(known._seen) == REMEMBERED
    assert service(known, 9999, 80, [], now=10) == Service("server", 9999)
    assert service(known, 1, 80, [], now=10) == Service("client", 80)


POD = 4026532001
EVERYWHERE = {OWN: EPHEMERAL, POD: EPHEMERAL}


def test_who_listens_in_one_namespace_is_a_service_there_and_nowhere_else() -> None:
    known = HostServices()
    roles = known.roles([Listener(50051, 0, 128, netns=POD)], EVERYWHERE, (), now=0)

    assert roles.of(POD).service(50051, 40000) == Service("server", 50051, POD)
    assert roles.of(OWN).service(50051, 40000) == Service("client", 40000)
    assert known.known((), now=0) == {OWN: set(), POD: {50051}}


def test_a_service_that_died_is_one_for_ten_minutes_in_its_namespace() -> None:
    known = HostServices()
    known.roles([Listener(50051, 0, 128, netns=POD)], EVERYWHERE, (), now=0)

    for now, expected in ((KEPT_SECONDS, Service("server", 50051, POD)), (KEPT_SECONDS + 1, Service("client", 2, POD))):
        assert known.roles([], EVERYWHERE, (), now).of(POD).service(50051, 2) == expected


def test_a_named_server_is_one_in_every_namespace() -> None:
    roles = HostServices().roles([], EVERYWHERE, [50051], now=0)

    assert [roles.of(netns).service(50051, 40000) for netns in EVERYWHERE] == [
        Service("server", 50051),
        Service("server", 50051, POD),
    ]


def test_a_named_server_is_known_before_the_first_sample_and_in_all_namespaces_that_this_has_shown() -> None:
    known = HostServices()
    assert known.known([50051], now=0) == {OWN: {50051}}

    known.roles([Listener(80, 0, 1, netns=POD)], EVERYWHERE, [50051], now=0)

    assert known.known([50051], now=5) == {OWN: {50051}, POD: {80, 50051}}


def test_each_namespace_has_its_own_ephemeral_range() -> None:
    roles = HostServices().roles([], {OWN: EPHEMERAL, POD: range(1024, 65536)}, (), now=0)

    assert roles.of(OWN).service(8080, 40000) == Service("server", 8080)
    assert roles.of(POD).service(8080, 40000) == Service("client", 40000, POD)


def test_a_namespace_that_is_gone_is_forgotten_with_its_services() -> None:
    known = HostServices()
    for job in range(1000):
        known.roles([Listener(80, 0, 1, netns=POD + job)], {POD + job: EPHEMERAL}, (), now=60.0 * job)
        known.known((), now=60.0 * job)

        assert len(known._of) <= KEPT_SECONDS / 60 + 1
