"""Writes the dashboards: ``python deploy/grafana/build.py``. The JSON beside it is committed; change it here."""

import json
from collections.abc import Mapping
from pathlib import Path

from panels import (
    BAD,
    DATASOURCE,
    GOOD,
    SHARE,
    SOURCE,
    WARN,
    Column,
    Json,
    Panel,
    Query,
    Row,
    bars,
    dashboard,
    instant,
    lines,
    link,
    or_zero,
    stat,
    table,
    variable,
)

FOLDER = Path(__file__).parent / "dashboards"

HOST = 'job=~"$job",instance=~"$instance"'

PORT = f'{HOST},port=~"$port"'

ROLE = f'{PORT},role=~"$role"'

# One color for each state, on all panels.
STATES: Mapping[str, str] = {
    "established": "#73BF69",
    "syn_sent": "#5794F2",
    "syn_recv": "#8AB8FF",
    "fin_wait1": "#B877D9",
    "fin_wait2": "#F2495C",
    "time_wait": "#FADE2A",
    "close": "#808080",
    "close_wait": "#FF9830",
    "last_ack": "#DEB6F2",
    "listen": "#37872D",
    "closing": "#8F3BB8",
}

ENDS_BY: Mapping[str, str] = {"nothing": "#F2495C", "keepalive": "#FFA6B0", "fin_timeout": "#8E8E8E"}

WAITS_FOR: Mapping[str, str] = {"close": "#FF9830", "read": "#FFCB7D", "accept": "#F2495C"}

LIMITS: Mapping[str, str] = {"limit": "#F2495C"}

NONE_IS_GOOD = ((None, GOOD), (1, BAD))

TO_HOST = "/d/tcpstate-host?var-instance=${__data.fields.instance}&var-job=$job&${__url_time_range}"

_STUCK = f"sum by (instance, role, port, state) (tcpstate_stuck_sockets{{{HOST}}})"

_STUCK_BEFORE = f"sum by (instance, role, port, state) (tcpstate_stuck_sockets{{{HOST}}} offset 30m)"

_MOST_STUCK = f"topk(50, {_STUCK})"

