"""A fleet that is not there: one HTTP server that answers as the exporters of any number of hosts would.

    python -m tests.bench.targets

A web host that offers 8 services and dials 12 is rendered once by the exporter's own code; of a scrape only those
numbers are new that move on a host that lives. Of a hundred hosts one has a process that leaks sockets, and two have
one whose stuck sockets stand.
"""

import asyncio
import re
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from tornado.web import Application, RequestHandler

from exporter.count.census import Census, blank
from exporter.count.closed import Closed
from exporter.count.exhaustion import Holder
from exporter.count.report import Sample
from exporter.count.rules import NamespaceRules, PortRules
from exporter.show.exposition import render
from exporter.show.formats import Format, Variant
from exporter.tcp.holders import Descriptors, Whose
from exporter.tcp.sockets import Socket
from exporter.tcp.states import State
from tests.count.test_census import census, socket
from tests.show import samples
from tests.show.test_series import LISTENERS, PASSING, dialled, served

PORT = 10060
SCRAPED_EACH = 15

_FORMAT = Format.OPENMETRICS_1_0_0
_LASTING = (State.ESTABLISHED, State.TIME_WAIT)
_OTHERS = 60
"""Descriptors that a process has open beside those of stuck sockets."""
_HOLDER = ("/system.slice/app.service", "app")


class _Kind(NamedTuple):
    """What is the matter with a host."""

    stuck: int = 0
    """Sockets in CLOSE_WAIT, towards one port."""
    leaks: bool = False
    """Whether they become more, so fast that the process has no descriptors left within half an hour."""


_HEALTHY, _STANDING, _LEAKING = _Kind(), _Kind(stuck=17), _Kind(stuck=127, leaks=True)


def _kind(host: int) -> _Kind:
    return {0: _LEAKING, 33: _STANDING, 66: _STANDING}.get(host % 100, _HEALTHY)


class Scrape(NamedTuple):
    """What a number depends on that moves."""

    host: int
    begun: float
    """Unix time at which the fleet was made."""
    now: float

    @property
    def number(self) -> int:
        """How many scrapes there have been."""
        return int(self.now - self.begun) // SCRAPED_EACH


Move = Callable[[float, Scrape], float]
"""What was rendered, to what is told in the scrape."""


def _wavers(value: float, scrape: Scrape) -> float:
    """What is none stays so."""
    return value and value + (7 * scrape.host + 5 * scrape.number) % 11


def _ages(value: float, scrape: Scrape) -> float:
    """What is old gets older; the oldest of those that pass is another one each time."""
    return round(value + scrape.now - scrape.begun if value else (7 * scrape.host + 5 * scrape.number) % 101 / 30, 3)


def _rises(value: float, scrape: Scrape) -> float:
    return value + (1 + scrape.host % 5) * int(scrape.now - scrape.begun)


def _tells_the_time(_value: float, scrape: Scrape) -> float:
    return round(scrape.now - scrape.host % 5, 3)


def _grows(value: float, scrape: Scrape) -> float:
    return value + min(8 * scrape.number, 800)


_MOVES: Sequence[tuple[str, Move]] = (
    (r'tcpstate_sockets\{.*"(established|time_wait|syn_recv|fin_wait2|last_ack)"\}', _wavers),
    (r"tcpstate_(ephemeral_ports_busiest_\w+|memory_bytes|tracked_sockets)", _wavers),
    (r'tcpstate_oldest_socket_age_seconds\{port="\d+",.*\}', _ages),
    (r"(tcpstate_(active_opens|passive_opens|samples)|process_cpu_seconds)_total", _rises),
    (r"tcpstate_last_sample_timestamp_seconds", _tells_the_time),
)
_LEAK_MOVES: Sequence[tuple[str, Move]] = (
    (r'tcpstate_(stuck_)?sockets(_by_owner)?\{.*port="5432".*"close_wait".*\}', _grows),
    (r'tcpstate_close_wait_sockets\{.*port="5432".*"close"\}', _grows),
    (r"tcpstate_holder_(open|stuck)_descriptors\{.*\}", _grows),
)


class Body:
    """The text of a kind of hosts, with room for what moves."""

    def __init__(self, text: str, moves: Sequence[tuple[str, Move]]) -> None:
        self._moving: list[tuple[float, Move]] = []
        self._template = "\n".join(self._line(line, moves) for line in text.split("\n"))

    def _line(self, line: str, moves: Sequence[tuple[str, Move]]) -> str:
        series, _, value = line.rpartition(" ")
        for pattern, move in moves:
            if re.fullmatch(pattern, series):
                self._moving.append((float(value), move))
                return series.replace("%", "%%") + " %s"
        return line.replace("%", "%%")

    def at(self, scrape: Scrape) -> str:
        return self._template % tuple(move(value, scrape) for value, move in self._moving)


def body(kind: _Kind) -> Body:
    """That of a host of this *kind*."""
    own = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=own)
    report = samples.report(last=Sample(_census(kind), at=0.0, now=1000.0, seconds=0.1))
    text = render(Variant(_FORMAT, gzip=False), report, 1001.0, own.collect()).decode()
    return Body(text, [*_MOVES, *(_LEAK_MOVES if kind.leaks else ())])


def _census(kind: _Kind) -> Census:
    """Of a second reading, in which those sockets are stuck that were there in the first."""
    memory, stuck = blank(PortRules(), NamespaceRules()), [_leaked(end) for end in range(kind.stuck)]
    census(stuck, LISTENERS, memory=memory, limits=samples.LIMITS)
    found = census([*_passing(), *stuck], LISTENERS, memory=memory, now=300.0, limits=samples.LIMITS)
    return _held(replace(found, closed=Closed({}, 0)), kind)


def _leaked(end: int) -> Socket:
    """One that a process holds, and of which only the end is unread."""
    return socket(State.CLOSE_WAIT, 40000 + end, 5432)._replace(inode=1, receive_queue=1)


def _passing() -> Sequence[Socket]:
    """Sockets as a web host has them, whose services see connections come and go."""
    return [*served((*_LASTING, *PASSING)), *dialled(_LASTING)]


def _held(found: Census, kind: _Kind) -> Census:
    """The same, with who holds what is stuck."""
    if not kind.stuck:
        return found
    cgroup, process = _HOLDER
    owners = {
        owner._replace(cgroup=cgroup, process=process): sockets for owner, sockets in (found.stuck.owners or {}).items()
    }
    holder = Holder(Whose(cgroup, process), kind.stuck, 4711, Descriptors(_OTHERS + kind.stuck, 1024))
    return replace(found, stuck=replace(found.stuck, owners=owners), holders=[holder])


class _Host(RequestHandler):
    """The metrics of the host whose number is in the path."""

    def get(self, number: str) -> None:
        host = int(number)
        text: str = self.settings["bodies"][_kind(host)].at(Scrape(host, self.settings["begun"], time.time()))
        self.set_header("Content-Type", _FORMAT.value)
        self.set_header("Content-Encoding", "gzip")
        self.finish(zlib.compress(text.encode(), 1, 16 + zlib.MAX_WBITS))

    def compute_etag(self) -> None:
        """Nobody asks twice for the same."""


async def _serve() -> None:
    bodies = {kind: body(kind) for kind in (_HEALTHY, _STANDING, _LEAKING)}
    paths = [(r"/host/(\d+)/metrics", _Host)]
    Application(paths, bodies=bodies, begun=time.time(), log_function=lambda _: None).listen(PORT, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
