"""Numbers and tables that both dashboards have, and that say what is wrong now."""

from collections.abc import Sequence
from dataclasses import replace

from page import RUNBOOKS
from panels import (
    BAD,
    GOOD,
    HALF,
    NONE_IS_FINE,
    NOT_KNOWN,
    SHARE,
    STATES,
    WARN,
    Column,
    Json,
    Link,
    Panel,
    Query,
    Steps,
    lines,
    mappings,
    stat,
    table,
)
from promql import (
    CHOSEN,
    HOLDER,
    descriptors_in_use,
    firing,
    first_out,
    grown,
    growth,
    holders,
    limits,
    lost,
    named,
    rate,
    seconds_left,
    those_of,
    told,
)

MORE: Steps = ((None, "text"), (1, BAD))
"""Of a number that had better not grow."""

LEFT: Steps = ((None, "text"), (0, BAD), (1800, WARN), (7200, "text"))
"""Seconds: a page is due, or will be."""

EXPORTER = Link("The exporter's page", "http://${__data.fields.instance}/")

STATE = Column(
    "State",
    "state",
    cell="color-text",
    mappings=mappings({state: (state, color) for state, color in STATES.items()}),
    width=110,
)

NETNS = Column("Netns", "netns")
"""The network namespace; a dash for the exporter's own."""

_SHORT: Sequence[Json] = [
    {"type": "regex", "options": {"pattern": pattern, "result": {"text": text, "index": place}}}
    for place, (pattern, text) in enumerate(
        (("^.*/([^/]*?)([0-9a-f]{12})[0-9a-f]{52}([.]scope)?$", "$1$2"), ("^.*/([^/]+)$", "$1"))
    )
]
"""Of a cgroup the last part, and of a container's number in it the first twelve digits."""

_EMPTY = mappings({"0": ("none left", BAD)})

_SEVERITY = mappings({"critical": ("critical", BAD), "warning": ("warning", WARN)})


def stuck(of: str) -> Panel:
    return stat(
        "Stuck sockets",
        "Sockets that have been in a state that should pass for too long, and that nothing is about to end.",
        told(f"sum(tcpstate_stuck_sockets{{{of}}})"),
        NONE_IS_FINE,
        words={"0": ("nothing is stuck", GOOD)},
    )


def growing(of: str) -> Panel:
    return stat(
        "Growing now",
        "Stuck sockets that have come within ten minutes, summed over all ports that have more than before.",
        told(grown(of)),
        ((None, GOOD), (1, WARN), (10, BAD)),
        words={"0": ("not growing", GOOD)},
    )


def runs_out() -> Panel:
    return stat(
        "Descriptors gone in",
        "Until the first holder of stuck sockets has no descriptor left and can neither accept nor connect nor open a"
        " file, at its pace of now. Not known where the exporter may not look into the holder.",
        told(first_out(), none=-1),
        ((None, BAD), (1800, WARN), (7200, HALF), (86400, GOOD)),
        words={"-1": ("not in sight", GOOD), "0": ("none are left", BAD)},
        unit="s",
    )


def connections_lost() -> Panel:
    return stat(
        "Lost in 5 min",
        "Connections refused since an accept queue was full, dropped by a listener for another reason, or cut for want"
        " of memory.",
        told(lost()),
        ((None, GOOD), (1, WARN), (100, BAD)),
        words={"0": ("none", GOOD)},
    )


def nearest_limit(waiting: str) -> Panel:
    nearest = f"topk(1, max by (limit) ({limits(waiting)}))"
    none = named(f"vector({NOT_KNOWN})", "limit", "limits")
    return stat(
        "Nearest limit",
        "The limit of which most is in use.",
        Query(f"{nearest} or on () {none}", "{{limit}}", instant=True),
        SHARE,
        words={},
        unit="percentunit",
    )


def holding(*, most: int, height: int, hosts: Sequence[Column]) -> Panel:
    """Who holds stuck sockets, and how many descriptors that leaves."""
    top = f"topk({most}, {holders('stuck_descriptors')} > 0)"
    return table(
        "Who holds stuck sockets, and how long their descriptors last",
        "A holder without descriptors can neither accept nor connect nor open a file. Its fullest process is told, and"
        " how many descriptors are taken by sockets that are stuck, or over and still held.",
        [*hosts, *_holder(), *_descriptors(top)],
        "In use",
        empty="No stuck socket is reported.",
        height=height,
    )


def _holder() -> Sequence[Column]:
    links = [EXPORTER, Link("All that is stuck, by holder", f"{EXPORTER.url}api/v1/stuck?group=holder")]
    return (
        NETNS,
        Column("Process", "process", links=links, width=115),
        Column("Unit or container", "cgroup", mappings=_SHORT),
    )


def _descriptors(top: str) -> Sequence[Column]:
    closed = f"max by ({HOLDER}) (tcpstate_closed_held_sockets{{{CHOSEN}}}) > 0"
    growing = growth("tcpstate_holder_stuck_descriptors", HOLDER, CHOSEN)
    found = (
        Column(
            "Gone in", expression=seconds_left(), unit="s", cell="color-text", steps=LEFT, mappings=_EMPTY, width=95
        ),
        Column("In use", expression=descriptors_in_use(), unit="percentunit", cell="gauge", steps=SHARE, width=120),
        Column("Taken", expression=holders("stuck_descriptors"), unit="locale", width=65),
        Column("+ in 10 min", expression=growing, unit="locale", cell="color-text", steps=MORE, width=90),
        Column("Open", expression=holders("open_descriptors"), unit="none", width=70),
        Column("Limit", expression=holders("descriptor_limit"), unit="none", width=70),
        Column("Closed, held", expression=closed, unit="locale", width=100),
        Column("pid", expression=holders("pid"), unit="none", width=75),
    )
    return [replace(column, expression=those_of(column.expression, HOLDER, top)) for column in found]


def alerts(*more: Column, width: int, height: int) -> Panel:
    """Firing ones, told apart by the columns, or how many of each."""
    runbook = Link("Runbook", f"{RUNBOOKS}/${{__data.fields.alertname}}.md")
    columns = (
        Column("Alert", "alertname", links=[runbook]),
        Column("Severity", "severity", cell="color-text", mappings=_SEVERITY, width=80),
        *more,
    )
    firing_ones = f"count by ({', '.join(column.label for column in columns)}) ({firing()})"
    return table(
        "Firing alerts",
        "A click on an alert opens its runbook. Only with the alert rules loaded.",
        [*columns, Column("Firing", expression=firing_ones, unit="locale", width=70, hidden=bool(more))],
        "Severity",
        descending=False,
        empty="No alert rule fires.",
        width=width,
        height=height,
    )


def losses(description: str) -> Panel:
    refused = rate("listen_overflows")
    kinds = {
        "accept queue full": refused,
        "dropped by a listener": f"clamp_min({rate('listen_drops')} - {refused}, 0)",
        "no memory": rate("aborted_on_memory"),
        "peer is silent": rate("aborted_on_timeout"),
        "TIME_WAIT full": rate("time_wait_overflows"),
        "SYN cookie": rate("syncookies_sent"),
    }
    return lines(
        "Refused, dropped, cut per second",
        description,
        *(Query(expression, words) for words, expression in kinds.items()),
        empty="No exporter was there.",
        unit="cps",
        least_top=1,
    )