FLEET = (
    Row(
        "Now",
        (
            stat(
                "Hosts with stuck sockets",
                "Hosts on which at least one socket has been in a closing or opening state for too long.",
                or_zero(f"count(sum by (instance) (tcpstate_stuck_sockets{{{HOST}}}) > 0)"),
                NONE_IS_GOOD,
            ),
            stat(
                "Stuck sockets",
                "Sockets that have been in their state for longer than the exporter's stuck_after, on all hosts.",
                or_zero(f"sum(tcpstate_stuck_sockets{{{HOST}}})"),
                NONE_IS_GOOD,
            ),
            stat(
                "FIN_WAIT2 for ever",
                "Stuck sockets in FIN_WAIT2: a process holds them, and tcp_fin_timeout does not apply.",
                or_zero(f'sum(tcpstate_stuck_sockets{{{HOST},state="fin_wait2"}})'),
                NONE_IS_GOOD,
            ),
            stat(
                "CLOSE_WAIT not closed",
                "Stuck sockets in CLOSE_WAIT: the peer has gone, and the process does not close them.",
                or_zero(f'sum(tcpstate_stuck_sockets{{{HOST},state="close_wait"}})'),
                NONE_IS_GOOD,
            ),
            stat(
                "TIME_WAIT dropped/s",
                "Sockets that skipped TIME_WAIT because tcp_max_tw_buckets was reached.",
                or_zero(f"sum(rate(tcpstate_time_wait_overflows_total{{{HOST}}}[$__rate_interval]))"),
                ((None, GOOD), (0.001, BAD)),
            ),
            stat(
                "Blind exporters",
                "Exporters that cannot be scraped, or that answer and cannot read the sockets.",
                or_zero(f"count(up{{{HOST}}} == 0 or tcpstate_up{{{HOST}}} == 0)"),
                NONE_IS_GOOD,
            ),
            table(
                "Where sockets are stuck",
                "The worst fifty. Growth is the change within half an hour: a leak grows. Click a host.",
                [
                    instant(_MOST_STUCK),
                    instant(f"{_STUCK} - ({_STUCK_BEFORE} or 0 * {_STUCK}) and {_MOST_STUCK}"),
                    instant(
                        "max by (instance, role, port, state)"
                        f" (tcpstate_oldest_socket_age_seconds{{{HOST}}}) and {_MOST_STUCK}"
                    ),
                ],
                [
                    Column("instance", "Host", link=TO_HOST),
                    Column("role", "Role", width=90),
                    Column("port", "Port", width=90),
                    Column("state", "State", width=120),
                    Column("Value #A", "Stuck", "short", ((None, "transparent"), (1, WARN), (10, BAD)), width=120),
                    Column(
                        "Value #B",
                        "Growth in 30 min",
                        "short",
                        ((None, "transparent"), (1, WARN), (10, BAD)),
                        width=150,
                    ),
                    Column("Value #C", "Oldest", "s", width=140),
                ],
                "Stuck",
            ),
        ),
    ),
    Row(
        "Over time",
        (
            lines(
                "Stuck sockets by state",
                "All hosts together. A line that only climbs is a leak.",
                Query(f"sum by (state) (tcpstate_stuck_sockets{{{HOST}}})", "{{state}}"),
                colors=STATES,
            ),
            lines(
                "Stuck sockets by host",
                "The ten hosts with most of them.",
                Query(f"topk(10, sum by (instance) (tcpstate_stuck_sockets{{{HOST}}}))", "{{instance}}"),
            ),
            lines(
                "Sockets in states that should pass",
                "All hosts together, stuck or not. A high level alone is traffic.",
                Query(
                    f'sum by (state) (tcpstate_sockets{{{HOST},state=~"syn_.*|fin_.*|close_wait|last_ack|closing"}})',
                    "{{state}}",
                ),
                colors=STATES,
            ),
            lines(
                "Established and TIME_WAIT",
                "All hosts together: how much there is to do, and how often connections end.",
                Query(f'sum by (state) (tcpstate_sockets{{{HOST},state=~"established|time_wait"}})', "{{state}}"),
                colors=STATES,
            ),
        ),
    ),
    Row(
        "Limits, the nearest hosts",
        (
            bars(
                "TIME_WAIT of tcp_max_tw_buckets",
                "At the limit, sockets skip TIME_WAIT.",
                Query(
                    f'topk(8, sum by (instance) (tcpstate_sockets{{{HOST},state="time_wait"}})'
                    f" / sum by (instance) (tcpstate_time_wait_limit{{{HOST}}}))",
                    "{{instance}}",
                    instant=True,
                ),
            ),
            bars(
                "Ephemeral ports to one destination",
                "At the limit, connect() to the busiest destination fails with EADDRNOTAVAIL.",
                Query(
                    f"topk(8, sum by (instance) (tcpstate_ephemeral_ports_busiest_destination{{{HOST}}})"
                    f" / sum by (instance) (tcpstate_ephemeral_ports{{{HOST}}}))",
                    "{{instance}}",
                    instant=True,
                ),
            ),
            bars(
                "Orphans of tcp_max_orphans",
                "Near the limit, the kernel resets connections that are being closed.",
                Query(
                    f"topk(8, sum by (instance) (tcpstate_orphan_sockets{{{HOST}}})"
                    f" / sum by (instance) (tcpstate_orphan_limit{{{HOST}}}))",
                    "{{instance}}",
                    instant=True,
                ),
            ),
            bars(
                "Accept queues",
                "A full queue drops new connections.",
                Query(
                    f"topk(8, max by (instance, port) (tcpstate_accept_queue_sockets{{{HOST}}})"
                    f" / (max by (instance, port) (tcpstate_accept_queue_limit{{{HOST}}}) > 0))",
                    "{{instance}} {{port}}",
                    instant=True,
                ),
            ),
        ),
    ),
    Row(
        "The exporters",
        (
            lines(
                "Time since the last sample",
                "After three intervals the numbers of a host are left out.",
                Query(f"max(time() - tcpstate_last_sample_timestamp_seconds{{{HOST}}})", "the worst host"),
                Query(f"quantile(0.5, time() - tcpstate_last_sample_timestamp_seconds{{{HOST}}})", "median"),
                width=8,
                unit="s",
            ),
            lines(
                "Time that a sample takes",
                "More than half of it is the kernel's, which walks its whole table of sockets.",
                Query(f"max(tcpstate_sample_duration_seconds{{{HOST}}})", "the worst host"),
                Query(f"quantile(0.5, tcpstate_sample_duration_seconds{{{HOST}}})", "median"),
                width=8,
                unit="s",
            ),
            lines(
                "Hosts by source",
                "On Linux all should read from sock_diag.",
                Query(f"count by (source) (tcpstate_source_info{{{HOST}}})", "{{source}}"),
                width=8,
            ),
        ),
    ),
)


def by_port(state: str, description: str) -> Panel:
    return lines(
        f"{state.upper()} by port",
        description,
        Query(
            f'topk(10, sum by (role, port) (tcpstate_sockets{{{ROLE},state="{state}"}}))',
            "{{role}} {{port}}",
        ),
    )


