"""From sockets that really leak to the notification: exporter, Prometheus, Alertmanager, and whoever is paged.

The rules are those that are shipped, but for their minutes, which are seconds here.
"""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.lab.daemon import ROOT, alertmanager, exporter, prometheus
from tests.lab.leaks import leak
from tests.lab.netns import Namespace, Pair
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

RULES = ROOT / "deploy/prometheus"
CONFIG = "interval: 200ms\nmax_cpu: 100%\nstuck_after: {fin_wait2: 2s, close_wait: 2s}\n"
SERVER = "10.99.0.2"


class Pager:
    """Takes notifications as Alertmanager's webhook receiver does."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []

    def names(self, status: str) -> set[str]:
        return {one["labels"]["alertname"] for one in self.alerts if one["status"] == status}

    def last(self, name: str) -> dict[str, Any]:
        return next(one for one in reversed(self.alerts) if one["labels"]["alertname"] == name)


@contextmanager
def pager(place: Namespace) -> Iterator[Pager]:
    taken = Pager()

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.alerts += json.loads(body)["alerts"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 9099), Take, bind_and_activate=False)
    with place.entered():
        server.socket.close()
        server.socket = socket.create_server(("127.0.0.1", 9099))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def hasten(text: str) -> str:
    """The same configuration with seconds for minutes, and a second for anything shorter."""
    return re.sub(r"\b(\d+)m\b", r"\1s", re.sub(r"\b\d+s\b", "1s", text))


@contextmanager
def watched(place: Namespace, folder: Path) -> Iterator[Pager]:
    """A host with all that watches over it, from the exporter to the pager."""
    for file in ("rules.yml", "alerts.yml", "scrape.yml", "alertmanager.yml"):
        (folder / file).write_text(hasten((RULES / file).read_text()))
    (folder / "config.yaml").write_text(CONFIG)
    with ExitStack() as kept:
        taken = kept.enter_context(pager(place))
        kept.enter_context(exporter(place, folder / "log", f"--config.file={folder / 'config.yaml'}"))
        kept.enter_context(alertmanager(place, folder, folder / "alertmanager.yml"))
        kept.enter_context(prometheus(place, folder, folder / "scrape.yml"))
        yield taken


def go_on_leaking(client: Any, until: Any) -> None:
    """Three more connections a second, until the pager knows."""

    def leaked() -> bool:
        client.order("3")
        time.sleep(1)
        return bool(until())

    wait_for(leaked, "the notification", seconds=90)


def test_a_leak_in_fin_wait2_pages_with_port_and_owner_and_churn_does_not(pair: Pair, tmp_path: Path) -> None:
    with (
        leak(pair.b, "server", "serve", 8080),
        leak(pair.a, "churn", "churn", 7100, 300),
        watched(pair.a, tmp_path) as taken,
        leak(pair.a, "fetcher", "dial", 8080, 0, SERVER) as client,
    ):
        go_on_leaking(client, lambda: "TCPFinWait2StuckGrowing" in taken.names("firing"))
        page = taken.last("TCPFinWait2StuckGrowing")
        assert (page["labels"]["severity"], page["labels"]["role"], page["labels"]["port"]) == (
            "critical",
            "client",
            "8080",
        )
        assert "clients to port 8080" in page["annotations"]["description"]
        assert "(fetcher)" in page["annotations"]["description"]

        for _ in range(20):
            client.order("1")
            time.sleep(0.5)
        client.order("")
        wait_for(lambda: "TCPFinWait2StuckGrowing" in taken.names("resolved"), "that it is over", seconds=60)
        assert taken.names("firing") == {"TCPFinWait2StuckGrowing"}


def test_a_leak_in_close_wait_pages_with_port_and_owner(pair: Pair, tmp_path: Path) -> None:
    with (
        leak(pair.b, "churn", "churn", 7100, 300),
        watched(pair.b, tmp_path) as taken,
        leak(pair.b, "app", "serve", 8080) as server,
        leak(pair.a, "client", "dial", 8080, 0, SERVER) as client,
    ):
        go_on_leaking(client, lambda: "TCPCloseWaitStuckGrowing" in taken.names("firing"))
        page = taken.last("TCPCloseWaitStuckGrowing")
        assert (page["labels"]["severity"], page["labels"]["role"], page["labels"]["port"]) == (
            "critical",
            "server",
            "8080",
        )
        assert "(app)" in page["annotations"]["description"]
        assert re.search(r"They wait for: (accept 0; )?close \d+;", page["annotations"]["description"])

        server.end()
        wait_for(lambda: "TCPCloseWaitStuckGrowing" in taken.names("resolved"), "that it is over", seconds=60)
        assert taken.names("firing") == {"TCPCloseWaitStuckGrowing"}


def test_time_wait_at_its_limit_pages_and_the_ticket_about_it_is_spared(host: Namespace, tmp_path: Path) -> None:
    host.sysctl("net.ipv4.tcp_max_tw_buckets", 400)
    with watched(host, tmp_path) as taken:
        time.sleep(3)  # the counter has to be seen before it moves
        with leak(host, "churn", "churn", 7100, 100):
            wait_for(lambda: "TCPTimeWaitOverflow" in taken.names("firing"), "the notification", seconds=60)
            time.sleep(10)
            # Once nothing overflows any more, as many TIME_WAIT sockets are left for a minute: then a ticket is right.
            assert taken.names("firing") == {"TCPTimeWaitOverflow"}
        assert "400" not in taken.last("TCPTimeWaitOverflow")["labels"].values()
        wait_for(lambda: "TCPTimeWaitOverflow" in taken.names("resolved"), "that it is over", seconds=90)
