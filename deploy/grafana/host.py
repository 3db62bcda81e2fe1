"""The dashboard of one host and its ports: what is stuck there, who holds it, and why."""

from collections.abc import Mapping

import shared
from page import DATASOURCE, RUNBOOKS, dashboard, link, link_to_dashboard, marks, namespaces, variable
from panels import (
    BAD,
    GOOD,
    NOT_KNOWN,
    STATES,
    WARN,
    Column,
    Panel,
    Query,
    Row,
    bars,
    fixed,
    lines,
    shaded,
    shares,
    stat,
    table,
)
from promql import (
    CHOSEN,
    HOSTS,
    PLACE,
    choosable,
    descriptors_in_use,
    firing,
    growth,
    limits,
    most_in_time,
    of_fullest_queue,
    of_hosts,
    rate,
    told,
    waiting,
)

ROLE = f'{CHOSEN},port=~"$port",role=~"$role"'

ENDS_BY = {
    "nothing": STATES["fin_wait2"],
    "keepalive": "light-purple",
    "transfer": "super-light-purple",
    "fin_timeout": "#808080",
}

WAITS_FOR = {
    "close": STATES["close_wait"],
    "read": "light-orange",
    "transfer": "super-light-orange",
    "accept": "dark-orange",
}

_JOB = Column("Job", "job", hidden=True)
_PORT = Column("Port", "port", width=65)

OWNED = f"{PLACE}, process"


def _owned(told: str, rest: str) -> str:
    """What is *told* by owner, and the *rest* where owners are not told."""
    return f"({told} or ({rest} unless on ({PLACE}) tcpstate_stuck_sockets_by_owner{{{ROLE}}}))"


def _oldest() -> Panel:
    stuck = f"tcpstate_oldest_socket_age_seconds{{{ROLE}}} and tcpstate_stuck_sockets{{{ROLE}}} > 0"
    return stat(
        "Stuck for up to",
        "Age of the oldest socket where one is stuck: about when it began.",
        told(f"max({stuck})"),
        ((None, WARN),),
        words={"0": ("none", GOOD)},
        unit="s",
    )


def _closed_held() -> Panel:
    return stat(
        "Closed, still held",
        "Sockets that are over and that a process still holds: they are in no table, and each takes a descriptor.",
        told(f"sum(tcpstate_closed_held_sockets{{{CHOSEN}}})"),
        ((None, GOOD), (10, BAD)),
        words={"0": ("none", GOOD)},
    )


def _age() -> Panel:
    return stat(
        "Last sample",
        "How long ago the exporter has read the sockets. What is shown here is not newer.",
        told(f"round(time() - min(tcpstate_last_sample_timestamp_seconds{{{HOSTS}}}))", none=NOT_KNOWN),
        ((None, GOOD), (60, WARN), (120, BAD)),
        words={},
        unit="s",
        decimals=0,
    )


def _what() -> Panel:
    by_owner, stuck = "tcpstate_stuck_sockets_by_owner", "tcpstate_stuck_sockets"
    now = _owned(f"sum by ({OWNED}) ({by_owner}{{{ROLE}}})", f"sum by ({PLACE}) ({stuck}{{{ROLE}}} > 0)")
    grown = _owned(growth(by_owner, OWNED, ROLE), growth(stuck, PLACE, ROLE))
    oldest = f"max by ({PLACE}) (tcpstate_oldest_socket_age_seconds{{{ROLE}}})"
    top = f"topk(30, {now})"
    return table(
        "What is stuck",
        "By port, state and process, the thirty with most.",
        [
            _JOB,
            Column("Host", "instance", hidden=True),
            shared.NETNS,
            Column("Role", "role", width=65),
            _PORT,
            shared.STATE,
            Column("Stuck", expression=top, unit="locale", width=70),
            Column(
                "+ in 10 min",
                expression=f"{grown} and {top}",
                unit="locale",
                cell="color-text",
                steps=shared.MORE,
                width=90,
            ),
            Column(
                "For up to",
                expression=f"(0 * {now} + on ({PLACE}) group_left () {oldest}) and {top}",
                unit="s",
                width=100,
            ),
            Column("Process", "process"),
        ],
        "Stuck",
        empty="No stuck socket is reported.",
        width=14,
        height=6,
    )


NOW = Row(
    "Now",
    (
        shared.stuck(ROLE),
        shared.growing(ROLE),
        shared.runs_out(),
        shared.connections_lost(),
        _oldest(),
        _closed_held(),
        shared.nearest_limit(waiting()),
        _age(),
        shared.holding(most=20, height=5, hosts=(_JOB, Column("Host", "instance", links=[shared.EXPORTER]))),
        _what(),
        shared.alerts(shared.NETNS, _PORT, Column("Process", "process", width=110), width=10, height=6),
    ),
)


def _closed_in_time() -> Query:
    any_at_all = f"max(max_over_time(tcpstate_closed_held_sockets{{{CHOSEN}}}[$__range] @ end())) > 0"
    return Query(f"sum(tcpstate_closed_held_sockets{{{CHOSEN}}}) and on () {any_at_all}", "closed, still held")


