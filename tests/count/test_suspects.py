import tracemalloc
from collections.abc import Iterable, Mapping

import pytest

from exporter.count import suspects
from exporter.count.suspects import Suspects
from exporter.count.tracker import Tracker
from exporter.tcp.holders import NO_PROCESS, HolderClue, Process
from exporter.tcp.sockets import Identity, Listener, Service, Socket
from exporter.tcp.states import State, Timer

WEB = Service("server", 8080)
NGINX = Process(7, "nginx", "/system.slice/nginx.service")
HELD = Socket(State.FIN_WAIT2, 8080, 40000, b"peer", cookie=1, inode=11, cgroup=5)
ORPHAN = HELD._replace(cookie=2, inode=0, timer=Timer.TIME_WAIT)
UNACCEPTED = HELD._replace(cookie=3, inode=0, state=State.CLOSE_WAIT, receive_queue=1)
LISTENER = Listener(8080, 1, 128, inode=99, cgroup=6)


def reading(
    sockets: Iterable[Socket],
    now: float = 100.0,
    holders: Mapping[Identity, Process] | None = None,
    listeners: Iterable[Listener] = (),
) -> Suspects:
    """What is made of *sockets* that have been there since 0; a minute is long."""
    tracker = Tracker()
    after = {State.FIN_WAIT2: 60.0, State.CLOSE_WAIT: 60.0}
    for time in (0.0, now):
        found = Suspects(after, tracker, {} if holders is None else holders, listeners, time)
        for one in sockets:
            found.add(one, WEB)
        tracker.end()
    return found


def held(found: Suspects) -> dict[tuple[State, int, Process], int]:
    """Stuck sockets by state, cgroup and holder."""
    found.learn()
    groups = found.groups.items()
    return {(state, *key): sockets for (_, state), group in groups for key, sockets in group.held.items()}


def test_stuck_is_who_has_been_there_for_the_threshold() -> None:
    assert reading([HELD], now=59.9).groups[WEB, State.FIN_WAIT2].stuck == 0
    assert reading([HELD], now=60.0).groups[WEB, State.FIN_WAIT2].stuck == 1


def test_what_the_kernel_removes_is_never_stuck_but_has_an_age() -> None:
    group = reading([ORPHAN]).groups[WEB, State.FIN_WAIT2]

    assert (group.stuck, group.oldest, group.verdicts) == (0, 0.0, {"fin_timeout": 1})


def test_a_state_without_a_threshold_has_nothing_stuck() -> None:
    assert reading([HELD._replace(state=State.LAST_ACK)]).groups[WEB, State.LAST_ACK].stuck == 0


def test_a_holder_that_is_not_known_is_wanted() -> None:
    found = reading([HELD])

    assert found.wanted == {1: HolderClue(inode=11, pid=0)}
    assert held(found) == {(State.FIN_WAIT2, 5, NO_PROCESS): 1}


def test_a_holder_that_is_found_meanwhile_counts_in_the_same_sample() -> None:
    holders: dict[Identity, Process] = {}
    found = reading([HELD], holders=holders)
    holders[1] = NGINX

    assert held(found) == {(State.FIN_WAIT2, 5, NGINX): 1}


def test_an_orphan_keeps_the_holder_it_had_and_is_not_searched_for() -> None:
    left = HELD._replace(inode=0, state=State.CLOSE_WAIT)

    assert held(reading([left], holders={1: NGINX})) == {(State.CLOSE_WAIT, 5, NGINX): 1}
    assert reading([left]).wanted == {}


def test_who_has_not_accepted_has_the_socket() -> None:
    found = reading([UNACCEPTED], listeners=[LISTENER])

    assert found.wanted == {LISTENER.identity: HolderClue(inode=99, pid=0)}
    assert held(found) == {(State.CLOSE_WAIT, 6, NO_PROCESS): 1}
    assert found.is_alive(LISTENER.identity)


def test_a_source_that_knows_the_process_is_believed() -> None:
    assert reading([HELD._replace(inode=None, pid=4)]).wanted == {1: HolderClue(inode=0, pid=4)}


def test_the_oldest_are_listed_first() -> None:
    tracker = Tracker()
    for time in (0.0, 10.0, 100.0):
        found = Suspects({State.FIN_WAIT2: 1.0}, tracker, {}, (), time)
        for one in [HELD._replace(cookie=2), HELD] if time else [HELD]:
            found.add(one, WEB)
        tracker.end()

    assert [(one.socket.cookie, one.since) for one in found.listed()] == [(1, 0.0), (2, 10.0)]


def test_a_list_of_any_number_of_ports_is_bounded_and_fair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "LISTED", 20)
    tracker = Tracker()
    for time in (0.0, 100.0):
        found = Suspects({State.FIN_WAIT2: 60.0}, tracker, {}, (), time)
        for cookie in range(1, 101):
            found.add(HELD._replace(cookie=cookie), Service("client", 443 if cookie <= 90 else cookie))
        tracker.end()

    assert len({one.endpoint for one in found.listed()}) == 11
    assert len(found.listed()) <= 20
    assert found.groups[Service("client", 443), State.FIN_WAIT2].stuck == 90


def test_the_list_is_bounded_also_where_each_socket_has_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "LISTED", 20)
    tracker = Tracker()
    for time in (0.0, 100.0):
        found = Suspects({State.FIN_WAIT2: 60.0}, tracker, {}, (), time)
        for port in range(1, 101):
            found.add(HELD._replace(cookie=port), Service("client", port))
        tracker.end()

    assert len(found.listed()) == 20


def test_one_port_has_so_many_places_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "LISTED_EACH", 3)

    assert len(reading([HELD._replace(cookie=cookie) for cookie in range(1, 9)]).listed()) == 3


def test_who_finds_no_place_among_the_wanted_is_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Suspects.__init__, "__kwdefaults__", {"unknown": 3})

    found = reading([HELD._replace(cookie=cookie) for cookie in range(1, 9)])

    assert len(found.wanted) == 3
    assert held(found) == {(State.FIN_WAIT2, 5, NO_PROCESS): 8}


def test_tens_of_thousands_of_stuck_sockets_cost_little_and_nothing_once_they_are_gone() -> None:
    """200,000 may cost 60 MB, which is 300 bytes each; the holders of all of them are known."""
    sockets = 50_000
    holders: dict[Identity, Process] = {}
    tracker = Tracker()

    def sample(now: float, count: int) -> Suspects:
        found = Suspects({State.FIN_WAIT2: 1.0}, tracker, holders, (), now)
        for number in range(count):
            cookie = (1 << 40) + number
            found.add(Socket(State.FIN_WAIT2, 8080, 40000, b"%34d" % number, cookie, inode=1 << 20 | number), WEB)
            if cookie not in holders:
                holders[cookie] = NGINX
        tracker.end()
        return found

    tracemalloc.start()
    try:
        for now in (0.0, 10.0, 20.0):
            sample(now, sockets)
        at_most = tracemalloc.get_traced_memory()[1]
        holders.clear()
        for now in (30.0, 40.0):
            sample(now, 0)
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert at_most < 300 * sockets
    assert left < 100_000
