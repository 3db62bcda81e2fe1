"""The metrics: their names, their help texts, and how a census and a report become families."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.count.census import Census
from exporter.count.report import Report
from exporter.count.stuck import OwnerRow, Stuck, Watched
from exporter.tcp.limits import Limits
from exporter.tcp.sockets import Role
from exporter.tcp.states import State
from exporter.tcp.verdicts import VERDICTS

PREFIX = "tcpstate_"

# Both tables: name in Limits.values and of the metric, and its help.
_LIMITS = {
    "time_wait_limit": "TIME_WAIT sockets and orphans in FIN_WAIT2 that may exist (net.ipv4.tcp_max_tw_buckets).",
    "orphan_sockets": "Sockets on the whole host that no process holds and that are still closing.",
    "orphan_limit": "Orphaned sockets that may exist on the whole host (net.ipv4.tcp_max_orphans).",
    "fin_timeout_seconds": "How long an orphan stays in FIN_WAIT2, not a held socket (net.ipv4.tcp_fin_timeout).",
    "keepalive_time_seconds": "Idle time before the first keepalive probe (net.ipv4.tcp_keepalive_time).",
    "keepalive_interval_seconds": "Time between keepalive probes (net.ipv4.tcp_keepalive_intvl).",
    "keepalive_probes": "Unanswered keepalive probes that end a connection (net.ipv4.tcp_keepalive_probes).",
}
_COUNTERS = {
    "time_wait_overflows": "Sockets dropped instead of entering TIME_WAIT because of the limit (TCPTimeWaitOverflow).",
    "aborted_on_timeout": "Connections ended because the peer did not answer in time (TCPAbortOnTimeout).",
    "aborted_on_memory": "Connections ended because of too many orphans or too little memory (TCPAbortOnMemory).",
    "listen_overflows": "Connections refused because an accept queue was full (ListenOverflows).",
    "listen_drops": "Connection requests dropped by listening sockets for any reason (ListenDrops).",
    "active_opens": "Connections begun by this host (ActiveOpens).",
    "passive_opens": "Connections accepted by this host (PassiveOpens).",
}


@dataclass(frozen=True)
class Build:
    """What is running."""

    version: str = __version__
    revision: str = ""
    python: str = platform.python_version()


class SampleCollector(Collector):
    """Formats the report that *latest* gives, at the time that *clock* gives; decides nothing."""

    def __init__(self, latest: Callable[[], Report], clock: Callable[[], float], build: Build = Build()) -> None:
        self._latest = latest
        self._clock = clock
        self._build = build

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not need a sample."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families but those ``by_port``; those of a census only while it is fresh."""
        report, now = self._latest(), self._clock()
        census = report.census(now)
        if census is not None:
            yield _folded_ports(census)
            yield from _stuck(census.stuck)
            yield from _accept_queues(census)
            yield from _ephemeral(census)
            yield from _limits(census.limits)
        yield _one("up", "Whether the last sample succeeded.", report.is_up(now))
        yield from _sampler(report)
        yield from _last(report)
        yield from _reload(report)
        yield InfoMetricFamily(PREFIX + "build", "The running exporter.", vars(self._build))


def by_port(report: Report, now: float) -> Iterator[str]:
    """The families with a series for each port, as text that is the same in all formats; nothing without a census.

    These are the ones with thousands of series, which the client library would take twenty times as long for. No label
    value needs escaping: ports are numbers or ``other``, all the rest are words of ours.
    """
    census = report.census(now)
    if census is None:
        return
    stuck = census.stuck
    yield _text("sockets", "state", {key: _by_label(counts) for key, counts in census.sockets.items()})
    if stuck.watched:
        yield from (_text(name, "state", _column(stuck, read)) for name, read in _OF_WATCHED.items())
    if stuck.verdicts_known:
        yield from (_text(name, label, _verdicts(stuck, state)) for name, (label, state) in _OF_VERDICTS.items())


_Rows = Mapping[tuple[Role, str], Mapping[str, float]]
"""By role and port, and then by the value of the third label."""

_BY_PORT = {
    "sockets": "TCP sockets by state, role of this host and port of the service.",
    "stuck_sockets": "Sockets in the state for longer than tcpstate_stuck_after_seconds that no timer is about to end.",
    "oldest_socket_age_seconds": "Time since the oldest socket in the state came into it, 0 where there is none.",
    "fin_wait2_sockets": "Sockets in FIN_WAIT2 by what can end them: tcp_fin_timeout, keepalive, or nothing.",
    "close_wait_sockets": "Sockets in CLOSE_WAIT by what the process has yet to do: accept, read or close.",
}


def _stuck_sockets(stuck: Stuck, state: State, watched: Watched) -> float | None:
    return watched.stuck if state in stuck.after else None


def _oldest(_: Stuck, __: State, watched: Watched) -> float:
    return round(watched.oldest, 3)


