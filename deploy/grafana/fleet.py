"""The dashboard of many hosts: which of them to look at.

What is shown over time must not read the hundreds of series that a host has. Totals by state are those of the recording
rules, if there are any; who holds stuck sockets has series only where something is stuck.
"""

from collections.abc import Sequence

import shared
from page import DATASOURCE, RUNBOOKS, dashboard, link, link_to_dashboard, marks, metric, pattern, variable
from panels import (
    GOOD,
    NONE_IS_FINE,
    NONE_IS_GOOD,
    NOT_KNOWN,
    SHARE,
    STATES,
    UNKNOWN,
    WARN,
    Column,
    Link,
    Panel,
    Query,
    Row,
    fixed,
    lines,
    mappings,
    shares,
    stat,
    table,
)
from promql import (
    CHOSEN,
    HOLDER,
    HOSTS,
    PLACE,
    WAITING,
    blind,
    choosable,
    firing,
    gone_wrong,
    growth,
    in_time_wait,
    limits,
    most_in_time,
    named,
    of_fullest_host,
    those_of,
    told,
)

TOTALS = "instance:tcpstate_sockets:sum"

SOCKETS = "${totals:raw}"
"""By state at least; by namespace, role and port too where there are no recording rules."""

IN_TIME_WAIT = in_time_wait("${waiting:raw}")
"""By namespace at least, likewise."""

_AT = "var-datasource=${datasource}&var-job=${__data.fields.job}&var-instance=${__data.fields.instance}"
_TO_HOST = Link("Host and port", f"/d/tcpstate-host?{_AT}&${{__url_time_range}}")
_THERE = "var-netns=${__data.fields.choice}&var-role=${__data.fields.role}&var-port=${__data.fields.port}"
_TO_PORT = Link("Host and port", f"/d/tcpstate-host?{_AT}&{_THERE}&${{__url_time_range}}")


def _host(link: Link = _TO_HOST) -> Sequence[Column]:
    """The job is there for the link."""
    return Column("Job", "job", hidden=True), Column("Host", "instance", links=[link])


def _critical() -> Panel:
    critical, ruled = firing(',severity="critical"'), f'{TOTALS}{{{HOSTS},state="listen"}}'
    return stat(
        "Critical alerts",
        "Alerts that page somebody and are firing. Only with the alert rules loaded.",
        f"count({critical}) or 0 * count({ruled}) or vector({NOT_KNOWN})",
        NONE_IS_GOOD,
        words={"0": ("none", GOOD), str(NOT_KNOWN): ("no rules", UNKNOWN)},
    )


def _hosts() -> Panel:
    return stat(
        "Hosts affected",
        "Hosts on which at least one socket is stuck.",
        told(f"count(count by (job, instance) (tcpstate_stuck_sockets{{{CHOSEN}}} > 0))"),
        NONE_IS_FINE,
        words={"0": ("none", GOOD)},
    )


def _blind() -> Panel:
    return stat(
        "Blind exporters",
        "Exporters that do not answer Prometheus, or that answer and cannot read the sockets.",
        f"count({blind()}) or vector(0)",
        NONE_IS_FINE,
        words={"0": ("none", GOOD)},
    )


def _where() -> Panel:
    top = f"topk(30, sum by ({PLACE}) (tcpstate_stuck_sockets{{{CHOSEN}}} > 0))"
    oldest = f"max by ({PLACE}) (tcpstate_oldest_socket_age_seconds{{{CHOSEN}}} > 0)"
    grown = those_of(growth("tcpstate_stuck_sockets", PLACE, CHOSEN), PLACE, top)
    return table(
        "Where sockets are stuck",
        "The thirty ports with most stuck sockets in a state. A click on the host shows that port there.",
        [
            *_host(_TO_PORT),
            Column("Chosen", "choice", hidden=True),
            shared.NETNS,
            Column("Role", "role", width=65),
            Column("Port", "port", width=65),
            shared.STATE,
            Column("Stuck", expression=choosable(top), unit="locale", width=70),
            Column(
                "+ in 10 min",
                expression=choosable(grown),
                unit="locale",
                cell="color-text",
                steps=shared.MORE,
                width=90,
            ),
            Column("For up to", expression=choosable(those_of(oldest, PLACE, top)), unit="s", width=100),
        ],
        "Stuck",
        empty="No stuck socket is reported.",
        width=15,
        height=7,
    )


NOW = Row(
    "Now",
    (
        shared.stuck(CHOSEN),
        shared.growing(CHOSEN),
        shared.runs_out(),
        shared.connections_lost(),
        _hosts(),
        _critical(),
        shared.nearest_limit(IN_TIME_WAIT),
        _blind(),
        shared.holding(most=20, height=6, hosts=_host()),
        _where(),
        shared.alerts(width=9, height=7),
    ),
)


def _stuck_by_state() -> Panel:
    """By owner, since these series are few; the two states that a process has to end have a line also at zero."""
    zero = f"0 * max(tcpstate_up{{{HOSTS}}} == 1)"
    zeros = [named(zero, "state", state) for state in ("fin_wait2", "close_wait")]
    found = f"sum by (state) (tcpstate_stuck_sockets_by_owner{{{CHOSEN}}})"
    return lines(
        "Stuck sockets by state",
        "All hosts that tell owners together. A line that only climbs is a leak.",
        Query(" or ".join([found, *zeros]), "{{state}}"),
        empty="No exporter was there.",
        overrides=fixed(STATES),
    )


