from pathlib import Path

import pytest

from exporter.count.census import Census
from exporter.show import table
from exporter.tcp.limits import Limits
from exporter.tcp.states import State
from tests.show import samples

GOLDEN = Path(__file__).parent / "golden/table.txt"


def test_the_table_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    found = table.render(samples.census())
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(found)

    assert found == GOLDEN.read_text()


def test_all_states_that_the_kernel_shows_fit_into_80_columns() -> None:
    everything = Census(
        sockets={
            samples.row("server", "65535"): dict.fromkeys(State, 999) | {State.ESTABLISHED: 65535, State.CLOSE: 0}
        },
        accept_queues={},
        folded_ports={},
        busiest_destination=0,
        limits=Limits(),
    )

    assert max(map(len, table.render(everything).splitlines())) <= 80


def test_a_pipe_gets_no_colors_and_a_terminal_does() -> None:
    assert "\x1b" not in table.render(samples.census())
    assert "\x1b[1m" in table.render(samples.census(), color=True)


def test_a_host_without_sockets_is_a_table_of_nothing() -> None:
    empty = Census(sockets={}, accept_queues={}, folded_ports={}, busiest_destination=0, limits=Limits())

    assert table.render(empty).splitlines()[-1] == "none in: " + " ".join(state.label for state in State)
