"""A node with two pods, of which one leaks: what the exporter tells of each network namespace."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.lab.answers import counted, exposition, stuck_list, told
from tests.lab.daemon import QUICK, Process, exporter
from tests.lab.leaks import leak
from tests.lab.netns import Namespace
from tests.lab.pods import Node, Pod, node
from tests.lab.witness import by_state, wait_for

pytestmark = pytest.mark.kernel

SECONDS = 20
LEAKED = 20
PORT = 28089
"""On which nothing else of this host is likely to listen."""


@pytest.fixture
def two_pods() -> Iterator[Node]:
    with node() as made:
        yield made


@pytest.fixture(params=["bpf", "sock_diag"])
def everywhere(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The flag of a configuration by which all namespaces are counted."""
    file = tmp_path / "everywhere.yaml"
    file.write_text(f"{QUICK}namespaces: all\nsource: {request.param}\n")
    return f"--config.file={file}"


def test_a_leak_in_a_pod_is_told_with_the_pods_name(
    host: Namespace, two_pods: Node, tmp_path: Path, everywhere: str
) -> None:
    web, _ = two_pods.pods
    with (
        leaking(web.network, LEAKED, web.cgroup.within()),
        exporter(host, tmp_path / "log", everywhere, within=two_pods.within()) as running,
    ):
        wait_for(lambda: of_pod(running, web, "close_wait") == LEAKED, "the pod's sockets are stuck", SECONDS)
        assert of_pod(running, web, "fin_wait2") == LEAKED
        of_web = f"limit=1000&netns={quote(web.netns, safe='')}"
        wait_for(lambda: "app" in {one["process"] for one in stuck_list(running, of_web)}, "they are named", SECONDS)

        assert counted(running, "tcpstate_sockets", netns=web.netns, state="close_wait") == LEAKED
        assert counted(running, "tcpstate_accept_queue_limit", netns=web.netns, port=8080) > 0
        assert counted(running, "tcpstate_time_wait_limit", netns=web.netns) > 0
        assert counted(running, "tcpstate_holder_stuck_descriptors", netns=web.netns, process="app") == LEAKED
        [info] = [one.labels for one in told(running, "tcpstate_netns_info") if one.labels["netns"] == web.netns]
        assert (info["kind"], info["namespace"], info["pod"]) == ("pod", web.namespace, web.name)
        assert info["container"]
        assert [one["netns"] for one in stuck_list(running, of_web)] == [web.netns] * 2 * LEAKED
        assert f"{LEAKED} sockets on port 8080 of {web.netns} are stuck in CLOSE_WAIT" in running.ask("/").body


@contextmanager
def leaking(network: Namespace, sockets: int, within: Sequence[str] = ()) -> Iterator[None]:
    """A service that closes none of these connections, and the client that ended its half of each."""
    with (
        leak(network, "app", "serve", 8080, within=within),
        leak(network, "client", "dial", 8080, sockets, "127.0.0.1", within=within),
    ):
        yield


def of_pod(running: Process, pod: Pod, state: str) -> float:
    return counted(running, "tcpstate_stuck_sockets", netns=pod.netns, port=8080, state=state)


def test_each_namespace_has_as_many_sockets_as_ss_sees_in_it(
    host: Namespace, two_pods: Node, tmp_path: Path, everywhere: str
) -> None:
    web, etcd = two_pods.pods
    with (
        leaking(web.network, LEAKED),
        leaking(etcd.network, LEAKED // 2),
        exporter(host, tmp_path / "log", everywhere, within=two_pods.within()) as running,
    ):
        for pod in (web, etcd):
            seen = {state.label: number for state, number in by_state(pod.network).items()}
            wait_for(partial(is_told, running, pod, seen), "they are counted", SECONDS)


def is_told(running: Process, pod: Pod, seen: Mapping[str, int]) -> bool:
    return sockets_of(running, pod) == seen


def sockets_of(running: Process, pod: Pod) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in told(running, "tcpstate_sockets"):
        if one.labels.get("netns") == pod.netns:
            found[one.labels["state"]] = found.get(one.labels["state"], 0) + one.value
    return {state: number for state, number in found.items() if number}


def test_the_same_port_in_two_pods_is_told_apart(
    host: Namespace, two_pods: Node, tmp_path: Path, everywhere: str
) -> None:
    """Only one of them has a listener whose sockets pile up."""
    web, etcd = two_pods.pods
    with (
        leaking(web.network, LEAKED),
        leak(etcd.network, "other", "serve", 8080),
        exporter(host, tmp_path / "log", everywhere, within=two_pods.within()) as running,
    ):
        wait_for(lambda: of_pod(running, web, "close_wait") == LEAKED, "the pod's sockets are stuck", SECONDS)
        assert counted(running, "tcpstate_sockets", netns=etcd.netns, port=8080, state="listen") == 1
        assert f'netns="{etcd.netns}",port="8080",role="server",state="close_wait"' not in exposition(running)


def test_the_series_of_a_pod_end_with_it(host: Namespace, tmp_path: Path, everywhere: str) -> None:
    with exporter(host, tmp_path / "log", everywhere) as running:
        with node() as made, leak(made.pods[0].network, "app", "serve", PORT):
            wait_for(lambda: listening(running) == 1, "it is seen", SECONDS)
        wait_for(lambda: listening(running) == 0, "it is gone", SECONDS)


def listening(running: Process) -> float:
    """Sockets that listen on PORT in another namespace than our own."""
    found = [one for one in told(running, "tcpstate_sockets") if "netns" in one.labels]
    return sum(one.value for one in found if (one.labels["port"], one.labels["state"]) == (str(PORT), "listen"))
