"""Expressions of both dashboards, of the hosts that are chosen; *of* are matchers, *by* labels to tell apart."""

from collections.abc import Mapping

from panels import NOT_KNOWN

HOSTS = 'job=~"$job",instance=~"$instance"'

CHOSEN = f'{HOSTS},netns=~"${{netns:pipe}}"'
"""Of these the network namespaces that are chosen. The exporter's own has no label, so it is chosen by what matches
nothing, and that must not be escaped."""

_HOSTS_OR_NONE = 'job=~"$job",instance=~"$instance|"'

INSTANCE = "job, instance"
SPACE = "job, instance, netns"
HOLDER = "job, instance, netns, cgroup, process"
PLACE = "job, instance, netns, role, port, state"

WAITING = "netns:tcpstate_mini_sockets:sum"
"""What counts towards the limit of TIME_WAIT, as the recording rules tell it."""

_EXHAUSTION = '__name__=~"holder:tcpstate_seconds_to_exhaustion:.+"'


def told(expression: str, none: int = 0) -> str:
    """The expression; or *none*, while an exporter reads sockets; or that nobody knows."""
    return f"({expression}) or {none} + 0 * max(tcpstate_up{{{HOSTS}}} == 1) or vector({NOT_KNOWN})"


def named(expression: str, label: str, name: str, of: str = "") -> str:
    """With one label more, which is the name, and what the label *of* says."""
    found = f'label_replace({expression}, "{label}", "{name}", "", "")'
    return f'label_join({found}, "{label}", " ", "{label}", "{of}")' if of else found


def choosable(expression: str) -> str:
    """With one label more: the value of the variable netns that chooses this network namespace."""
    copied = f'label_join({expression}, "choice", "", "netns")'
    return f'label_replace({copied}, "choice", "^$$", "netns", "")'


def those_of(expression: str, by: str, wanted: str) -> str:
    return f"{expression} and on ({by}) {wanted}"


def growth(metric: str, by: str, of: str) -> str:
    """By how much there are more than ten minutes ago, where the exporter was there then. Zeros go first."""
    now = named(f"({metric}{{{of}}} > 0 and on ({INSTANCE}) tcpstate_up{{{HOSTS}}} offset 10m == 1)", "at", "now")
    before = named(f"-1 * ({metric}{{{of}}} offset 10m > 0)", "at", "before")
    return f"sum by ({by}) ({now} or {before})"


def grown(of: str) -> str:
    """Stuck sockets that have come within ten minutes, wherever they are more now."""
    return f"sum({growth('tcpstate_stuck_sockets', PLACE, of)} > 0)"


def most_in_time(number: int, metric: str, by: str, of: str) -> str:
    """Over time those that have most at any time that is shown, so that no line is broken."""
    top = f"topk({number}, max by ({by}) (max_over_time({metric}{{{of}}}[$__range] @ end())) > 0)"
    return those_of(f"sum by ({by}) ({metric}{{{of}}})", by, top)


def holders(name: str) -> str:
    """What is told of those who hold stuck sockets."""
    return f"max by ({HOLDER}) (tcpstate_holder_{name}{{{CHOSEN}}})"


def descriptors_in_use() -> str:
    return f"{holders('open_descriptors')} / {holders('descriptor_limit')}"


def seconds_left() -> str:
    """Until a holder has no descriptors: as the alerts see it, or by its pace where there are no recording rules."""
    none = f"0 * ({descriptors_in_use()} >= 0.99)"
    recorded = f"min by ({HOLDER}) ({{{_EXHAUSTION},{CHOSEN}}})"
    pace = f"(max by ({HOLDER}) (deriv(tcpstate_holder_stuck_descriptors{{{CHOSEN}}}[5m])) > 0)"
    raw = f"({holders('descriptor_limit')} - {holders('open_descriptors')}) / {pace}"
    ruled = f"holder:tcpstate_stuck_descriptors:last5m{{{HOSTS}}}"
    found = f"({none} or {recorded} or ({raw} unless on ({INSTANCE}) {ruled}))"
    return those_of(found, HOLDER, f"{holders('stuck_descriptors')} > 0")


def first_out() -> str:
    """Seconds until the first holder has no descriptors; not known if it is known of none and one might."""
    unknown = f"{holders('stuck_descriptors')} > 0 unless on ({HOLDER}) {holders('descriptor_limit')}"
    return f"min({seconds_left()}) or {NOT_KNOWN} + 0 * count({unknown})"


