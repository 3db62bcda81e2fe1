"""Who is looked for, and what follows from who is found."""

from collections.abc import Iterable, Mapping

import pytest

from exporter.count import holders
from exporter.count.holders import VAIN_SECONDS
from exporter.count.watched import WatchedSockets
from exporter.tcp.columns import unpacked
from exporter.tcp.holders import NO_PROCESS, HolderClue, Process
from exporter.tcp.sockets import Listener, Origin, Socket
from exporter.tcp.states import State
from tests.count.readings import HERE, read

NGINX = Process(7, "nginx", "/system.slice/nginx.service")
PHP = Process(8, "php", "/system.slice/php.service")
HELD = Socket(State.FIN_WAIT2, 8080, 40000, HERE, cookie=1, inode=11)
UNACCEPTED = HELD._replace(cookie=3, inode=0, state=State.CLOSE_WAIT, receive_queue=1)
LISTENER = Listener(8080, 1, 128, inode=99, cgroup_id=6)
AFTER = {State.FIN_WAIT2: 60.0, State.CLOSE_WAIT: 60.0, State.LAST_ACK: 0.0}


class Stage:
    """Sockets made in cgroup 5."""

    def __init__(self, *sockets: Socket, listeners: Iterable[Listener] = ()) -> None:
        self.watched = WatchedSockets()
        self.sockets: Iterable[Socket] = sockets
        self.listeners = list(listeners)
        for now in (0.0, 100.0):
            self.read(now)

    def read(self, now: float, *sockets: Socket) -> None:
        self.sockets = sockets or self.sockets
        origins = {socket: Origin(cgroup_id=5) for socket in self.sockets}
        read(self.watched, self.sockets, now, after=AFTER, listeners=self.listeners, origins=origins)

    def sought(self) -> set[HolderClue]:
        return set(self.watched.holders.seek(unpacked))

    def learn(self, found: Mapping[HolderClue, Process]) -> None:
        self.watched.holders.learn(found, unpacked)

    def held(self) -> dict[tuple[State, int, Process], int]:
        """Stuck sockets by state, cgroup and holder."""
        of = self.watched.holders.of
        return {(group.alike.state, *of(group.alike)): group.stuck for group in self.watched.groups if group.stuck}


def test_a_holder_that_is_not_known_is_sought() -> None:
    stage = Stage(HELD)

    assert stage.watched.holders.is_any_unknown
    assert stage.sought() == {HolderClue(inode=11)}
    assert stage.held() == {(State.FIN_WAIT2, 5, NO_PROCESS): 1}


def test_nobody_is_sought_for_a_socket_that_is_not_stuck() -> None:
    stage = Stage(HELD._replace(state=State.FIN_WAIT1))

    assert not stage.watched.holders.is_any_unknown
    assert stage.sought() == set()


def test_a_holder_that_is_found_counts_in_the_same_sample() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.learn({HolderClue(11): NGINX})

    assert stage.held() == {(State.FIN_WAIT2, 5, NGINX): 1}
    assert stage.sought() == set()


def test_a_holder_that_is_known_is_remembered() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.learn({HolderClue(11): NGINX})

    stage.read(105.0, HELD._replace(receive_queue=3))

    assert stage.held() == {(State.FIN_WAIT2, 5, NGINX): 1}


def test_who_was_not_found_is_sought_again_after_a_while() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.learn({HolderClue(11): NO_PROCESS})
    assert stage.sought() == set()

    stage.read(100.0 + VAIN_SECONDS)
    assert stage.sought() == {HolderClue(11)}


def test_an_orphan_keeps_the_holder_it_had_and_is_not_searched_for() -> None:
    stage = Stage(HELD._replace(state=State.CLOSE_WAIT))
    stage.sought()
    stage.learn({HolderClue(11): NGINX})

    stage.read(105.0, HELD._replace(state=State.LAST_ACK, inode=0))

    assert stage.held() == {(State.LAST_ACK, 5, NGINX): 1}
    assert stage.sought() == set()


