"""Leaks of all shapes: when somebody is paged about them, when there is a ticket, and when there is silence."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.deploy.shapes import (
    DAY,
    HOST,
    HOUR,
    MINUTE,
    OTHERS,
    Holder,
    Leak,
    Values,
    burst,
    doubling,
    hourly,
    later,
    series,
    steadily,
    story,
    until,
    waves,
)

PAGE, TICKET, FLEET = "TCPHolderRunsOutOfDescriptors", "TCPSocketsStuck", "TCPSocketsStuckOnManyHosts"

intervals = pytest.mark.parametrize("interval", [15, 30, 60], ids="every {} s".format)


def end(leak: Leak, limit: int) -> float:
    """When the descriptors are gone, in seconds."""
    at = 0.0
    while leak(at) < limit - OTHERS:
        at += 10
    return at


@intervals
@pytest.mark.parametrize(
    ("rate", "limit", "within"),
    [
        (50, 512, 4 * MINUTE),
        (50, 1024, 4 * MINUTE),
        (5, 512, 4 * MINUTE),
        (5, 1024, 4 * MINUTE),
        (1, 1024, 8 * MINUTE),
        (0.3, 1024, 25 * MINUTE),
    ],
)
def test_a_fast_leak_pages_at_once_and_until_it_is_released(
    rate: float, limit: int, within: float, interval: int, tmp_path: Path
) -> None:
    """Also while it is full and grows no more."""
    released = 40 * MINUTE
    told = story(interval, 50 * MINUTE, Holder(until(released, steadily(rate)), limit))

    page = told.alerts(tmp_path)[PAGE]

    assert page.first <= within
    assert (page.missing, page.together) == (0, 1)
    assert released - interval <= page.last <= released


@intervals
@pytest.mark.parametrize(
    ("leak", "limit", "hours"),
    [
        pytest.param(steadily(0.05), 1024, (1, 4), id="0.05 a second"),
        pytest.param(hourly(200), 1024, (1, 4), id="200 an hour"),
        pytest.param(hourly(100), 1024, (1, 4), id="100 an hour"),
        pytest.param(steadily(0.015), 1024, (1, 6), id="0.015 a second"),
        pytest.param(steadily(0.005), 1024, (1, 6), id="0.005 a second"),
        pytest.param(steadily(1), 65_536, (1, 4), id="1 a second of 65,536"),
        pytest.param(doubling(10 * MINUTE), 1024, (0.9, 1.5), id="doubling in ten minutes"),
    ],
)
def test_a_slow_leak_pages_hours_before_the_end(
    leak: Leak, limit: int, hours: tuple[float, float], interval: int, tmp_path: Path
) -> None:
    gone = end(leak, limit)
    begun = max(0.0, gone - 6.5 * HOUR)  # what was before that makes no difference
    told = story(interval, gone - begun, Holder(later(begun, leak), limit))

    page = told.alerts(tmp_path)[PAGE]

    least, most = hours
    assert least * HOUR <= gone - (begun + page.first) <= most * HOUR
    assert (page.last, page.missing, page.together) == (told.seconds, 0, 1)


@intervals
def test_a_leak_on_fifty_ports_of_one_process_is_one_page_and_one_ticket(interval: int, tmp_path: Path) -> None:
    told = story(interval, 30 * MINUTE, Holder(steadily(1), ports=50))

    alerts = told.alerts(tmp_path)

    assert (alerts[PAGE].together, alerts[TICKET].together) == (1, 1)


@intervals
def test_a_burst_that_nearly_fills_a_process_pages(interval: int, tmp_path: Path) -> None:
    page = story(interval, HOUR, Holder(burst(900))).alerts(tmp_path)[PAGE]

    assert page.first <= 4 * MINUTE
    assert (page.last, page.missing) == (HOUR, 0)


@intervals
@pytest.mark.parametrize(
    "holder",
    [
        pytest.param(Holder(burst(200)), id="a burst of 200"),
        pytest.param(Holder(steadily(1), limit=65_536), id="hours left"),
        pytest.param(Holder(steadily(0.1), limit=65_536), id="days left"),
        *(pytest.param(Holder(burst(idle)), id=f"an idle pool of {idle}") for idle in (30, 100, 300)),
        pytest.param(Holder(waves(200, 40 * MINUTE)), id="waves of a garbage collector"),
    ],
)
def test_what_leaves_time_is_a_ticket(holder: Holder, interval: int, tmp_path: Path) -> None:
    told = story(interval, 4 * HOUR, holder)

    alerts = told.alerts(tmp_path)

    assert PAGE not in alerts
    assert alerts[TICKET].together == 1


def test_what_is_restarted_every_night_before_it_is_full_is_a_ticket(tmp_path: Path) -> None:
    told = story(60, 2.5 * DAY, Holder(waves(0.85 * 1024 - OTHERS, DAY)))

    alerts = told.alerts(tmp_path)

    assert PAGE not in alerts
    assert TICKET in alerts


@intervals
def test_few_stuck_sockets_on_each_of_many_hosts_are_one_ticket(interval: int, tmp_path: Path) -> None:
    hosts = [Holder(burst(2), host=HOST | {"instance": f"web{number}"}) for number in range(30)]
    told = story(interval, 90 * MINUTE, *hosts)

    alerts = told.alerts(tmp_path)

    assert (set(alerts), alerts[FLEET].together) == ({FLEET}, 1)


@intervals
@pytest.mark.parametrize(("rate", "within"), [(1, 9 * MINUTE), (50, 4 * MINUTE)])
def test_where_descriptors_are_not_known_a_limit_is_assumed(
    rate: float, within: float, interval: int, tmp_path: Path
) -> None:
    page = story(interval, 30 * MINUTE, Holder(steadily(rate), knows_descriptors=False)).alerts(tmp_path)[PAGE]

    assert page.first <= within
    assert (page.last, page.missing, page.together) == (30 * MINUTE, 0, 1)


@intervals
def test_where_owners_are_not_told_a_host_counts_as_one(interval: int, tmp_path: Path) -> None:
    everything = story(interval, 30 * MINUTE, Holder(steadily(1), ports=3))
    told = replace(everything, series=_only("tcpstate_stuck_sockets{", everything.series))

    alerts = told.alerts(tmp_path)

    assert alerts[PAGE].first <= 9 * MINUTE
    assert alerts[TICKET].together == 1


def _only(beginning: str, all_series: Mapping[str, Values]) -> Mapping[str, Values]:
    return {name: values for name, values in all_series.items() if name.startswith(beginning)}


@intervals
def test_traffic_that_moves_the_number_of_descriptors_is_silence(interval: int, tmp_path: Path) -> None:
    """Some stuck sockets are there all the time, and 95 % of the descriptors are in use for moments."""
    busy = Holder(burst(8), limit=4096, others=waves(3800, 20 * MINUTE))
    told = story(interval, 2 * HOUR, busy)

    assert told.alerts(tmp_path) == {}


@intervals
def test_traffic_beside_an_idle_pool_is_a_ticket(interval: int, tmp_path: Path) -> None:
    busy = Holder(burst(100), limit=4096, others=waves(3800, 20 * MINUTE))
    told = story(interval, 2 * HOUR, busy)

    assert PAGE not in told.alerts(tmp_path)


@intervals
@pytest.mark.parametrize("away", [30.0, 3 * MINUTE], ids=["half a minute", "three minutes"])
def test_a_restart_of_the_exporter_neither_ends_a_page_nor_makes_another(
    away: float, interval: int, tmp_path: Path
) -> None:
    gaps = [(20 * MINUTE, 20 * MINUTE + away), (40 * MINUTE, 40 * MINUTE + away)]
    leaking = story(interval, HOUR, Holder(steadily(1), gaps=gaps))
    standing = story(interval, HOUR, Holder(burst(300), gaps=gaps))

    page, alerts = leaking.alerts(tmp_path)[PAGE], standing.alerts(tmp_path)

    assert (page.last, page.missing, page.together) == (HOUR, 0, 1)
    ticket = alerts[TICKET]
    assert (ticket.last, ticket.missing, ticket.together) == (HOUR, 0, 1)
    assert PAGE not in alerts


@intervals
def test_a_reboot_ends_it(interval: int, tmp_path: Path) -> None:
    rebooted = Holder(until(30 * MINUTE, steadily(1)), gaps=[(30 * MINUTE, 33 * MINUTE)])

    page = story(interval, HOUR, rebooted).alerts(tmp_path)[PAGE]

    assert page.last <= 35 * MINUTE


@intervals
def test_a_process_that_takes_over_the_sockets_of_another_keeps_the_page(interval: int, tmp_path: Path) -> None:
    """Its descriptors are not known for a moment, and it has others of its own."""
    shorter = Holder(steadily(1), others=lambda time: OTHERS if time < 20 * MINUTE else 20.0)
    page = story(interval, 30 * MINUTE, shorter).alerts(tmp_path)[PAGE]

    assert (page.last, page.missing, page.together) == (30 * MINUTE, 0, 1)


@intervals
def test_the_same_service_on_two_clusters_is_two_pages_that_do_not_mix(interval: int, tmp_path: Path) -> None:
    """As a global ruler sees them, with two sets of thresholds as well."""
    there = Holder(steadily(1), host=HOST | {"cluster": "a"}), Holder(steadily(1), host=HOST | {"cluster": "b"})
    thresholds = {
        series("tcpstate:threshold:stuck_sockets", cluster=cluster): [10.0] * (30 * 60 // interval + 1)
        for cluster in ("a", "b")
    }
    told = story(interval, 30 * MINUTE, *there, more=thresholds)

    assert told.alerts(tmp_path)[PAGE].together == 2