HOST_AND_PORT = (
    Row(
        "Now",
        (
            stat(
                "Stuck sockets",
                "Sockets that have been in their state for longer than the exporter's stuck_after.",
                or_zero(f"sum(tcpstate_stuck_sockets{{{ROLE}}})"),
                NONE_IS_GOOD,
            ),
            stat(
                "FIN_WAIT2 without end",
                "Held by a process after shutdown(): only the process or the peer ends them. Also young ones.",
                or_zero(f'sum(tcpstate_fin_wait2_sockets{{{ROLE},ends_by="nothing"}})'),
                ((None, GOOD), (10, WARN), (100, BAD)),
            ),
            stat(
                "CLOSE_WAIT not closed",
                "The process has read the end of the stream and does not close. Also young ones.",
                or_zero(f'sum(tcpstate_close_wait_sockets{{{ROLE},waits_for="close"}})'),
                ((None, GOOD), (10, WARN), (100, BAD)),
            ),
            stat(
                "Oldest socket in passing",
                "Age of the oldest socket in a state that should pass.",
                or_zero(f"max(tcpstate_oldest_socket_age_seconds{{{ROLE}}})"),
                ((None, GOOD), (120, WARN), (3600, BAD)),
                unit="s",
            ),
            stat(
                "TIME_WAIT of its limit",
                "Share of tcp_max_tw_buckets.",
                f'max(sum by (instance) (tcpstate_sockets{{{HOST},state="time_wait"}})'
                f" / sum by (instance) (tcpstate_time_wait_limit{{{HOST}}}))",
                SHARE,
                unit="percentunit",
            ),
            stat(
                "Ephemeral ports in use",
                "Share of the local ports that are in use towards the busiest destination.",
                f"max(sum by (instance) (tcpstate_ephemeral_ports_busiest_destination{{{HOST}}})"
                f" / sum by (instance) (tcpstate_ephemeral_ports{{{HOST}}}))",
                SHARE,
                unit="percentunit",
            ),
        ),
    ),
    Row(
        "What is stuck, how it ends, and who holds it",
        (
            lines(
                "Stuck sockets by port and state",
                "The ten worst. A line that only climbs is a leak.",
                Query(
                    f"topk(10, sum by (role, port, state) (tcpstate_stuck_sockets{{{ROLE}}}))",
                    "{{role}} {{port}} {{state}}",
                ),
            ),
            lines(
                "Oldest sockets",
                "Age of the oldest socket of each state. A slope of one is a socket that never ends.",
                Query(f"max by (state) (tcpstate_oldest_socket_age_seconds{{{ROLE}}})", "{{state}}"),
                unit="s",
                colors=STATES,
            ),
            lines(
                "FIN_WAIT2 by what ends it",
                "fin_timeout: closed, harmless. keepalive: held, ends if the peer is dead. nothing: held, stays.",
                Query(f"sum by (ends_by) (tcpstate_fin_wait2_sockets{{{ROLE}}})", "{{ends_by}}"),
                colors=ENDS_BY,
            ),
            lines(
                "CLOSE_WAIT by what the process has to do",
                "close: it forgot the socket. read: it does not read. accept: it does not even accept.",
                Query(f"sum by (waits_for) (tcpstate_close_wait_sockets{{{ROLE}}})", "{{waits_for}}"),
                colors=WAITS_FOR,
            ),
            table(
                "Who holds stuck sockets",
                "By cgroup (unit, container) and process. A row of zero says that nothing is stuck.",
                [
                    instant(
                        f"topk(50, sum by (instance, role, port, state, cgroup, process)"
                        f" (tcpstate_stuck_sockets_by_owner{{{ROLE}}}))"
                        f" or topk(1, sum by (instance) (tcpstate_stuck_sockets{{{ROLE}}}) == 0)"
                    )
                ],
                [
                    Column("instance", "Host"),
                    Column("cgroup", "Cgroup"),
                    Column("process", "Process"),
                    Column("role", "Role", width=90),
                    Column("port", "Port", width=90),
                    Column("state", "State", width=120),
                    Column("Value", "Stuck", "short", ((None, "transparent"), (1, WARN), (10, BAD)), width=120),
                ],
                "Stuck",
                height=7,
            ),
        ),
    ),
    Row(
        "Sockets by state and port",
        (
            lines(
                "Sockets by state",
                "All ports that are chosen above, together. A high level alone is traffic.",
                Query(f"sum by (state) (tcpstate_sockets{{{ROLE}}})", "{{state}}"),
                colors=STATES,
            ),
            by_port("established", "The ten busiest ports."),
            by_port("fin_wait2", "The ten ports with most, stuck or not."),
            by_port("close_wait", "The ten ports with most, stuck or not."),
            by_port("time_wait", "The ten ports with most; harmless below the limits."),
            by_port("syn_recv", "Half-open connections: a flood, or answers that do not arrive."),
        ),
    ),
    Row(
        "Limits",
        (
            lines(
                "TIME_WAIT and its limit",
                "At the limit (tcp_max_tw_buckets), sockets skip TIME_WAIT.",
                Query(f'sum by (state) (tcpstate_sockets{{{HOST},state="time_wait"}})', "{{state}}"),
                Query(f"sum(tcpstate_time_wait_limit{{{HOST}}})", "limit"),
                colors={**STATES, **LIMITS},
            ),
            lines(
                "Ephemeral ports towards the busiest destination",
                "At the limit, connect() to that destination fails with EADDRNOTAVAIL.",
                Query(f"max(tcpstate_ephemeral_ports_busiest_destination{{{HOST}}})", "in use"),
                Query(f"max(tcpstate_ephemeral_ports{{{HOST}}})", "limit"),
                colors=LIMITS,
            ),
            lines(
                "Accept queues",
                "Share of the backlog that waits, of the fullest listening socket of each port.",
                Query(
                    f"topk(10, max by (port) (tcpstate_accept_queue_sockets{{{PORT}}})"
                    f" / (max by (port) (tcpstate_accept_queue_limit{{{PORT}}}) > 0))",
                    "{{port}}",
                ),
                unit="percentunit",
            ),
            lines(
                "Orphans and their limit",
                "Closed sockets that still have to deliver, on the whole host with all its namespaces.",
                Query(f"max(tcpstate_orphan_sockets{{{HOST}}})", "orphans"),
                Query(f"max(tcpstate_orphan_limit{{{HOST}}})", "limit"),
                colors=LIMITS,
            ),
        ),
    ),
    Row(
        "Why",
        (
            lines(
                "Connections opened per second",
                "By this host (active) and by its peers (passive). All that ends goes through TIME_WAIT on one side.",
                Query(f"sum(rate(tcpstate_active_opens_total{{{HOST}}}[$__rate_interval]))", "active"),
                Query(f"sum(rate(tcpstate_passive_opens_total{{{HOST}}}[$__rate_interval]))", "passive"),
                unit="cps",
            ),
            lines(
                "Aborts and drops per second",
                "What the kernel had to give up: no answer, no memory, full queues, full TIME_WAIT.",
                *(
                    Query(f"sum(rate(tcpstate_{name}_total{{{HOST}}}[$__rate_interval]))", name.replace("_", " "))
                    for name in (
                        "aborted_on_timeout",
                        "aborted_on_memory",
                        "listen_overflows",
                        "listen_drops",
                        "time_wait_overflows",
                    )
                ),
                unit="cps",
            ),
        ),
    ),
)

