import pytest

from exporter.tcp.holders import NO_PROCESS, SEVERAL, Owner, Process, owner, together, without_managers

WORKER = Process(20, "worker", "/docker/0123")
UNIT = "/system.slice/nginx.service"
WEB = "/system.slice/web.service"
CONTAINER = f"/kubepods/burstable/pod1/{'0123456789abcdef' * 4}"


@pytest.mark.parametrize(
    ("cgroup", "process", "expected"),
    [
        pytest.param(UNIT, WORKER, Owner(UNIT, "worker", 20), id="the socket's own cgroup"),
        pytest.param(UNIT, NO_PROCESS, Owner(UNIT, "", 0), id="no process"),
        pytest.param("/", WORKER, Owner("/docker/0123", "worker", 20), id="the root says nothing"),
        pytest.param("/", NO_PROCESS, Owner("/", "", 0), id="the root, no process"),
        pytest.param("/", Process(7, "init", ""), Owner("/", "init", 7), id="the root, a process without a cgroup"),
        pytest.param("", WORKER, Owner("/docker/0123", "worker", 20), id="none"),
        pytest.param("", NO_PROCESS, Owner("", "", 0), id="nothing at all"),
        pytest.param("/init.scope", Process(7, "web", WEB), Owner(WEB, "web", 7), id="systemd made it for a service"),
        pytest.param("/web.socket", Process(7, "web", WEB), Owner(WEB, "web", 7), id="made for a .socket unit"),
        pytest.param(UNIT, Process(7, "web", WEB), Owner(WEB, "web", 7), id="one unit has made it for another"),
        pytest.param(
            "/system.slice/containerd.service",
            Process(7, "web", CONTAINER),
            Owner(CONTAINER, "web", 7),
            id="a container that version 2 does not show",
        ),
        pytest.param(CONTAINER, Process(7, "web", "/system.slice"), Owner(CONTAINER, "web", 7), id="a slice says less"),
        pytest.param("/init.scope", NO_PROCESS, Owner("/init.scope", "", 0), id="nothing better is known"),
    ],
)
def test_the_owner_is_who_holds_the_socket_unless_the_cgroup_that_it_was_made_in_says_more(
    cgroup: str, process: Process, expected: Owner
) -> None:
    assert owner(cgroup, process) == expected


FIRST, SECOND = Process(7, "nginx", UNIT, 100), Process(8, "nginx", UNIT, 200)


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        ((), NO_PROCESS),
        ((FIRST,), FIRST),
        ((FIRST, SECOND), Process(0, "nginx", UNIT)),
        ((FIRST, SECOND._replace(name="php")), Process(0, SEVERAL, UNIT)),
        ((FIRST, SECOND._replace(cgroup=WEB)), Process(0, "nginx", "")),
        ((FIRST, SECOND, WORKER), Process(0, SEVERAL, "")),
    ],
)
def test_several_processes_together_are_what_they_share(processes: tuple[Process, ...], expected: Process) -> None:
    assert together(processes) == expected


def test_who_keeps_a_socket_for_others_does_not_hold_it_beside_them() -> None:
    systemd = Process(1, "systemd", "/init.scope")

    assert without_managers((systemd, FIRST)) == (FIRST,)
    assert without_managers((systemd,)) == (systemd,)
