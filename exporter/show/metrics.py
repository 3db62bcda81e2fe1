"""The metrics: their names, their help texts, and how a census and a report become families of the client library.

Those with a series for each row are in ``by_port``.
"""

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from exporter import __revision__, __version__
from exporter.count.census import Bounds, Census
from exporter.count.closed import Closed
from exporter.count.report import Report
from exporter.count.stuck import OwnerRow, Stuck
from exporter.show import namespaces
from exporter.show.series import PREFIX, of_namespace, of_port, of_row
from exporter.tcp.holders import Whose
from exporter.tcp.limits import LimitName
from exporter.tcp.reading import Missed

_LIMITS: Mapping[LimitName, str] = {
    "time_wait_limit": "TIME_WAIT sockets and orphans in FIN_WAIT2 that may exist (net.ipv4.tcp_max_tw_buckets).",
    "orphan_sockets": "Sockets on the whole host that no process holds and that are still closing.",
    "memory_bytes": "Memory that the TCP sockets of the whole host take for what they send and receive.",
    "memory_limit_bytes": "Memory that they may take together (the third number of net.ipv4.tcp_mem).",
    "orphan_limit": "Orphaned sockets that may exist on the whole host (net.ipv4.tcp_max_orphans).",
    "fin_timeout_seconds": "How long an orphan stays in FIN_WAIT2, not a held socket (net.ipv4.tcp_fin_timeout).",
    "keepalive_time_seconds": "Idle time before the first keepalive probe (net.ipv4.tcp_keepalive_time).",
    "keepalive_interval_seconds": "Time between keepalive probes (net.ipv4.tcp_keepalive_intvl).",
    "keepalive_probes": "Unanswered keepalive probes that end a connection (net.ipv4.tcp_keepalive_probes).",
}
_COUNTERS: Mapping[LimitName, str] = {
    "time_wait_overflows": "Sockets dropped instead of entering TIME_WAIT because of the limit (TCPTimeWaitOverflow).",
    "aborted_on_timeout": "Connections ended because the peer did not answer in time (TCPAbortOnTimeout).",
    "aborted_on_memory": "Connections ended because of too many orphans or too little memory (TCPAbortOnMemory).",
    "listen_overflows": "Connections refused because an accept queue was full (ListenOverflows).",
    "listen_drops": "Connection requests dropped by listening sockets for any reason (ListenDrops).",
    "syncookies_sent": "Connection requests answered without remembering them, since too many came (SyncookiesSent).",
    "active_opens": "Connections begun by this host (ActiveOpens).",
    "passive_opens": "Connections accepted by this host (PassiveOpens).",
}


@dataclass(frozen=True)
class Build:
    """What is running."""

    version: str = __version__
    revision: str = __revision__
    python: str = platform.python_version()


def families(report: Report, now: float, build: Build = Build()) -> Iterator[Metric]:
    """All that is told of *report* at the monotonic time *now*; what a census has, only while it is fresh."""
    census = report.census(now)
    if census is not None:
        yield from _of_census(census)
    yield _single("up", "Whether the last sample succeeded.", report.is_up(now))
    yield from _sampler(report)
    yield from _last(report)
    yield from _reload(report)
    yield InfoMetricFamily(PREFIX + "build", "The running exporter.", vars(build))


def certificate(not_after: float) -> Metric:
    """Only where TLS is served."""
    return _single(
        "certificate_not_after_timestamp_seconds", "When the certificate that is served by TLS expires.", not_after
    )


def _of_census(census: Census) -> Iterator[Metric]:
    yield _folded_ports(census)
    yield from _stuck(census.stuck)
    yield from _holders(census)
    yield from _closed(census.closed)
    yield from _accept_queues(census)
    bounds = [(of_namespace(of.namespace.name), of) for of in (census.own, *census.elsewhere)]
    yield from _ephemeral(bounds)
    yield from _limits(bounds)
    yield from _namespaces(census)
    yield from _missed(census.missed)


_Bounds = Sequence[tuple[Mapping[str, str], Bounds]]
"""What bounds each namespace, with its label; our own is the first."""


