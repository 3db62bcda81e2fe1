"""Rows that are known in groups are judged as each by itself would be, whatever happens to them."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from exporter.count.watched import WatchedSockets
from exporter.tcp.namespaces import OWN
from exporter.tcp.roles import Roles
from exporter.tcp.sockets import Origin, Service, Socket
from exporter.tcp.states import WATCHED, State, Timer
from tests.count.one_by_one import OneByOne, Told
from tests.count.readings import EPHEMERAL, HERE, read, shown

PORTS = st.sampled_from([8080, 40000, 443, 50051])
IN_MEMORY = 0xFFFF880000000000

SOCKETS = st.builds(
    Socket,
    state=st.sampled_from(WATCHED),
    local_port=PORTS,
    remote_port=PORTS,
    addresses=st.just(HERE),
    cookie=st.sampled_from([0, 1, 2, 3, IN_MEMORY]),
    timer=st.sampled_from([Timer.NONE, Timer.RETRANSMISSION, Timer.KEEPALIVE, Timer.TIME_WAIT]),
    receive_queue=st.integers(0, 2),
    inode=st.sampled_from([None, 0, 11, 12]),
    is_ipv6=st.just(False),
    send_queue=st.integers(0, 1),
    pid=st.sampled_from([0, 4]),
    retransmissions=st.sampled_from([None, 0, 1]),
    netns=st.just(OWN),
    sequence=st.none(),
)


class Step(NamedTuple):
    """One reading."""

    sockets: list[Socket]
    seconds: float
    """Since the one before."""
    silence: float
    listening: list[int]
    after: dict[State, float]
    fails: bool


STEPS = st.builds(
    Step,
    sockets=st.lists(SOCKETS, max_size=6),
    seconds=st.sampled_from([1.0, 5.0, 60.0, 120.0]),
    silence=st.sampled_from([0.0, 30.0, 300.0]),
    listening=st.lists(PORTS, max_size=2),
    after=st.sampled_from([dict.fromkeys(WATCHED, 60.0), {State.FIN_WAIT2: 5.0}, {}]),
    fails=st.booleans(),
)


def shown_twice(step: Step) -> list[Socket]:
    """Of each identity and state only one form: which of two forms of one socket counts is anybody's choice."""
    forms = {(socket.identity, socket.state): socket for socket in step.sockets}
    return [forms[socket.identity, socket.state] for socket in step.sockets]


def told(watched: WatchedSockets) -> Mapping[tuple[Service, State], Told]:
    found: dict[tuple[Service, State], Told] = {}
    for group in watched.groups:
        key = group.alike.service, group.alike.state
        before = found.get(key, Told(0, 0, group.oldest_since, {}))
        verdicts = Counter(before.verdicts) + Counter({group.alike.verdict: group.present})
        oldest = min(before.oldest_since, group.oldest_since)
        found[key] = Told(before.sockets + group.present, before.stuck + group.stuck, oldest, verdicts)
    return found


@given(st.lists(STEPS, max_size=12))
def test_groups_agree_with_one_by_one(steps: list[Step]) -> None:
    """Sockets appear, age, change, vanish, come twice; addresses are used again; ports begin and cease to listen."""
    watched, plain = WatchedSockets(), OneByOne()
    now = 0.0
    for step in steps:
        now += step.seconds
        sockets = shown_twice(step)
        if step.fails:
            watched.seen(now).add(shown(sockets))
            continue
        origins = {socket: Origin(silence=step.silence) for socket in sockets}
        read(watched, sockets, now, after=step.after, listening=step.listening, origins=origins)
        roles = Roles(step.listening, EPHEMERAL)

        expected, stuck_since = plain.read(sockets, now, roles, step.after, origins)
        assert told(watched) == expected
        assert [listed.since for listed in watched.groups.listed] == stuck_since
        assert len(watched) == sum(of.sockets for of in expected.values())
