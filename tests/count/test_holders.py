"""Who is looked for, and what follows from who is found."""

from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

from exporter.count import holders, sought
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
AFTER = {State.FIN_WAIT2: 60.0, State.CLOSE_WAIT: 60.0, State.SYN_RECV: 60.0, State.LAST_ACK: 0.0}


class Stage:
    """Sockets made in one cgroup."""

    def __init__(self, *sockets: Socket, listeners: Iterable[Listener] = (), cgroup_id: int = 5) -> None:
        self.cgroup_id = cgroup_id
        self.watched = WatchedSockets()
        self.sockets: Iterable[Socket] = sockets
        self.listeners = list(listeners)
        for now in (0.0, 100.0):
            self.read(now)

    def read(self, now: float, *sockets: Socket) -> None:
        self.sockets = sockets or self.sockets
        origins = {socket: Origin(cgroup_id=self.cgroup_id) for socket in self.sockets}
        read(self.watched, self.sockets, now, after=AFTER, listeners=self.listeners, origins=origins)

    def sought(self) -> set[HolderClue]:
        return set(self.watched.holders.seek(unpacked))

    def learn(self, found: Mapping[HolderClue, Process]) -> None:
        """NO_PROCESS for what was sought in vain."""
        each = {clue: () if process is NO_PROCESS else (process,) for clue, process in found.items()}
        self.watched.holders.learn(each, unpacked)

    def share(self, inode: int, *processes: Process) -> None:
        """Several have it."""
        self.watched.holders.learn({HolderClue(inode): processes}, unpacked)

    def has_lost(self) -> bool:
        return self.watched.holders.is_any_lost

    def checked(self) -> set[int]:
        """Inodes of what is looked for in a check."""
        return {clue.inode for clue in self.watched.holders.seek(unpacked, check=True)}

    def owner(self) -> Process:
        """Of all stuck sockets."""
        [(_, _, process)] = self.held()
        return process

    def held(self) -> Mapping[tuple[State, int, Process], int]:
        """Stuck sockets by state, cgroup and holder."""
        found: Counter[tuple[State, int, Process]] = Counter()
        for group in self.watched.groups:
            found[group.alike.state, *self.watched.holders.of(group.alike)] += group.stuck
        return +found


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
    monkeypatch.setattr(sought, "UNKNOWN", 3)
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


OLD, NEW = HELD, HELD._replace(cookie=2, inode=12)
WORKER = Process(9, "nginx", NGINX.cgroup)
ELSEWHERE = 443


def growing(*known: Process, cgroup_id: int = 5, new: Socket = NEW) -> Stage:
    """A leak whose first socket has holders that are known, and that has a new one."""
    stage = Stage(OLD, cgroup_id=cgroup_id)
    for now in (200.0, 300.0):
        stage.read(now, OLD._replace(receive_queue=1), new)
    stage.sought()
    stage.share(OLD.inode or 0, *known)
    return stage


def test_the_newest_sockets_of_a_leak_belong_to_who_holds_the_others_of_their_cgroup() -> None:
    stage = growing(NGINX)

    assert stage.held() == {(State.FIN_WAIT2, 5, NGINX): 2}
    assert stage.sought() == {HolderClue(12)}


def test_an_unknown_one_of_several_workers_is_called_as_they_are() -> None:
    assert growing(NGINX, WORKER).owner() == Process(0, "nginx", NGINX.cgroup)


def test_where_processes_of_several_names_hold_sockets_of_a_cgroup_nothing_is_guessed() -> None:
    stage = growing(NGINX, PHP)

    assert {process.name for _, _, process in stage.held()} == {"several", ""}


def test_who_was_sought_in_vain_is_not_taken_for_another() -> None:
    stage = growing(NGINX)
    stage.sought()
    stage.learn({HolderClue(12): NO_PROCESS})

    assert stage.held() == {(State.FIN_WAIT2, 5, NGINX): 1, (State.FIN_WAIT2, 5, NO_PROCESS): 1}