def _folded_ports(census: Census) -> Metric:
    own = [({"role": role}, ports) for role, ports in census.own.folded_ports.items()]
    others = [
        ({**of_namespace(of.namespace.name), "role": role}, ports)
        for of in census.elsewhere
        for role, ports in of.folded_ports.items()
        if ports
    ]
    return _gauge(
        "folded_ports", 'Ports that have sockets and are counted together under port="other".', [*own, *others]
    )


def _stuck(stuck: Stuck) -> Iterator[Metric]:
    after = (({"state": state.label}, seconds) for state, seconds in stuck.after.items())
    yield _gauge("stuck_after_seconds", "Time in a state after which a socket is stuck.", after)
    if stuck.owners is not None:
        owners = ((_owner(owner), sockets) for owner, sockets in stuck.owners.items())
        yield _gauge("stuck_sockets_by_owner", "Stuck sockets by who holds them.", owners)
    yield _single("tracked_sockets", "Sockets whose ages are remembered.", stuck.tracked)


def _holders(census: Census) -> Iterator[Metric]:
    """Nothing where nothing is stuck; of some the descriptors are not known."""
    of = [(_whose(holder.whose), holder) for holder in census.holders]
    known = [(labels, holder.descriptors, holder.pid) for labels, holder in of if holder.descriptors]
    found = (
        _gauge(
            "holder_open_descriptors",
            "Descriptors that the holder of stuck sockets has open: its fullest process.",
            ((labels, descriptors.open) for labels, descriptors, _ in known),
        ),
        _gauge(
            "holder_descriptor_limit",
            "Descriptors that this process may have open (RLIMIT_NOFILE, soft).",
            ((labels, descriptors.limit) for labels, descriptors, _ in known),
        ),
        _gauge(
            "holder_stuck_descriptors",
            "Descriptors that stuck sockets have taken and that it has not given back.",
            ((labels, holder.taken) for labels, holder in of),
        ),
        _gauge("holder_pid", "The number of this process.", ((labels, pid) for labels, _, pid in known)),
    )
    yield from (family for family in found if family.samples)


def _closed(closed: Closed) -> Iterator[Metric]:
    if closed.by_owner is not None:
        nobody = Whose("", "")
        held = {nobody: 0, **closed.by_owner}
        held[nobody] += closed.unexplained
        yield _gauge(
            "closed_held_sockets",
            "Sockets that are over and still held, seen in no table; without a name where it is not known by whom.",
            ((_whose(whose), sockets) for whose, sockets in held.items()),
        )


def _whose(whose: Whose) -> dict[str, str]:
    return {**of_namespace(whose.netns), "cgroup": whose.cgroup, "process": whose.process}


def _owner(owner: OwnerRow) -> dict[str, str]:
    return {**of_row(owner.row), "state": owner.state.label, "cgroup": owner.cgroup, "process": owner.process}


def _accept_queues(census: Census) -> Iterator[Metric]:
    """The fullest queue of each port; a family that the source knows nothing of is left out.

    That nobody waits is told of our own namespace only: for each of the others it would be one series more for ever.
    """
    queues = [(row, of_port(row), queue) for row, queue in census.accept_queues.items()]
    queued = ((of, queue.queued) for _, of, queue in queues)
    limits = ((of, queue.limit) for _, of, queue in queues if queue.limit is not None)
    waiting = census.stuck.unaccepted
    ages = ((of, round(waiting.get(row, 0.0), 3)) for row, of, _ in queues if row in waiting or not row.netns)
    found = (
        _gauge("accept_queue_sockets", "Connections waiting in the port's fullest accept queue.", queued),
        _gauge("accept_queue_limit", "Connections that may wait in that queue (the backlog).", limits),
        _gauge(
            "oldest_unaccepted_age_seconds",
            "Time for which nobody has accepted a connection whose client has gone, 0 where there is none.",
            ages,
        ),
    )
    yield from (family for family in found if family.samples)