def test_an_orphan_that_had_none_is_not_searched_for() -> None:
    stage = Stage(HELD._replace(state=State.LAST_ACK, inode=0))

    assert stage.held() == {(State.LAST_ACK, 5, NO_PROCESS): 1}
    assert stage.sought() == set()


def test_who_has_not_accepted_has_the_socket() -> None:
    stage = Stage(UNACCEPTED, listeners=[LISTENER])

    assert stage.sought() == {HolderClue(inode=99)}
    assert stage.held() == {(State.CLOSE_WAIT, 6, NO_PROCESS): 1}

    stage.learn({HolderClue(99): NGINX})
    assert stage.held() == {(State.CLOSE_WAIT, 6, NGINX): 1}
    assert stage.sought() == set()


def test_who_is_to_accept_is_sought_in_vain_only_for_a_while() -> None:
    stage = Stage(UNACCEPTED, listeners=[LISTENER])
    stage.sought()
    stage.learn({HolderClue(99): NO_PROCESS})
    assert stage.sought() == set()

    stage.read(100.0 + VAIN_SECONDS)
    assert stage.sought() == {HolderClue(99)}


def test_another_who_listens_on_the_port_is_another() -> None:
    stage = Stage(UNACCEPTED, listeners=[LISTENER])
    stage.sought()
    stage.learn({HolderClue(99): NGINX})

    stage.listeners = [LISTENER._replace(inode=100)]
    stage.read(105.0)

    assert stage.held() == {(State.CLOSE_WAIT, 6, NO_PROCESS): 1}
    assert stage.sought() == {HolderClue(100)}


def test_a_source_that_knows_the_process_is_believed() -> None:
    stage = Stage(*(HELD._replace(cookie=0, remote_port=port, inode=None, pid=4) for port in (40000, 40001)))

    assert stage.sought() == {HolderClue(inode=0, pid=4)}

    stage.learn({HolderClue(0, 4): NGINX})
    assert stage.held() == {(State.FIN_WAIT2, 5, NGINX): 2}


def test_who_holds_most_is_asked_first() -> None:
    sockets = [HELD._replace(cookie=number, inode=number) for number in range(1, 6)]
    stage = Stage(*sockets)
    stage.sought()
    stage.learn({HolderClue(number): NGINX if number < 3 else PHP for number in range(1, 6)})

    assert stage.watched.holders.pids() == [8, 7]


def test_who_finds_no_place_among_the_sought_is_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "UNKNOWN", 3)
    stage = Stage(*(HELD._replace(cookie=number, inode=number) for number in range(1, 9)))

    assert len(stage.sought()) == 3
    assert stage.held() == {(State.FIN_WAIT2, 5, NO_PROCESS): 8}


def test_the_cgroups_of_what_is_stuck_are_asked_for() -> None:
    assert Stage(HELD).watched.holders.cgroup_ids() == {5}
    assert Stage(UNACCEPTED, listeners=[LISTENER]).watched.holders.cgroup_ids() == {6}
    assert Stage(HELD._replace(state=State.FIN_WAIT1)).watched.holders.cgroup_ids() == set()


def test_what_changes_while_its_holder_is_sought_gets_it_all_the_same() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.read(105.0, HELD._replace(receive_queue=3))

    stage.learn({HolderClue(11): NGINX})

    assert stage.held() == {(State.FIN_WAIT2, 5, NGINX): 1}


def test_what_is_found_for_a_socket_that_has_gone_is_not_told_of_another() -> None:
    stage = Stage(HELD)
    stage.sought()
    for now in (105.0, 110.0, 115.0):
        stage.read(now, HELD._replace(cookie=2, inode=12))

    stage.learn({HolderClue(11): NGINX})

    assert stage.sought() == set()
    assert stage.held() == {}
