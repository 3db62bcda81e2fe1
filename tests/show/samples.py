"""Censuses and reports for the tests of what is made of them."""

from collections.abc import Mapping
from dataclasses import replace

from exporter.count.census import AcceptQueue, Census
from exporter.count.report import Reload, Report, Sample
from exporter.count.rules import StuckRules
from exporter.count.stuck import OwnerRow, Stuck, Watched
from exporter.count.suspects import Suspect
from exporter.sampling.sampler import REASONS
from exporter.tcp.holders import Owner
from exporter.tcp.limits import Limits
from exporter.tcp.sockets import Ends, Role, Service, Socket
from exporter.tcp.states import WATCHED, State

LIMITS = Limits(
    values={
        "time_wait_limit": 131072,
        "orphan_sockets": 3,
        "orphan_limit": 65536,
        "fin_timeout_seconds": 60,
        "keepalive_time_seconds": 7200,
        "keepalive_interval_seconds": 75,
        "keepalive_probes": 9,
        "time_wait_overflows": 1,
        "aborted_on_timeout": 2,
        "aborted_on_memory": 3,
        "listen_overflows": 4,
        "listen_drops": 5,
        "active_opens": 6,
        "passive_opens": 7,
    },
    ephemeral_ports=28232,
)


def counts(**by_label: int) -> Mapping[State, int]:
    return {state: by_label.get(state.label, 0) for state in State}


def census() -> Census:
    """A web server that talks to a database, with some sockets in FIN_WAIT2."""
    sockets: Mapping[tuple[Role, str], Mapping[State, int]] = {
        ("server", "443"): counts(listen=2, established=1200, time_wait=4000, fin_wait2=289),
        ("server", "8080"): counts(listen=1),
        ("server", "other"): counts(),
        ("client", "5432"): counts(established=16, close_wait=1),
        ("client", "other"): counts(time_wait=2),
    }
    return Census(
        sockets=sockets,
        accept_queues={"443": AcceptQueue(5, 4096), "8080": AcceptQueue(0, 128)},
        folded_ports={"server": 0, "client": 2},
        busiest_destination=17,
        limits=LIMITS,
        stuck=stuck(),
    )


def watched(**by_label: Watched) -> Mapping[State, Watched]:
    return {state: by_label.get(state.label, Watched()) for state in WATCHED}


def stuck() -> Stuck:
    """Most of those in FIN_WAIT2 will stay."""
    none = watched()
    fin_wait2 = Watched(stuck=280, oldest=10800.5, verdicts={"fin_timeout": 6, "nothing": 283})
    close_wait = Watched(oldest=3.0, verdicts={"close": 1})
    return Stuck(
        watched={
            ("server", "443"): watched(fin_wait2=fin_wait2),
            ("server", "8080"): none,
            ("server", "other"): none,
            ("client", "5432"): watched(close_wait=close_wait),
            ("client", "other"): none,
        },
        after=StuckRules().after,
        verdicts_known=True,
        owners={
            OwnerRow("server", "443", State.FIN_WAIT2, "/system.slice/nginx.service", "nginx"): 270,
            OwnerRow("server", "443", State.FIN_WAIT2, "other", ""): 10,
        },
        listed=[(suspect(), Owner("/system.slice/nginx.service", "nginx", 4711))],
        ends=lambda _: Ends("192.0.2.1:443", "198.51.100.7:50000"),
        at=20000.0,
        tracked=290,
    )


def suspect() -> Suspect:
    one = Socket(State.FIN_WAIT2, 443, 50000, b"", cookie=1, inode=5)
    return Suspect(one, Service("server", 443), since=9199.5, verdict="nothing", responsible=1, cgroup=0)


def healthy() -> Census:
    """The same host when all is well."""
    return replace(census(), stuck=replace(stuck(), watched={}, owners={}, listed=()))


def sample(since: float = 1000.0) -> Sample:
    return Sample(census(), at=1_700_000_000.0, since=since, seconds=0.25)


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