@pytest.mark.parametrize("cgroup_id", [0, 1])
def test_in_the_root_of_all_cgroups_only_sockets_of_one_service_belong_together(cgroup_id: int) -> None:
    other = NEW._replace(local_port=40001, remote_port=ELSEWHERE)

    assert growing(NGINX, cgroup_id=cgroup_id).owner() == NGINX
    assert {process.name for _, _, process in growing(NGINX, cgroup_id=cgroup_id, new=other).held()} == {"nginx", ""}


def test_a_process_that_has_ended_holds_nothing_and_its_sockets_are_sought_again() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.learn({HolderClue(11): NGINX})

    assert not stage.has_lost()
    stage.watched.holders.lose({NGINX})

    assert stage.owner() == NO_PROCESS
    assert stage.watched.holders.is_any_unknown
    assert stage.has_lost()
    assert stage.sought() == {HolderClue(11)}
    assert stage.watched.holders.pids() == []

    stage.learn({HolderClue(11): PHP})
    assert stage.owner() == PHP
    assert not stage.has_lost()


def test_of_several_holders_the_others_stay_when_one_ends() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.share(11, NGINX, PHP)

    stage.watched.holders.lose({NGINX})

    assert stage.owner() == PHP
    assert stage.sought() == {HolderClue(11)}


def test_another_process_with_the_number_of_one_that_has_ended_is_another() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.learn({HolderClue(11): NGINX._replace(started=100)})
    stage.watched.holders.lose({NGINX._replace(started=100)})

    stage.sought()
    stage.learn({HolderClue(11): NGINX._replace(started=200)})

    assert stage.owner() == NGINX._replace(started=200)


def test_who_left_an_orphan_is_named_without_its_number_once_it_has_ended() -> None:
    stage = Stage(HELD._replace(state=State.CLOSE_WAIT))
    stage.sought()
    stage.learn({HolderClue(11): NGINX})
    stage.read(105.0, HELD._replace(state=State.LAST_ACK, inode=0))

    stage.watched.holders.lose({NGINX})

    assert stage.owner() == NGINX._replace(pid=0)


def test_several_that_share_a_socket_are_told_as_what_they_share() -> None:
    stage = Stage(HELD)
    stage.sought()

    stage.share(11, NGINX, WORKER)
    assert stage.held() == {(State.FIN_WAIT2, 5, Process(0, "nginx", NGINX.cgroup)): 1}

    stage.share(11, NGINX, PHP)
    assert stage.held() == {(State.FIN_WAIT2, 0, Process(0, "several", "")): 1}


def test_a_check_finds_who_has_the_socket_now() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.learn({HolderClue(11): NGINX})
    assert stage.sought() == set()

    assert stage.checked() == {11}
    stage.learn({HolderClue(11): PHP})
    assert stage.owner() == PHP


def test_a_check_takes_so_many_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sought, "CHECKED", 3)
    stage = Stage(*(HELD._replace(cookie=number, inode=number) for number in range(1, 9)))
    stage.learn(dict.fromkeys(stage.sought(), NGINX))

    checked = [stage.checked() for _ in range(4)]

    assert [len(some) for some in checked] == [3, 3, 3, 3]
    assert checked[0] | checked[1] | checked[2] == set(range(1, 9))


def test_a_check_leaves_those_out_that_were_sought_in_vain_a_short_time_ago() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.learn({HolderClue(11): NO_PROCESS})

    assert stage.checked() == set()
    assert not stage.watched.holders.is_any_unknown


def test_a_check_asks_for_listening_sockets_too() -> None:
    stage = Stage(UNACCEPTED, listeners=[LISTENER])
    stage.sought()
    stage.learn({HolderClue(99): NGINX})
    assert stage.sought() == set()

    assert stage.checked() == {99}
    stage.learn({HolderClue(99): PHP})
    assert stage.owner() == PHP


