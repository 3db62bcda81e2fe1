"""Censuses and reports for the tests of what is made of them."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from exporter.count.census import AcceptQueue, Bounds, Census
from exporter.count.closed import Closed
from exporter.count.exhaustion import Holder
from exporter.count.report import REASONS, Reload, Report, Sample
from exporter.count.rules import StuckRules
from exporter.count.stuck import Holding, OwnerRow, Stuck, StuckSocket, WatchedCount
from exporter.tcp.holders import Descriptors, Owner, Whose
from exporter.tcp.limits import Limits
from exporter.tcp.sockets import Role, Row, Service, Socket
from exporter.tcp.states import WATCHED, State
from exporter.tcp.verdicts import CLOSE, FIN_TIMEOUT, NOTHING

LIMITS = Limits(
    values={
        "time_wait_limit": 131072,
        "orphan_sockets": 3,
        "orphan_limit": 65536,
        "memory_bytes": 3 << 20,
        "memory_limit_bytes": 1 << 30,
        "fin_timeout_seconds": 60,
        "keepalive_time_seconds": 7200,
        "keepalive_interval_seconds": 75,
        "keepalive_probes": 9,
        "time_wait_overflows": 1,
        "aborted_on_timeout": 2,
        "aborted_on_memory": 3,
        "listen_overflows": 4,
        "listen_drops": 5,
        "syncookies_sent": 8,
        "active_opens": 6,
        "passive_opens": 7,
    },
    ephemeral_ports=28232,
)


def row(role: Role, port: str) -> Row:
    return Row("", role, port)


HTTPS = row("server", "443")


def counts(**by_label: int) -> Mapping[State, int]:
    return {state: by_label.get(state.label, 0) for state in State}


def census() -> Census:
    """A web server that talks to a database, with some sockets in FIN_WAIT2, and some in CLOSE_WAIT until lately."""
    return Census(
        sockets={
            HTTPS: counts(listen=2, established=1200, time_wait=4000, fin_wait2=289),
            row("server", "8080"): counts(listen=1),
            row("server", "other"): counts(),
            row("client", "5432"): counts(established=16, close_wait=1),
            row("client", "other"): counts(time_wait=2),
        },
        shown={
            HTTPS: {State.LISTEN, State.ESTABLISHED, State.TIME_WAIT, State.FIN_WAIT2, State.CLOSE_WAIT},
            row("server", "8080"): {State.LISTEN},
            row("server", "other"): set(State),
            row("client", "5432"): {State.ESTABLISHED, State.CLOSE_WAIT},
            row("client", "other"): set(State),
        },
        accept_queues={HTTPS: AcceptQueue(5, 4096), row("server", "8080"): AcceptQueue(0, 128)},
        own=bounds(),
        stuck=stuck(),
        holders=[holder()],
        closed=Closed({}, 2),
    )


def bounds() -> Bounds:
    return Bounds(LIMITS, 17, 18, {"server": 0, "client": 2})


def watched(**by_label: WatchedCount) -> Mapping[State, WatchedCount]:
    return {state: by_label.get(state.label, WatchedCount()) for state in WATCHED}


def stuck() -> Stuck:
    """Most of those in FIN_WAIT2 will stay."""
    fin_wait2 = WatchedCount(
        stuck=280,
        oldest_age=10800.5,
        verdicts={FIN_TIMEOUT: 6, NOTHING: 283},
        stuck_verdicts={NOTHING: 280},
        oldest_stuck_age=10800.5,
    )
    close_wait = WatchedCount(oldest_age=3.0, verdicts={CLOSE: 1})
    return Stuck(
        watched={
            HTTPS: watched(fin_wait2=fin_wait2),
            row("server", "8080"): watched(),
            row("server", "other"): watched(),
            row("client", "5432"): watched(close_wait=close_wait),
            row("client", "other"): watched(),
        },
        after=StuckRules().after,
        tells_verdicts=True,
        owners={
            OwnerRow(HTTPS, State.FIN_WAIT2, "/system.slice/nginx.service", "nginx"): 270,
            OwnerRow(HTTPS, State.FIN_WAIT2, "other", ""): 10,
        },
        holdings=[
            holding(),
            Holding(Service("server", 443), State.FIN_WAIT2, Owner("", ""), 10, 19750.0, {NOTHING: 10}),
        ],
        listed=[stuck_socket()],
        now=20000.0,
        tracked=290,
    )


NGINX = Owner("/system.slice/nginx.service", "nginx", 4711)


def holding() -> Holding:
    return Holding(Service("server", 443), State.FIN_WAIT2, NGINX, 270, 9199.5, {NOTHING: 270})


def holder() -> Holder:
    return Holder(Whose(NGINX.cgroup, NGINX.process), 270, NGINX.pid, Descriptors(341, 1024))


def stuck_socket() -> StuckSocket:
    addresses = b"".join(IPv4Address(address).packed.ljust(16, b"\0") for address in ("192.0.2.1", "198.51.100.7"))
    return StuckSocket(
        socket=Socket(State.FIN_WAIT2, 443, 50000, addresses, cookie=1, inode=5),
        service=Service("server", 443),
        since=9199.5,
        verdict=NOTHING,
        owner=NGINX,
    )


def healthy() -> Census:
    """The same host when all is well."""
    return replace(census(), stuck=replace(stuck(), watched={}, owners={}, holdings=(), listed=()))


def sample(now: float = 1000.0) -> Sample:
    return Sample(census(), at=1_700_000_000.0, now=now, seconds=0.25)


def report(*, succeeded: bool = True, last: Sample | None = None) -> Report:
    return Report(
        source="sock_diag",
        interval=5.0,
        reload=Reload(succeeded=True, succeeded_at=1_600_000_000.0),
        last=last or sample(),
        succeeded=succeeded,
        samples=12,
        failures={("sock_diag", reason): 0 for reason in REASONS} | {("sock_diag", "truncated"): 1},
        skipped=3,
    )