OF_FLEET = (
    DATASOURCE,
    variable("job", "Job", "label_values(tcpstate_build_info, job)"),
    variable("instance", "Instance", 'label_values(tcpstate_build_info{job=~"$job"}, instance)'),
)

OF_HOST = (
    *OF_FLEET,
    variable("role", "Role", f"label_values(tcpstate_sockets{{{HOST}}}, role)"),
    variable("port", "Port", f'label_values(tcpstate_sockets{{{HOST},role=~"$role"}}, port)'),
)

ALERTS: Json = {
    "name": "Alerts",
    "datasource": SOURCE,
    "enable": True,
    "hide": False,
    "iconColor": "red",
    "target": {"refId": "Anno", "expr": f'ALERTS{{{HOST},alertname=~"TCP.*",alertstate="firing"}}', "interval": "60s"},
    "titleFormat": "{{alertname}}",
    "textFormat": "{{role}} {{port}}",
}

DASHBOARDS: Mapping[str, Json] = {
    "fleet": dashboard(
        "tcpstate-fleet",
        "TCP states: fleet",
        FLEET,
        variables=OF_FLEET,
        links=[link("Host and port", "tcpstate-host")],
        annotations=[ALERTS],
    ),
    "host": dashboard(
        "tcpstate-host",
        "TCP states: host and port",
        HOST_AND_PORT,
        variables=OF_HOST,
        links=[link("Fleet", "tcpstate-fleet")],
        annotations=[ALERTS],
    ),
}


def text(found: Json) -> str:
    return json.dumps(found, indent=2) + "\n"


def main() -> None:
    for name, found in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(text(found))


if __name__ == "__main__":
    main()
