import pytest

from exporter.count.rules import StuckRules
from exporter.tcp.sockets import Service
from exporter.tcp.states import STUCK_AFTER, State

HTTP = Service("server", 8080)
RULES = StuckRules(
    after={State.CLOSE_WAIT: 120.0},
    by_service={(State.CLOSE_WAIT, HTTP): 3600.0, (State.CLOSE_WAIT, Service("client", 443)): None},
)


@pytest.mark.parametrize("state", STUCK_AFTER)
def test_if_nothing_else_is_said_every_service_goes_by_the_state(state: State) -> None:
    assert StuckRules().seconds(state, HTTP) == STUCK_AFTER[state]


def test_a_service_goes_by_its_own_threshold_in_the_state_that_it_is_for() -> None:
    assert RULES.seconds(State.CLOSE_WAIT, HTTP) == 3600.0
    assert RULES.seconds(State.CLOSE_WAIT, Service("client", 8080)) == 120.0
    assert RULES.seconds(State.FIN_WAIT2, HTTP) is None


def test_a_service_can_be_left_out() -> None:
    assert RULES.seconds(State.CLOSE_WAIT, Service("client", 443)) is None


def test_a_service_has_its_threshold_in_every_network_namespace() -> None:
    assert RULES.seconds(State.CLOSE_WAIT, HTTP._replace(netns=4026532999)) == 3600.0