def _ephemeral(bounds: _Bounds) -> Iterator[Metric]:
    """Of other namespaces, those that have any port in use."""
    used = [(of, one) for of, one in bounds if not of or one.busiest_address]
    known = [(of, one.limits.ephemeral_ports) for of, one in used if one.limits.ephemeral_ports is not None]
    if known:
        yield _gauge(
            "ephemeral_ports",
            "Local ports for outgoing connections (net.ipv4.ip_local_port_range less the reserved ones).",
            known,
        )
    yield _gauge(
        "ephemeral_ports_busiest_destination",
        "Local ports in use towards the local address, remote address and remote port that use most of them.",
        ((of, one.busiest_destination) for of, one in used),
    )
    yield _gauge(
        "ephemeral_ports_busiest_address",
        "Local ports in use on the local address that uses most of them: what bind() before connect() runs out of.",
        ((of, one.busiest_address) for of, one in used),
    )


def _limits(bounds: _Bounds) -> Iterator[Metric]:
    for name, help_text in _LIMITS.items():
        if known := _known(name, bounds):
            yield _gauge(name, help_text, known)
    for name, help_text in _COUNTERS.items():
        if known := _known(name, bounds):
            counter = CounterMetricFamily(PREFIX + name, help_text)
            for of, value in known:
                counter.add_sample(f"{counter.name}_total", dict(of), value)
            yield counter


def _known(name: LimitName, bounds: _Bounds) -> Sequence[tuple[Mapping[str, str], float]]:
    return [(of, one.limits.values[name]) for of, one in bounds if name in one.limits.values]


def _namespaces(census: Census) -> Iterator[Metric]:
    """Nothing where only our own is read."""
    if census.namespaces_missed is None:
        return
    yield namespaces.netns_info([of.namespace for of in (census.own, *census.elsewhere)])
    yield _single("namespaces", "Network namespaces that have TCP sockets.", census.namespaces)
    yield _single(
        "namespaces_missed",
        "Network namespaces that cannot be entered: nothing is told of their sockets.",
        census.namespaces_missed,
    )


def _missed(missed: Missed | None) -> Iterator[Metric]:
    """Only of a source that counts inside the kernel."""
    if missed is not None:
        yield CounterMetricFamily(
            PREFIX + "bpf_strays", "Chains of sockets left before their ends, since one moved.", value=missed.strays
        )
        yield CounterMetricFamily(
            PREFIX + "bpf_lost", "Chains too long to be walked, and counts that found no room.", value=missed.lost
        )
        yield _single(
            "bpf_longest_slice_seconds",
            "The longest time for which counting has held a processor without a pause.",
            missed.longest_seconds,
        )


def _sampler(report: Report) -> Iterator[Metric]:
    yield InfoMetricFamily(PREFIX + "source", "The source of the sockets.", {"source": report.source})
    yield _single(
        "sample_interval_seconds", "Time between samples, stretched where max_cpu asks for it.", report.interval
    )
    yield CounterMetricFamily(PREFIX + "samples", "Samples begun.", value=report.samples)
    failures = CounterMetricFamily(PREFIX + "sample_failures", "Samples that failed.", labels=("source", "reason"))
    for key, number in report.failures.items():
        failures.add_metric(key, number)
    yield failures
    yield CounterMetricFamily(
        PREFIX + "samples_skipped", "Samples left out because the one before took too long.", value=report.skipped
    )


def _last(report: Report) -> Iterator[Metric]:
    if report.last is not None:
        yield _single("last_sample_timestamp_seconds", "When the last good sample was taken.", report.last.at)
        yield _single("sample_duration_seconds", "How long the last good sample took.", report.last.seconds)


def _reload(report: Report) -> Iterator[Metric]:
    yield _single(
        "config_last_reload_successful",
        "Whether the configuration was good when it was last loaded.",
        report.reload.succeeded,
    )
    yield _single(
        "config_last_reload_success_timestamp_seconds",
        "When the configuration in force was loaded.",
        report.reload.succeeded_at,
    )


def _gauge(name: str, help_text: str, series: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
    """A family of *series*, pairs of labels and value; they need not all have the same labels."""
    gauge = GaugeMetricFamily(PREFIX + name, help_text)
    for of, value in series:
        gauge.add_sample(gauge.name, dict(of), value)
    return gauge


def _single(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, help_text, value=value)
