"""What the processes of a cgroup tell of a socket whose holder is not known."""

import pytest

from exporter.count.neighbours import Neighbours
from exporter.tcp.holders import NO_PROCESS, Crowd, HolderClue, Process
from tests.count.test_holders import HELD, LISTENER, NGINX, UNACCEPTED, Stage

UNIT = NGINX.cgroup
FIRST, SECOND, OTHER = Process(7, "nginx", UNIT), Process(8, "nginx", UNIT), Process(9, "php", UNIT)


def owner(crowd: Crowd, stage: Stage | None = None) -> Process:
    """Of a stuck socket of cgroup 5, which *crowd* is in."""
    stage = stage or Stage(HELD)
    stage.watched.holders.meet({5: crowd})
    return stage.owner()


def test_the_only_process_of_a_cgroup_holds_its_sockets() -> None:
    assert owner(Crowd((FIRST,), None)) == FIRST


def test_where_all_have_one_name_it_is_told_and_no_number() -> None:
    assert owner(Crowd((FIRST, SECOND), None)) == Process(0, "nginx", UNIT)


def test_where_they_have_several_names_nobody_is_told() -> None:
    assert owner(Crowd((FIRST, SECOND, OTHER), None)) == NO_PROCESS
    assert owner(Crowd((), None)) == NO_PROCESS


@pytest.mark.parametrize(
    "path",
    ["/", "/init.scope", "/system.slice/gunicorn.socket", f"/docker/{'0123456789abcdef' * 4}/init.scope"],
)
def test_in_a_cgroup_that_sockets_are_made_in_for_others_nobody_is_told(path: str) -> None:
    assert owner(Crowd((Process(1, "systemd", path),), None)) == NO_PROCESS


def test_who_has_fewer_descriptors_than_there_are_sockets_does_not_hold_them() -> None:
    def three() -> Stage:
        return Stage(*(HELD._replace(cookie=number, inode=number) for number in range(1, 4)))

    assert owner(Crowd((FIRST,), 3), three()) == FIRST
    assert owner(Crowd((FIRST,), 2), three()) == NO_PROCESS


def test_who_is_in_the_cgroup_is_not_told_where_others_are_known_to_hold_its_sockets() -> None:
    """A helper made the sockets in its own cgroup and passed them to a service."""
    stage = Stage(HELD, HELD._replace(cookie=2, inode=12))
    stage.sought()
    stage.learn({HolderClue(11): OTHER, HolderClue(12): NO_PROCESS})
    stage.watched.holders.meet({5: Crowd((FIRST,), None)})

    assert {process for _, _, process in stage.held()} == {OTHER, NO_PROCESS}


def test_a_holder_that_was_found_is_believed_before_all() -> None:
    stage = Stage(HELD)
    stage.sought()
    stage.learn({HolderClue(11): OTHER})

    assert owner(Crowd((FIRST,), None), stage) == OTHER


def test_who_is_in_the_cgroup_of_a_listening_socket_is_to_accept() -> None:
    stage = Stage(UNACCEPTED, listeners=[LISTENER])
    stage.watched.holders.meet({LISTENER.cgroup_id: Crowd((FIRST,), None)})

    assert stage.owner() == FIRST


def test_names_are_asked_for_where_no_process_is_known() -> None:
    stage = Stage(HELD, UNACCEPTED, listeners=[LISTENER])
    assert stage.watched.holders.nameless() == {5, LISTENER.cgroup_id}

    stage.sought()
    stage.learn({HolderClue(11): NGINX})
    assert stage.watched.holders.nameless() == {LISTENER.cgroup_id}


def test_without_stuck_sockets_there_are_no_neighbours() -> None:
    none = Neighbours([], {})
    alike = next(iter(Stage(HELD).watched.groups)).alike

    assert none.holders(alike) == ()
    assert none.accepting(alike.service, (FIRST,)) == (FIRST,)
