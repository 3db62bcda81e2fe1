"""From sockets that really leak to the notification: exporter, Prometheus, Alertmanager, and whoever is paged.

The rules are those that are shipped, but for their minutes, which are seconds here.
"""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.lab.daemon import ROOT, Process, alertmanager, exporter, prometheus
from tests.lab.leaks import Leak, leak
from tests.lab.netns import Namespace, Pair
from tests.lab.pods import node
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

RULES = ROOT / "deploy/prometheus"
CONFIG = "interval: 200ms\nmax_cpu: 100%\nstuck_after: {fin_wait2: 2s, close_wait: 2s}\n"
SERVER = "10.99.0.2"
PAGE = "TCPHolderRunsOutOfDescriptors"


class Pager:
    """Takes notifications as Alertmanager's webhook receiver does."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []

    def names(self, status: str) -> set[str]:
        return {one["labels"]["alertname"] for one in self.alerts if one["status"] == status}

    def last(self, name: str) -> dict[str, Any]:
        return next(one for one in reversed(self.alerts) if one["labels"]["alertname"] == name)


def is_of_the_host(alert: Mapping[str, Any]) -> bool:
    """Whether it is about closed sockets of whatever else runs here: they are counted by host, and have no name."""
    return alert["labels"]["alertname"] == "TCPSocketsStuck" and "process" not in alert["labels"]


@contextmanager
def pager(place: Namespace) -> Iterator[Pager]:
    taken = Pager()

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.alerts += [one for one in json.loads(body)["alerts"] if not is_of_the_host(one)]
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
    """The same configuration with seconds for minutes, also in paces and ages, and a second for anything shorter."""
    seconds = re.sub(r"\b(\d+)m\b", r"\1s", re.sub(r"\b\d+s\b", "1s", text))
    return seconds.replace("/ 120", "/ 2").replace("vector(120)", "vector(2)")


@dataclass(frozen=True)
class Watch:
    """A host with all that watches over it, from the exporter to the pager."""

    place: Namespace
    folder: Path
    pager: Pager
    exporter: Process

    @contextmanager
    def prometheus(self) -> Iterator[Process]:
        """It goes on with what one before it has written."""
        with prometheus(self.place, self.folder, self.folder / "scrape.yml") as running:
            yield running

    def open_of_limit(self, process: str) -> tuple[float, float]:
        """The descriptors of a holder."""
        of = {"process": process}
        return (
            self.exporter.value("tcpstate_holder_open_descriptors", **of),
            self.exporter.value("tcpstate_holder_descriptor_limit", **of),
        )


@contextmanager
def watched(place: Namespace, folder: Path, config: str = CONFIG, within: Sequence[str] = ()) -> Iterator[Watch]:
    """All but Prometheus; the exporter by a *config*, and *within* a command."""
    for file in ("rules.yml", "alerts.yml", "scrape.yml", "alertmanager.yml"):
        (folder / file).write_text(hasten((RULES / file).read_text()))
    (folder / "config.yaml").write_text(config)
    with ExitStack() as kept:
        taken = kept.enter_context(pager(place))
        flag = f"--config.file={folder / 'config.yaml'}"
        running = kept.enter_context(exporter(place, folder / "log", flag, within=within))
        kept.enter_context(alertmanager(place, folder, folder / "alertmanager.yml"))
        yield Watch(place, folder, taken, running)


def go_on_leaking(client: Leak, until: Callable[[], bool]) -> None:
    """Five more connections a second."""

    def leaked() -> bool:
        client.order("5")
        time.sleep(1)
        return until()

    wait_for(leaked, "the notification", seconds=90)


def few_descriptors(number: int) -> tuple[str, ...]:
    return ("prlimit", f"--nofile={number}:{number}")


def test_a_process_with_512_descriptors_pages_before_they_are_gone_and_until_it_is_restarted(
    pair: Pair, tmp_path: Path
) -> None:
    """Churn beside it does not, and neither its being full nor a restart of Prometheus ends the page."""
    with (
        leak(pair.b, "server", "serve", 8080),
        leak(pair.a, "churn", "churn", 7100, 300),
        watched(pair.a, tmp_path) as watch,
        leak(pair.a, "fetcher", "dial", 8080, 0, SERVER, within=few_descriptors(512)) as client,
    ):
        with watch.prometheus():
            go_on_leaking(client, lambda: PAGE in watch.pager.names("firing"))
            used, limit = watch.open_of_limit("fetcher")
            assert limit == 512
            assert used < 400
            page = watch.pager.last(PAGE)
            assert (page["labels"]["severity"], page["labels"]["process"]) == ("critical", "fetcher")
            assert f"(pid {client.process.pid})" in page["annotations"]["description"]
            assert re.search(r"the rest is gone in \d+", page["annotations"]["description"])
            assert "fin_wait2 (client 8080)" in page["annotations"]["description"]

            client.order("512")
            wait_for(lambda: watch.open_of_limit("fetcher") == (512, 512), "that it is full", seconds=30)
            time.sleep(10)
        with watch.prometheus():
            time.sleep(20)
            assert watch.pager.names("resolved") == set()
            assert watch.pager.names("firing") == {PAGE}

            client.end()
            wait_for(lambda: PAGE in watch.pager.names("resolved"), "that it is over", seconds=60)
        assert watch.pager.names("firing") == {PAGE}


def test_a_server_that_does_not_close_pages_with_its_port(pair: Pair, tmp_path: Path) -> None:
    with (
        leak(pair.b, "churn", "churn", 7100, 300),
        watched(pair.b, tmp_path) as watch,
        watch.prometheus(),
        leak(pair.b, "app", "serve", 8080, within=few_descriptors(512)) as server,
        leak(pair.a, "client", "dial", 8080, 0, SERVER) as client,
    ):
        go_on_leaking(client, lambda: PAGE in watch.pager.names("firing"))
        page = watch.pager.last(PAGE)
        assert page["labels"]["process"] == "app"
        assert "close_wait (server 8080)" in page["annotations"]["description"]

        server.end()
        wait_for(lambda: PAGE in watch.pager.names("resolved"), "that it is over", seconds=60)
        assert watch.pager.names("firing") == {PAGE}


def test_a_leak_in_a_pod_pages_with_the_pods_name(host: Namespace, tmp_path: Path) -> None:
    """Of other namespaces of this host, whatever runs there, nothing is asked."""
    everywhere = f"{CONFIG}namespaces: all\n"
    with (
        node() as of_two,
        leak(of_two.pods[0].network, "server", "serve", 8080),
        leak(
            of_two.pods[0].network,
            "fetcher",
            "dial",
            8080,
            0,
            within=(*of_two.pods[0].cgroup.within(), *few_descriptors(512)),
        ) as client,
        watched(host, tmp_path, everywhere, of_two.within()) as watch,
        watch.prometheus(),
    ):
        whose = {"netns": of_two.pods[0].netns, "process": "fetcher"}

        def pages() -> list[dict[str, Any]]:
            alerts = watch.pager.alerts
            return [
                one for one in alerts if one["labels"]["alertname"] == PAGE and whose.items() <= one["labels"].items()
            ]

        go_on_leaking(client, lambda: bool(pages()))
        assert f"({whose['netns']}) (pid {client.process.pid})" in pages()[0]["annotations"]["description"]


def test_a_server_that_hangs_is_one_page(pair: Pair, tmp_path: Path) -> None:
    with (
        watched(pair.b, tmp_path) as watch,
        watch.prometheus(),
        leak(pair.b, "app", "hang", 8080) as server,
        leak(pair.a, "client", "dial", 8080, 10, SERVER) as client,
    ):
        client.order("")
        wait_for(lambda: "TCPServiceNotAccepting" in watch.pager.names("firing"), "the notification", seconds=200)
        page = watch.pager.last("TCPServiceNotAccepting")
        assert (page["labels"]["severity"], page["labels"]["port"]) == ("critical", "8080")
        assert "It is app" in page["annotations"]["description"]

        server.end()
        wait_for(lambda: "TCPServiceNotAccepting" in watch.pager.names("resolved"), "that it is over", seconds=60)
        assert {
            one["labels"]["alertname"] for one in watch.pager.alerts if one["labels"]["severity"] == "critical"
        } == {"TCPServiceNotAccepting"}


def test_time_wait_at_its_limit_is_a_ticket(host: Namespace, tmp_path: Path) -> None:
    host.sysctl("net.ipv4.tcp_max_tw_buckets", 400)
    with watched(host, tmp_path) as watch, watch.prometheus():
        time.sleep(3)  # the counter has to be seen before it moves
        with leak(host, "churn", "churn", 7100, 100):
            wait_for(lambda: "TCPTimeWaitOverflow" in watch.pager.names("firing"), "the notification", seconds=60)
        assert {one["labels"]["severity"] for one in watch.pager.alerts} == {"warning"}
        wait_for(lambda: "TCPTimeWaitOverflow" in watch.pager.names("resolved"), "that it is over", seconds=90)
