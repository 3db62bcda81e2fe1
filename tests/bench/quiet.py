"""What the daemon costs while nothing happens."""

import json
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.bench import hosts
from tests.bench.costs import cpu_of
from tests.bench.daemons import ALL_STUCK, Daemon, running
from tests.bench.hosts import Scale
from tests.bench.tables import Table, milliseconds
from tests.lab import netns
from tests.lab.witness import wait_for

_INTERVAL = 5
_SCRAPE_INTERVAL = 15
_CONFIG = f"interval: {_INTERVAL}s\n"
_SCRAPES = 6
_ASKED_AGAIN = 50
_LISTED = 1000
_LIST = f"/api/v1/stuck?limit={_LISTED}"
_TITLE = "The daemon at its defaults, while nothing happens:"
_HEAD = ("what", "cost")


def idle(_scale: Scale) -> Table:
    """An hour's worth on a host without sockets, scaled from a minute and a half."""
    with netns.namespace() as host, running(host, _CONFIG) as daemon:
        daemon.live(_SCRAPE_INTERVAL)
        daemon.require_samples()
        begun = cpu_of(daemon.pid)
        for _ in range(_SCRAPES):
            time.sleep(_SCRAPE_INTERVAL)
            daemon.scrape()
        hourly = 3600 * (cpu_of(daemon.pid) - begun) / (_SCRAPES * _SCRAPE_INTERVAL)
    what = f"an idle hour, sampled each {_INTERVAL} s, scraped each {_SCRAPE_INTERVAL} s"
    return Table(_TITLE, _HEAD, [(what, f"{hourly:.1f} s of CPU")])


def listed(scale: Scale) -> Table:
    """The list of stuck sockets, asked for again while it is the same."""
    size = scale(10_000)
    with netns.namespace() as host, hosts.leaking(size)(host), running(host, _CONFIG + ALL_STUCK) as daemon:
        wait_for(lambda: len(_ask(daemon).listed) == min(size, _LISTED), "the list is full", seconds=60)
        first, *again = _within_one_sample(daemon)
    rows = [
        (f"`{_LIST}`, first after a sample", milliseconds(first)),
        (f"the same, median of {_ASKED_AGAIN} more", milliseconds(statistics.median(again))),
    ]
    return Table(_TITLE, _HEAD, rows)


class _Answer(NamedTuple):
    seconds: float
    sampled: float
    """When the sample was taken that it tells of."""
    listed: Sequence[object]


def _ask(daemon: Daemon) -> _Answer:
    begun = time.perf_counter()
    body = daemon.ask(_LIST)
    seconds = time.perf_counter() - begun
    document = json.loads(body)
    return _Answer(seconds, document["timestamp"], document["sockets"])


def _within_one_sample(daemon: Daemon) -> Sequence[float]:
    """How long each answer took."""
    before = daemon.samples()
    wait_for(lambda: daemon.samples() > before, "another sample", seconds=20)
    answers = [_ask(daemon) for _ in range(1 + _ASKED_AGAIN)]
    assert len({answer.sampled for answer in answers}) == 1
    return [answer.seconds for answer in answers]
