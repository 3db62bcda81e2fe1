"""A node with pods: the census of ``samples``, and the sockets of other network namespaces beside it."""

from dataclasses import replace

from exporter.count.census import AcceptQueue, Bounds, Census
from exporter.count.exhaustion import Holder
from exporter.count.stuck import Holding, OwnerRow, Stuck, StuckSocket, WatchedCount
from exporter.tcp.holders import Descriptors, Owner, Whose
from exporter.tcp.limits import Limits
from exporter.tcp.namespaces import Namespace
from exporter.tcp.sockets import Row, Service
from exporter.tcp.states import State
from exporter.tcp.verdicts import CLOSE
from tests.show import samples

ID = "0123456789abcdef" * 4
POD = Namespace(4026532001, "shop/web-7d9f8b6c5d-x2k4q", "pod", "shop", "web-7d9f8b6c5d-x2k4q", ID, f"/kubepods/{ID}")
LAB = Namespace(4026532002, "lab", "named")
UNTOLD = 4026532003
"""The number of one that has no label."""

WEB, WEB_DIALS = Row(POD.name, "server", "8080"), Row(POD.name, "client", "5432")
LAB_OTHERS = Row("lab", "server", "other")
TOGETHER = Row("other", "server", "other")

SIDECAR = Owner(POD.cgroup, "java", 815)


def census() -> Census:
    """In the pod 5 sockets are stuck; the namespaces that are told together have one of them."""
    host = samples.census()
    counts = {
        WEB: samples.counts(listen=1, established=30, close_wait=5, time_wait=3),
        WEB_DIALS: samples.counts(established=3),
        LAB_OTHERS: samples.counts(listen=2),
        TOGETHER: samples.counts(established=40, close_wait=1),
    }
    return replace(
        host,
        sockets={**host.sockets, **counts},
        shown={**host.shown, **{row: {state for state in State if of[state]} for row, of in counts.items()}},
        accept_queues={**host.accept_queues, WEB: AcceptQueue(110, 128), TOGETHER: AcceptQueue(1, 128)},
        elsewhere=[_pod(), Bounds(Limits(), 0, 0, {"server": 2, "client": 0}, LAB)],
        namespaces=4,
        namespaces_missed=1,
        stuck=_stuck(host.stuck),
        holders=[*host.holders, Holder(Whose(SIDECAR.cgroup, "java", POD.name), 5, 815, Descriptors(60, 64))],
    )


def _pod() -> Bounds:
    values = {"time_wait_limit": 131072, "time_wait_overflows": 0, "listen_overflows": 9, "listen_drops": 9}
    return Bounds(Limits(values, ephemeral_ports=28232), 2, 3, {"server": 0, "client": 0}, POD)


def _stuck(host: Stuck) -> Stuck:
    leak = WatchedCount(5, 150, {CLOSE: 5}, {CLOSE: 5}, 150, 5)
    one = WatchedCount(1, 130, {CLOSE: 1}, {CLOSE: 1}, 130, 1)
    rows = {WEB: samples.watched(close_wait=leak), TOGETHER: samples.watched(close_wait=one)}
    return replace(
        host,
        watched={**host.watched, **rows, **dict.fromkeys((WEB_DIALS, LAB_OTHERS), samples.watched())},
        owners={**(host.owners or {}), OwnerRow(WEB, State.CLOSE_WAIT, SIDECAR.cgroup, "java"): 5},
        holdings=[*host.holdings, holding()],
        unaccepted={TOGETHER: 130.0},
        listed=[*host.listed, stuck_socket(POD.number), stuck_socket(UNTOLD)],
        names={0: "", POD.number: POD.name, LAB.number: LAB.name},
    )


def holding() -> Holding:
    return Holding(Service("server", 8080, POD.number), State.CLOSE_WAIT, SIDECAR, 5, 19850.0, {CLOSE: 5})


def stuck_socket(netns: int) -> StuckSocket:
    plain = samples.stuck_socket()
    socket = plain.socket._replace(state=State.CLOSE_WAIT, local_port=8080, netns=netns)
    return StuckSocket(socket, Service("server", 8080, netns), 19850.0, CLOSE, SIDECAR)