GROWTH = Row(
    "Is it growing?",
    (
        _stuck_by_state(),
        lines(
            "Descriptors in stuck sockets, by holder",
            "The ten holders with most of them at any time that is shown. A line that ends is a leak that has ended.",
            Query(
                most_in_time(10, "tcpstate_holder_stuck_descriptors", HOLDER, CHOSEN),
                "{{netns}} {{process}} on {{instance}}",
            ),
            empty="Nobody has held a stuck socket in this time.",
        ),
    ),
)

LOSSES = Row(
    "Refused, dropped, cut",
    (
        shared.losses("All hosts together. A silent peer is the peer's doing; the rest is this side's."),
        table(
            "Hosts that refuse or lose connections",
            "Within a quarter of an hour, the twenty that lose most.",
            [
                *_host(),
                shared.NETNS,
                Column("What happened", "what"),
                Column("in 15 min", expression=f"topk(20, {gone_wrong()})", unit="locale", width=100),
            ],
            "in 15 min",
            empty="No host has refused or lost a connection.",
            width=12,
        ),
    ),
)

LIMITS = Row(
    "Limits",
    (
        table(
            "The nearest limits",
            "Of all limits of all hosts the twelve of which most is in use.",
            [
                *_host(),
                shared.NETNS,
                Column("Limit", "limit"),
                Column(
                    "In use",
                    expression=f"topk(12, max by (job, instance, netns, limit) ({limits(IN_TIME_WAIT)}))",
                    unit="percentunit",
                    cell="gauge",
                    steps=SHARE,
                    width=150,
                ),
            ],
            "In use",
            empty="No exporter is there.",
            width=12,
        ),
        shares(
            "The fullest host of each limit",
            "At the limit the kernel refuses, drops or resets.",
            Query(of_fullest_host(IN_TIME_WAIT), "{{limit}}"),
            empty="No exporter was there.",
        ),
    ),
)


def _sockets(states: str) -> Query:
    return Query(f'sum by (state) ({SOCKETS}{{{HOSTS},state=~"{states}"}})', "{{state}}")


TRAFFIC = Row(
    "Traffic",
    (
        lines(
            "Sockets in states that should pass",
            "All hosts together, stuck or not. A high level alone is traffic.",
            _sockets("syn_.*|fin_.*|close_wait|last_ack|closing"),
            empty="No exporter was there.",
            overrides=fixed(STATES),
        ),
        lines(
            "Established and TIME_WAIT",
            "All hosts together: how much there is to do, and how often connections end.",
            _sockets("established|time_wait"),
            empty="No exporter was there.",
            overrides=fixed(STATES),
        ),
    ),
)


def _samples(title: str, description: str, of_each: str, least_top: float) -> Panel:
    return lines(
        title,
        description,
        Query(f"max({of_each})", "the worst host"),
        Query(f"quantile(0.5, {of_each})", "median"),
        empty="No exporter was there.",
        unit="s",
        least_top=least_top,
    )


def _sources() -> Panel:
    lesser = mappings({"procfs": ("procfs", WARN), "psutil": ("psutil", WARN)})
    return table(
        "Hosts by source",
        "On Linux all should read from sock_diag or bpf; others tell less, and cost more.",
        [
            Column("Source", "source", cell="color-text", mappings=lesser),
            Column("Hosts", expression=f"count by (source) (tcpstate_source_info{{{HOSTS}}})", unit="locale"),
        ],
        "Hosts",
        empty="No exporter is there.",
        width=8,
        height=6,
    )


EXPORTERS = Row(
    "The exporters",
    (
        table(
            "Blind exporters",
            "Of these hosts nothing is known, and no alert about their sockets can fire.",
            [
                *_host(),
                Column("What is wrong", "why"),
                Column("Blind", expression=f"topk(20, count by (job, instance, why) ({blind()}))", hidden=True),
            ],
            "Host",
            descending=False,
            empty="All exporters answer and read the sockets.",
            width=16,
            height=6,
        ),
        _sources(),
        _samples(
            "Age of the last sample",
            "After three intervals the numbers of a host are left out.",
            f"time() - tcpstate_last_sample_timestamp_seconds{{{HOSTS}}}",
            60,
        ),
        _samples(
            "Time that a sample takes",
            "More than half of it is the kernel's, which walks its whole table of sockets.",
            f"tcpstate_sample_duration_seconds{{{HOSTS}}}",
            0.01,
        ),
    ),
)

FLEET = dashboard(
    "tcpstate-fleet",
    "TCP states: fleet",
    (NOW, GROWTH, LOSSES, LIMITS, TRAFFIC, EXPORTERS),
    variables=(
        DATASOURCE,
        variable("job", "Job", "label_values(tcpstate_build_info, job)"),
        variable("instance", "Instance", 'label_values(tcpstate_build_info{job=~"$job"}, instance)'),
        pattern("netns", ".*"),
        metric("totals", TOTALS, "tcpstate_sockets"),
        metric("waiting", WAITING, "tcpstate_sockets"),
    ),
    links=(link_to_dashboard("Host and port", "tcpstate-host"), link("Runbooks", f"{RUNBOOKS}/README.md")),
    annotations=(marks(f"count by (alertname, severity) ({firing()})", "{{severity}}"),),
    interval="1m",
)