GROWTH = Row(
    "Is it growing?",
    (
        lines(
            "Stuck sockets by port and state",
            "The ten with most at any time that is shown. A line that only climbs is a leak.",
            Query(
                most_in_time(10, "tcpstate_stuck_sockets", "netns, role, port, state", ROLE),
                "{{netns}} {{role}} {{port}} {{state}}",
            ),
            _closed_in_time(),
            empty="Nothing was stuck in this time.",
            overrides=[*shaded(STATES), *fixed({"closed, still held": STATES["close"]})],
        ),
        shares(
            "Descriptors of who holds them",
            "Open ones of the holder's limit. At the limit it can neither accept nor connect nor open a file.",
            Query(descriptors_in_use(), "{{netns}} {{process}}"),
            empty="No descriptors of a holder were told in this time.",
        ),
    ),
)


def _by(label: str, state: str, colors: Mapping[str, str], title: str, description: str) -> Panel:
    return lines(
        title,
        description,
        Query(f"sum by ({label}) (tcpstate_{state}_sockets{{{ROLE}}})", f"{{{{{label}}}}}"),
        empty=f"No socket was in {state.upper()}.",
        overrides=fixed(colors),
    )


ENDS = Row(
    "How they end",
    (
        _by(
            "ends_by",
            "fin_wait2",
            ENDS_BY,
            "FIN_WAIT2 by what ends it",
            "fin_timeout: closed, harmless. transfer: data still moves. keepalive: held, ends if the peer is dead."
            " nothing: held, stays.",
        ),
        _by(
            "waits_for",
            "close_wait",
            WAITS_FOR,
            "CLOSE_WAIT by what the process has to do",
            "close: it forgot the socket. read: it does not read. transfer: it still sends. accept: it does not even"
            " accept.",
        ),
    ),
)

LIMITS = Row(
    "Limits",
    (
        bars(
            "The nearest limits now",
            "The eight of which most is in use.",
            Query(f"topk(8, max by (netns, limit) ({limits(waiting())}))", "{{limit}} {{netns}}", instant=True),
            empty="The exporter is not there.",
        ),
        shares(
            "How much of each limit is in use",
            "Of the fullest network namespace. At the limit the kernel refuses, drops or resets.",
            Query(f"max by (limit) ({of_hosts(waiting())} or {of_fullest_queue()})", "{{limit}}"),
            empty="The exporter was not there.",
            width=16,
        ),
    ),
)

LOSSES = Row(
    "Refused, dropped, cut, and how much there is to do",
    (
        shared.losses("A silent peer is the peer's doing; the rest is this side's."),
        lines(
            "Connections opened per second",
            "By this host (active) and by its peers (passive). All that ends goes through TIME_WAIT on one side.",
            Query(rate("active_opens"), "active"),
            Query(rate("passive_opens"), "passive"),
            empty="It is told of the exporter's own network namespace.",
            unit="cps",
            least_top=1,
        ),
    ),
)


def _all_states() -> Panel:
    return lines(
        "Sockets by state",
        "All ports that are chosen above, together. A high level alone is traffic.",
        Query(f"sum by (state) (tcpstate_sockets{{{ROLE}}})", "{{state}}"),
        empty="The exporter was not there.",
        overrides=fixed(STATES),
    )


def _by_port(state: str, description: str) -> Panel:
    return lines(
        f"{state.upper()} by port",
        description,
        Query(
            most_in_time(8, "tcpstate_sockets", "netns, role, port", f'{ROLE},state="{state}"'),
            "{{netns}} {{role}} {{port}}",
        ),
        empty=f"No socket was in {state.upper()}.",
        shade=STATES[state],
    )


PORTS = Row(
    "Sockets by state and port",
    (
        _all_states(),
        _by_port("established", "The eight busiest ports."),
        _by_port("fin_wait2", "The eight ports with most, stuck or not."),
        _by_port("close_wait", "The eight ports with most, stuck or not."),
        _by_port("time_wait", "The eight ports with most; harmless below the limits."),
        _by_port("syn_recv", "Half-open connections: a flood, or answers that do not arrive."),
    ),
)

HOST = dashboard(
    "tcpstate-host",
    "TCP states: host and port",
    (NOW, GROWTH, ENDS, LIMITS, LOSSES, PORTS),
    variables=(
        DATASOURCE,
        variable("job", "Job", "label_values(tcpstate_build_info, job)"),
        variable("instance", "Instance", 'label_values(tcpstate_build_info{job=~"$job"}, instance)', everything=False),
        namespaces(choosable(f"tcpstate_netns_info{{{HOSTS}}}")),
        variable("role", "Role", f"label_values(tcpstate_sockets{{{CHOSEN}}}, role)"),
        variable("port", "Port", f'label_values(tcpstate_sockets{{{CHOSEN},role=~"$role"}}, port)'),
    ),
    links=(
        link_to_dashboard("Fleet", "tcpstate-fleet"),
        link("The exporter's page", "http://${instance}/"),
        link("Runbooks", f"{RUNBOOKS}/README.md"),
    ),
    annotations=(
        marks(f"max by (alertname, severity, process, port) ({firing()})", "{{severity}} {{process}} {{port}}"),
    ),
)