def test_whether_processes_still_are_is_asked_of_those_that_hold_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "ALIVE", 1)
    stage = Stage(*(HELD._replace(cookie=number, inode=number) for number in range(1, 4)))
    stage.sought()
    stage.learn({HolderClue(number): NGINX if number == 1 else PHP for number in range(1, 4)})

    assert stage.watched.holders.processes() == [PHP]


HERE_V4, THERE_V4 = bytes([127, 0, 0, 1]), bytes([127, 0, 0, 2])


def waiting(*listeners: Listener, address: bytes = THERE_V4, sockets: int = 3) -> Stage:
    some = [
        UNACCEPTED._replace(cookie=number, addresses=(address.ljust(16, b"\0")).ljust(32, b"\0"))
        for number in range(1, sockets + 1)
    ]
    return Stage(*some, listeners=listeners)


def test_who_listens_on_the_same_port_of_another_address_has_nothing_to_do_with_it() -> None:
    hung = LISTENER._replace(inode=98, cgroup_id=7, address=THERE_V4)
    for listeners in ([hung, LISTENER._replace(address=HERE_V4)], [LISTENER._replace(address=HERE_V4), hung]):
        stage = waiting(*listeners)
        assert stage.sought() == {HolderClue(98)}

        stage.learn({HolderClue(98): PHP})
        assert stage.held() == {(State.CLOSE_WAIT, 7, PHP): 3}


def test_of_workers_with_a_socket_each_the_one_that_hangs_is_named() -> None:
    stage = waiting(*(LISTENER._replace(inode=90 + number, queued=queued) for number, queued in enumerate((0, 3, 0))))

    assert stage.sought() == {HolderClue(91)}
    stage.learn({HolderClue(91): NGINX})
    assert stage.owner() == NGINX


def test_where_it_cannot_be_told_which_of_several_it_is_all_are_told_and_none_by_number() -> None:
    stage = waiting(*(LISTENER._replace(inode=90 + number, queued=2) for number in range(2)))

    assert stage.sought() == {HolderClue(90), HolderClue(91)}
    stage.learn({HolderClue(90): NGINX})
    assert stage.owner() == NO_PROCESS

    stage.learn({HolderClue(91): WORKER})
    assert stage.held() == {(State.CLOSE_WAIT, 6, Process(0, "nginx", NGINX.cgroup)): 3}

    stage.learn({HolderClue(91): PHP})
    assert stage.held() == {(State.CLOSE_WAIT, 0, Process(0, "several", "")): 3}


def test_a_connection_that_is_being_made_is_in_no_queue_yet() -> None:
    """Which of the workers is to answer for it, nobody knows."""
    listeners = [LISTENER._replace(inode=90 + number, queued=3 * number) for number in range(2)]
    stage = Stage(UNACCEPTED._replace(state=State.SYN_RECV), listeners=listeners)

    assert stage.sought() == {HolderClue(90), HolderClue(91)}


def test_systemd_does_not_hold_what_it_keeps_for_a_service() -> None:
    systemd = Process(1, "systemd", "/init.scope")
    stage = Stage(UNACCEPTED, listeners=[LISTENER])
    stage.sought()

    stage.share(99, systemd, NGINX)
    assert stage.owner() == NGINX

    stage.share(99, systemd)
    assert stage.owner() == systemd


def test_of_those_who_have_a_listening_socket_they_accept_who_hold_accepted_ones() -> None:
    """A helper has opened the port for the service, and keeps it open."""
    opener = Process(3, "opener", "/system.slice/opener.service")
    stage = Stage(UNACCEPTED, HELD._replace(state=State.CLOSE_WAIT), listeners=[LISTENER])
    stage.sought()

    stage.share(99, opener, NGINX)
    assert Process(0, "several", "") in {process for _, _, process in stage.held()}

    stage.learn({HolderClue(11): NGINX})
    assert {process for _, _, process in stage.held()} == {NGINX}
