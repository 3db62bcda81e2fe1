from collections.abc import Mapping
from dataclasses import replace

import pytest

from exporter.count.census import Bounds, Census
from exporter.show import ports_table
from exporter.show.ports_table import WIDTH
from exporter.tcp.limits import Limits
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from tests.show import nodes, samples


def of(counts: Mapping[State, int]) -> Census:
    return Census({samples.row("server", "65535"): counts}, {}, {}, Bounds(Limits()))


def lines(census: Census) -> list[str]:
    return ports_table.render(census).splitlines()


def test_all_states_that_the_kernel_shows_fit_into_80_columns() -> None:
    counts = dict.fromkeys(State, 999) | {State.ESTABLISHED: 65535, State.CLOSE: 0}
    found = lines(of(counts))

    assert max(map(len, found)) <= WIDTH
    assert found[1].endswith("total")


def test_totals_give_way_to_numbers_that_are_too_long() -> None:
    counts = dict.fromkeys(State, 9999) | {State.ESTABLISHED: 250_000, State.TIME_WAIT: 131_072, State.CLOSE: 0}
    found = lines(of(counts))

    assert max(map(len, found)) <= WIDTH
    assert found[1].endswith("ing")


def test_what_is_stuck_is_a_column_after_the_port() -> None:
    _, headings, https, *_ = lines(samples.census())

    assert headings.split()[:3] == ["role", "port", "stuck"]
    assert https.split()[:3] == ["server", "443", "280"]


def test_idle_listeners_are_one_line_above_the_totals() -> None:
    ports = {samples.row("server", str(port)): samples.counts(listen=1) for port in range(9000, 9147)}
    census = samples.census()

    found = lines(replace(census, sockets={**census.sockets, **ports}))

    assert found[5] == "and 148 listening ports without connections"
    assert found[6].startswith("total")


def test_zeros_are_dots_also_in_the_totals() -> None:
    *_, total, _, _ = lines(samples.healthy())

    assert total.split()[:2] == ["total", "."]
    assert not [line for line in lines(samples.census()) if "0" in line.split()]


@pytest.mark.parametrize("census", [samples.census(), samples.healthy()], ids=["sick", "well"])
def test_colors_change_nothing_but_colors(census: Census) -> None:
    colored = ports_table.render(census, color=True)
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m"):
        colored = colored.replace(code, "")

    assert colored == ports_table.render(census)


def test_the_namespace_is_a_column_where_there_is_any_but_ours() -> None:
    _, headings, https, *others = lines(nodes.census())

    assert headings.split()[:4] == ["role", "port", "netns", "stuck"]
    assert https.split()[:3] == ["server", "443", "280"]
    assert ["server", "8080", "shop/web-7d9…b6c5d-x2k4q", "5"] in [line.split()[:4] for line in others]
    assert max(map(len, lines(nodes.census()))) <= WIDTH


def test_rows_of_too_many_namespaces_are_one_line_above_the_totals() -> None:
    pods = {Row(f"pod-{place}", "server", "80"): samples.counts(established=1) for place in range(50)}

    found = lines(replace(samples.healthy(), sockets=pods))

    assert found[31].split() == ["server", "80", "pod-29", ".", "1", "1"]
    assert found[32] == "and 20 ports of 20 other network namespaces with connections"
    assert found[33].split() == ["total", ".", "50", "50"]