def blind() -> str:
    """Exporters that do not answer, or do not read the sockets; a target that has been none of ours does not count."""
    ours = f"instance:tcpstate_exporter:seen{{{HOSTS}}} or last_over_time(tcpstate_up{{{HOSTS}}}[6h])"
    silent = named(f"up{{{HOSTS}}} == 0 and on ({INSTANCE}) ({ours})", "why", "does not answer")
    unable = named(f"tcpstate_up{{{HOSTS}}} == 0", "why", "cannot read the sockets")
    return f"{silent} or {unable}"


def firing(more: str = "") -> str:
    """Alerts of these hosts, and of none: those about a whole fleet."""
    return f'ALERTS{{alertname=~"TCP.+",family!="",alertstate="firing"{more},{_HOSTS_OR_NONE}}}'


def rate(name: str) -> str:
    return f"sum(rate(tcpstate_{name}_total{{{CHOSEN}}}[$__rate_interval]))"


def lost() -> str:
    """Connections that the kernel did not take or had to cut within five minutes."""
    return f"round(sum({_in_all(_lost(5))}))"


def gone_wrong() -> str:
    """What the kernel had to refuse within a quarter of an hour, by the label "what"."""
    skipped = {"dropped: TIME_WAIT full": _increase("time_wait_overflows", 15)}
    return f"round({_in_all({**_lost(15), **skipped})}) > 0"


def _lost(minutes: int) -> Mapping[str, str]:
    refused = _increase("listen_overflows", minutes)
    return {
        "refused: accept queue full": refused,
        "dropped by a listener": f"{_increase('listen_drops', minutes)} - {refused}",
        "cut: no memory": _increase("aborted_on_memory", minutes),
    }


def _increase(name: str, minutes: int) -> str:
    return f"sum by ({SPACE}) (increase(tcpstate_{name}_total{{{CHOSEN}}}[{minutes}m]))"


def _in_all(kinds: Mapping[str, str]) -> str:
    return " or ".join(named(expression, "what", name) for name, expression in kinds.items())


def limits(waiting: str) -> str:
    """Shares in use of all limits, by the label "limit", and of these each queue and each holder."""
    return f"{of_hosts(waiting)} or {of_queues()} or {of_holders()}"


def of_hosts(waiting: str) -> str:
    """Shares of the limits that a host or a namespace has once; *waiting* are what counts towards that of TIME_WAIT."""
    return " or ".join(named(share, "limit", name) for name, share in _shares(waiting).items())


def of_fullest_host(waiting: str) -> str:
    """The largest share of each limit; a maximum is named at each step, which thousands of shares are too many for."""
    return " or ".join(named(f"max({share})", "limit", name) for name, share in _shares(waiting).items())


def _shares(waiting: str) -> Mapping[str, str]:
    """By the name of the limit."""
    ports = _one("ephemeral_ports")
    return {
        "TIME_WAIT": f"sum by ({SPACE}) ({waiting}) / {_one('time_wait_limit')}",
        "local ports to one peer": f"{_one('ephemeral_ports_busiest_destination')} / {ports}",
        "local ports of one address": f"{_one('ephemeral_ports_busiest_address')} / {ports}",
        "orphans": f"{_one('orphan_sockets')} / {_one('orphan_limit')}",
        "memory for TCP": f"{_one('memory_bytes')} / {_one('memory_limit_bytes')}",
    }


def _one(name: str) -> str:
    return f"max by ({SPACE}) (tcpstate_{name}{{{CHOSEN}}})"


def in_time_wait(sockets: str) -> str:
    """Of *sockets* that are told by state, or of sums that are of this one."""
    return f'{sockets}{{{CHOSEN},state=~"time_wait|"}}'


def waiting() -> str:
    """In TIME_WAIT, or in FIN_WAIT2 and closed."""
    return (
        f'tcpstate_sockets{{{CHOSEN},state="time_wait"}}'
        f' or tcpstate_fin_wait2_sockets{{{CHOSEN},ends_by="fin_timeout"}}'
    )


def of_queues() -> str:
    each = named(_queues(), "limit", "accept queue of", "port")
    return f"max by ({SPACE}, limit) ({each})"


def of_fullest_queue() -> str:
    return named(f"max by ({SPACE}) ({_queues()})", "limit", "fullest accept queue")


def _queues() -> str:
    waiting = f"max by ({SPACE}, port) (tcpstate_accept_queue_sockets{{{CHOSEN}}})"
    return f"{waiting} / (max by ({SPACE}, port) (tcpstate_accept_queue_limit{{{CHOSEN}}}) > 0)"


def of_holders() -> str:
    each = named(descriptors_in_use(), "limit", "descriptors of", "process")
    return f"max by ({SPACE}, limit) ({each})"
