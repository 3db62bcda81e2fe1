"""Leaks as time series, and what promtool says of the alerts about them.

A shape says how many sockets have leaked at each moment. They take a descriptor at once, and are stuck two minutes
later.
"""

import math
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.lab.daemon import ROOT

RULES = ROOT / "deploy/prometheus"
GROUPS = (
    "tcpstate_thresholds",
    "tcpstate_holders",
    "tcpstate_ports",
    "tcpstate_totals",
    "tcpstate_hosts",
    "tcpstate_slow",
    "tcpstate_stuck",
    "tcpstate_passing",
    "tcpstate_limits",
    "tcpstate_exporter",
)
"""In the order in which they have to be evaluated, so that no alert sees what was recorded before."""

STUCK_AFTER = 120.0
OTHERS = 60
"""Descriptors that a process has open anyway."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
HOST = {"job": "tcp-state-exporter", "instance": "web1"}
OWNER = {"cgroup": "/system.slice/app.service", "process": "app"}
PAGE = "TCPHolderRunsOutOfDescriptors"

Leak = Callable[[float], float]
"""Sockets that have leaked at a time in seconds; negative times have none."""
Values = Sequence[float | None]
"""One for each scrape; None where there is none."""


def steadily(rate: float) -> Leak:
    return lambda time: rate * max(0.0, time)


def doubling(every: float) -> Leak:
    """From one on."""
    return lambda time: 2 ** (time / every) if time >= 0 else 0.0


def hourly(number: float) -> Leak:
    """By cron: so many at each full hour, the first at once."""
    return lambda time: number * (math.floor(time / HOUR) + 1) if time >= 0 else 0.0


def burst(number: float, at: float = 0.0, until: float = math.inf) -> Leak:
    return lambda time: number if at <= time < until else 0.0


def waves(number: float, every: float) -> Leak:
    """Grows for so long, and is collected."""
    return lambda time: number * (time % every) / every if time >= 0 else 0.0


def until(end: float, leak: Leak) -> Leak:
    """All of it is closed at the *end*."""
    return lambda time: leak(time) if time < end else 0.0


def later(begun: float, leak: Leak) -> Leak:
    """The same leak, from so many seconds after it began."""
    return lambda time: leak(time + begun)


@dataclass(frozen=True)
class Holder:
    """A process that leaks."""

    leak: Leak
    limit: int = 1024
    ports: int = 1
    """On which it leaks alike."""
    knows_descriptors: bool = True
    others: Leak = lambda _: OTHERS
    """Descriptors that it has open besides."""
    host: Mapping[str, str] = field(default_factory=lambda: HOST)
    owner: Mapping[str, str] = field(default_factory=lambda: OWNER)
    gaps: Sequence[tuple[float, float]] = ()
    """From when to when the exporter is not there."""

    def leaked(self, time: float) -> int:
        return int(min(self.leak(time), self.limit - self.others(time)))

    def stuck(self, time: float) -> int:
        """What has leaked two minutes ago and has not been closed since."""
        return min(self.leaked(time), self.leaked(time - STUCK_AFTER))

    def open(self, time: float) -> int:
        return int(min(self.limit, self.others(time) + self.leaked(time)))

    def series(self, times: Sequence[float]) -> Mapping[str, Values]:
        """What the exporter shows of it at each of the *times*."""
        is_told = [self.stuck(time) > 0 and not self._is_away(time) for time in times]
        found: dict[str, Values] = {series("tcpstate_samples_total", **self.host): list(map(self._samples, times))}
        for port in range(self.ports):
            at = {**self.host, "role": "client", "port": str(8080 + port), "state": "close_wait"}
            share = [self.stuck(time) / self.ports for time in times]
            found[series("tcpstate_stuck_sockets_by_owner", **at, **self.owner)] = _where(is_told, share)
            found[series("tcpstate_stuck_sockets", **at)] = _where([not self._is_away(time) for time in times], share)
        of = {**self.host, **self.owner}
        found[series("tcpstate_holder_stuck_descriptors", **of)] = _where(is_told, map(self.stuck, times))
        if self.knows_descriptors:
            found[series("tcpstate_holder_open_descriptors", **of)] = _where(is_told, map(self.open, times))
            found[series("tcpstate_holder_descriptor_limit", **of)] = _where(is_told, [self.limit] * len(times))
        return found

    def _samples(self, time: float) -> float | None:
        """Since the exporter was started, which it was long ago at first."""
        started = max((end for _, end in self.gaps if end <= time), default=-HOUR)
        return None if self._is_away(time) else (time - started) / 5

    def _is_away(self, time: float) -> bool:
        return any(begin <= time < end for begin, end in self.gaps)


def _where(is_told: Sequence[bool], values: "map[int] | Sequence[float]") -> Values:
    return [value if told else None for told, value in zip(is_told, values, strict=True)]


def series(name: str, **labels: str) -> str:
    return f"{name}{{{','.join(f'{label}={chr(34)}{value}{chr(34)}' for label, value in labels.items())}}}"


def _text(values: Values) -> str:
    """As promtool wants them: what ends gets a marker, as it gets one from Prometheus."""
    words = ["_" if value is None else f"{value:g}" for value in values]
    for at in range(1, len(words)):
        if words[at] == "_" and words[at - 1] not in {"_", "stale"}:
            words[at] = "stale"
    return " ".join(words)


@dataclass(frozen=True)
class Story:
    """What there is to see, every *interval* seconds for so many *seconds*."""

    series: Mapping[str, Values]
    interval: int
    seconds: float

    def alerts(self, folder: Path) -> Mapping[str, "Fired"]:
        """Those that have fired, by name."""
        firing, moments = 'ALERTS{alertstate="firing"}', f"[{self.seconds:.0f}s:{self.interval}s]"
        first, last, times, together = self._by_name(
            [
                f"min by (alertname) (min_over_time(timestamp({firing}){moments}))",
                f"max by (alertname) (max_over_time(timestamp({firing}){moments}))",
                f"count_over_time(count by (alertname) ({firing}){moments})",
                f"max_over_time(count by (alertname) ({firing}){moments})",
            ],
            folder,
        )
        return {
            name: Fired(first[name], last[name], (last[name] - first[name]) / self.interval + 1 - times[name], most)
            for name, most in together.items()
        }

    def _by_name(self, expressions: Sequence[str], folder: Path) -> list[Mapping[str, float]]:
        """What each of the *expressions* is in the end, by name of an alert.

        promtool knows what it should be or complains, and says then what it is.
        """
        wrong = [{"labels": "{}", "value": -1}]
        at = f"{self.seconds:.0f}s"
        tests = [{"expr": expression, "eval_time": at, "exp_samples": wrong} for expression in expressions]
        told = [{"series": name, "values": _text(values)} for name, values in self.series.items()]
        file = {
            "rule_files": [str(RULES / "rules.yml"), str(RULES / "alerts.yml")],
            "evaluation_interval": f"{self.interval}s",
            "group_eval_order": list(GROUPS),
            "tests": [{"interval": f"{self.interval}s", "input_series": told, "promql_expr_test": tests}],
        }
        path = folder / "story.yml"
        path.write_text(yaml.safe_dump(file, width=10**9))
        done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False)
        found = re.findall(r"got:(.*)", done.stdout + done.stderr)
        assert len(found) == len(expressions), done.stdout + done.stderr
        return [
            {name: float(value) for name, value in re.findall(r'\{alertname="(\w+)"\} (\S+?)(?:,|$)', one)}
            for one in found
        ]


class Fired(NamedTuple):
    """How an alert has fired, times in seconds."""

    first: float
    last: float
    missing: float
    """How often it has not fired in between."""
    together: float
    """How many of its name have fired at once."""


def story(interval: int, seconds: float, *holders: Holder, more: Mapping[str, Values] | None = None) -> Story:
    """Of these *holders*."""
    times = [number * interval for number in range(int(seconds // interval) + 1)]
    found: dict[str, Values] = dict(more or {})
    for holder in holders:
        found |= holder.series(times)
    return Story(found, interval, times[-1])