_OF_WATCHED: Mapping[str, Callable[[Stuck, State, Watched], float | None]] = {
    "stuck_sockets": _stuck_sockets,
    "oldest_socket_age_seconds": _oldest,
}
_OF_VERDICTS = {
    "fin_wait2_sockets": ("ends_by", State.FIN_WAIT2),
    "close_wait_sockets": ("waits_for", State.CLOSE_WAIT),
}


def _column(stuck: Stuck, read: Callable[[Stuck, State, Watched], float | None]) -> _Rows:
    """What *read* finds, without the states for which it finds None."""
    return {
        key: {state.label: value for state, one in by_state.items() if (value := read(stuck, state, one)) is not None}
        for key, by_state in stuck.watched.items()
    }


def _verdicts(stuck: Stuck, state: State) -> _Rows:
    return {
        key: {verdict: by_state[state].verdicts.get(verdict, 0) for verdict in VERDICTS[state]}
        for key, by_state in stuck.watched.items()
    }


def _by_label(counts: Mapping[State, int]) -> Mapping[str, float]:
    return {_LABELS[state]: number for state, number in counts.items()}


def _text(name: str, label: str, rows: _Rows) -> str:
    full = PREFIX + name
    lines = [f"# HELP {full} {_BY_PORT[name]}", f"# TYPE {full} gauge"]
    for (role, port), values in rows.items():
        start = f'{full}{{port="{port}",role="{role}",{label}="'
        lines += [f'{start}{value}"}} {number}' for value, number in values.items()]
    return "\n".join([*lines, ""])


_LABELS = {state: state.label for state in State}


def _folded_ports(census: Census) -> Metric:
    folded = _gauge("folded_ports", 'Ports that have sockets and are counted together under port="other".', "role")
    for role, ports in census.folded_ports.items():
        folded.add_metric((role,), ports)
    return folded


def _stuck(stuck: Stuck) -> Iterator[Metric]:
    after = _gauge("stuck_after_seconds", "Time in a state after which a socket is stuck.", "state")
    for state, seconds in stuck.after.items():
        after.add_metric((state.label,), seconds)
    yield after
    if stuck.owners is not None:
        owners = _gauge("stuck_sockets_by_owner", "Stuck sockets by who holds them.", *OwnerRow._fields)
        for holding, sockets in stuck.owners.items():
            owners.add_metric([*holding[:2], holding.state.label, *holding[3:]], sockets)
        yield owners
    yield _one("tracked_sockets", "Sockets whose ages are remembered.", stuck.tracked)


def _accept_queues(census: Census) -> Iterator[Metric]:
    """The fullest queue of each port; a family that the source knows nothing of is left out."""
    queued = _gauge("accept_queue_sockets", "Connections waiting in the port's fullest accept queue.", "port")
    limit = _gauge("accept_queue_limit", "Connections that may wait in that queue (the backlog).", "port")
    for port, queue in census.accept_queues.items():
        queued.add_metric((port,), queue.queued)
        if queue.limit is not None:
            limit.add_metric((port,), queue.limit)
    yield from (family for family in (queued, limit) if family.samples)


def _ephemeral(census: Census) -> Iterator[Metric]:
    if census.limits.ephemeral_ports is not None:
        yield _one(
            "ephemeral_ports",
            "Local ports for outgoing connections (net.ipv4.ip_local_port_range less the reserved ones).",
            census.limits.ephemeral_ports,
        )
    yield _one(
        "ephemeral_ports_busiest_destination",
        "Local ports in use towards the local address, remote address and remote port that use most of them.",
        census.busiest_destination,
    )


def _limits(limits: Limits) -> Iterator[Metric]:
    for name, help_text in _LIMITS.items():
        if name in limits.values:
            yield _one(name, help_text, limits.values[name])
    for name, help_text in _COUNTERS.items():
        if name in limits.values:
            yield CounterMetricFamily(PREFIX + name, help_text, value=limits.values[name])


def _sampler(report: Report) -> Iterator[Metric]:
    yield InfoMetricFamily(PREFIX + "source", "The source of the sockets.", {"source": report.source})
    yield _one("sample_interval_seconds", "Time between samples, stretched where max_cpu asks for it.", report.interval)
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
        yield _one("last_sample_timestamp_seconds", "When the last good sample was sample.", report.last.at)
        yield _one("sample_duration_seconds", "How long the last good sample took.", report.last.seconds)


def _reload(report: Report) -> Iterator[Metric]:
    yield _one(
        "config_last_reload_successful",
        "Whether the configuration was good when it was last loaded.",
        report.reload.succeeded,
    )
    yield _one(
        "config_last_reload_success_timestamp_seconds",
        "When the configuration in force was loaded.",
        report.reload.succeeded_at,
    )


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, help_text, labels=labels)


def _one(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, help_text, value=value)
