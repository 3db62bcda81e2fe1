from dataclasses import replace
from pathlib import Path

import pytest

from exporter.count.census import Bounds, Census
from exporter.count.stuck import OwnerRow
from exporter.show import table
from exporter.show.findings import ALL_WELL, findings
from exporter.tcp.holders import Owner
from exporter.tcp.limits import Limits
from exporter.tcp.states import State
from tests.show import nodes, samples

GOLDEN = Path(__file__).parent / "golden/table.txt"


def test_the_table_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    found = table.render(samples.census())
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(found)

    assert found == GOLDEN.read_text()


def test_a_pipe_gets_no_colors_and_a_terminal_does() -> None:
    assert "\x1b" not in table.render(samples.census())
    assert "\x1b[1m" in table.render(samples.census(), color=True)


def test_the_last_line_is_what_is_wrong() -> None:
    assert table.render(samples.census()).splitlines()[-1] == findings(samples.census())[-1].text


def test_the_last_line_says_also_that_all_is_well() -> None:
    assert table.render(samples.healthy()).splitlines()[-1] == ALL_WELL


def test_holders_are_above_single_sockets() -> None:
    text = table.render(samples.census())

    assert text.index("nginx.service (nginx)  4711  server 443") < text.index("192.0.2.1:443")


def test_a_long_list_is_cut_and_says_so() -> None:
    census = samples.census()
    long = replace(census.stuck, holdings=[samples.holding()] * 30, listed=[samples.stuck_socket()] * 30)
    lines = table.render(replace(census, stuck=long)).splitlines()

    assert len([line for line in lines if "192.0.2.1:443" in line]) == 20
    assert len([line for line in lines if "server 443" in line]) == 20
    assert "The 20 oldest of 280 stuck sockets." in lines


def test_names_cannot_write_to_the_terminal() -> None:
    owner = Owner("/\x1b[2J", "\x07")
    stuck = replace(
        samples.stuck(),
        owners={OwnerRow(samples.HTTPS, State.FIN_WAIT2, *owner[:2]): 280},
        holdings=[samples.holding()._replace(owner=owner)],
        listed=[samples.stuck_socket()._replace(owner=owner)],
    )

    text = table.render(replace(samples.census(), stuck=stuck))

    assert text.count("?[2J (?)") == 3
    assert text.replace("\n", "").isprintable()


def test_a_host_without_sockets_is_a_table_of_nothing() -> None:
    empty = Census({}, {}, {}, Bounds(Limits()))

    assert table.render(empty).splitlines()[-3:] == [
        "none in: " + " ".join(state.label for state in State),
        "",
        ALL_WELL,
    ]


def test_namespaces_are_a_short_column_of_every_list() -> None:
    lines = table.render(nodes.census()).splitlines()

    assert len([line for line in lines if " shop/web-7d9…b6c5d-x2k4q " in line]) == 4
