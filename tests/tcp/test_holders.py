import pytest

from exporter.tcp.holders import NO_PROCESS, Owner, Process, owner

WORKER = Process(20, "worker", "/docker/0123")
UNIT = "/system.slice/nginx.service"


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
    ],
)
def test_a_socket_tells_its_cgroup_and_the_process_stands_in_where_that_says_nothing(
    cgroup: str, process: Process, expected: Owner
) -> None:
    assert owner(cgroup, process) == expected
