import socket
import threading
from dataclasses import dataclass
from typing import NoReturn

import psutil
import pytest

from exporter.errors import ConfigError, Fault
from exporter.server.routes import NoSampleError
from exporter.show.formats import Format, Variant
from exporter.show.stuck_list import Query
from exporter.tcp.states import State
from tests.lab.witness import wait_for
from tests.server.serving import Bytes, reloading, serving, site


@dataclass(frozen=True)
class Failing:
    """Has nothing ready, and fails to render it."""

    error: Exception

    def ready(self, question: object) -> None:
        del question

    def render(self, question: object) -> NoReturn:
        del question
        raise self.error


def test_metrics_come_with_exact_headers() -> None:
    with serving(site(Bytes(b"a 1\n"))) as server:
        status, headers, body = server.get()

    assert (status, body) == (200, b"a 1\n")
    del headers["Date"]
    assert headers == {
        "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
        "Content-Length": "4",
        "Vary": "Accept, Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }


def test_the_format_and_the_encoding_are_those_that_were_asked_for() -> None:
    metrics = Bytes()
    with serving(site(metrics)) as server:
        _, headers, _ = server.get(Accept="application/openmetrics-text;version=1.0.0", Accept_Encoding="gzip")

    assert metrics.asked == [Variant(Format.OPENMETRICS_1_0_0, gzip=True)]
    assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
    assert headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready"])
def test_head_has_the_headers_of_get_and_no_body(path: str) -> None:
    with serving(site(Bytes())) as server:
        _, expected, body = server.get(path)
        status, headers, nothing = server.get(path, method="HEAD")

    assert (status, nothing) == (200, b"")
    assert headers["Content-Length"] == expected["Content-Length"] == str(len(body))


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/-/", "/%2e%2e/etc/passwd", "//", "/metricsx"])
def test_other_paths_are_not_found(path: str) -> None:
    with serving(site(Bytes())) as server:
        status, headers, body = server.get(path)

    assert (status, body) == (404, b"404 Not Found\n")
    assert headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/metrics", "POST", "GET, HEAD"),
        ("/metrics", "OPTIONS", "GET, HEAD"),
        ("/", "DELETE", "GET, HEAD"),
        ("/-/reload", "GET", "POST, PUT"),
        ("/metrics", "BREW", "GET, HEAD"),
    ],
)
def test_other_methods_are_not_allowed(path: str, method: str, allowed: str) -> None:
    with serving(site(Bytes())) as server:
        status, headers, _ = server.get(path, method=method)

    assert (status, headers["Allow"]) == (405, allowed)


def test_the_page_may_do_nothing_but_be_looked_at() -> None:
    with serving(site(Bytes())) as server:
        status, headers, body = server.get("/")

    assert (status, body) == (200, b"<p>page</p>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_metrics_at_the_root_take_the_place_of_the_page() -> None:
    with serving(site(Bytes(b"a 1\n"), telemetry_path="/")) as server:
        assert server.get("/")[2] == b"a 1\n"


def test_probes_tell_the_state() -> None:
    with serving(site(Bytes(), healthy=lambda: False, ready=lambda: False)) as server:
        assert server.get("/-/healthy")[::2] == (503, b"Not healthy.\n")
        assert server.get("/-/ready")[::2] == (503, b"Not ready.\n")
    with serving(site(Bytes())) as server:
        assert server.get("/-/healthy")[::2] == (200, b"Healthy.\n")
        assert server.get("/-/ready")[::2] == (200, b"Ready.\n")


def test_reload_is_forbidden_unless_it_is_enabled() -> None:
    with serving(site(Bytes())) as server:
        assert server.get("/-/reload", method="POST")[::2] == (403, b"Lifecycle API is not enabled.\n")


def test_reload_reloads() -> None:
    reloads: list[None] = []
    with serving(site(Bytes(), reload=reloading(lambda: reloads.append(None)))) as server:
        assert server.get("/-/reload", method="POST")[0] == 200
        assert server.get("/-/reload", method="PUT")[0] == 200

    assert len(reloads) == 2


def test_a_reload_that_fails_says_why() -> None:
    def fail() -> None:
        raise ConfigError("config.yaml", (Fault("interval", "expected a duration"),))

    with serving(site(Bytes(), reload=reloading(fail))) as server:
        status, _, body = server.get("/-/reload", method="POST")

    assert status == 500
    assert body == b"failed to reload the configuration:\nconfig.yaml: interval: expected a duration\n"


def test_a_mistake_in_the_page_is_an_error_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with serving(site(Bytes(), pages=Failing(ZeroDivisionError()))) as server:
        assert server.get("/")[::2] == (500, b"500 Internal Server Error\n")
        assert server.get()[0] == 200

    assert "ZeroDivisionError" in caplog.text


def test_too_many_scrapes_at_once_are_turned_away() -> None:
    slow = Bytes(cached=False)
    with serving(site(slow, max_requests=1)) as server:
        first = threading.Thread(target=server.get)
        first.start()
        while not slow.asked:
            pass
        turned_away = server.get()[0]
        slow.gate.set()
        first.join()

        assert turned_away == 503
        assert server.get()[0] == 200


@pytest.mark.parametrize(
    ("path", "part"), [("/metrics", "metrics"), ("/", "pages"), ("/api/v1/stuck", "stuck")], ids=lambda value: value
)
def test_what_has_to_be_rendered_does_not_hold_up_the_others(path: str, part: str) -> None:
    slow = Bytes(cached=False)
    with serving(site(Bytes(), **{part: slow})) as server:
        first = threading.Thread(target=server.get, args=(path,))
        first.start()
        while not slow.asked:
            pass
        healthy = server.get("/-/healthy")[0]
        slow.gate.set()
        first.join()

    assert healthy == 200


def test_what_is_ready_is_answered_while_all_threads_render() -> None:
    slow = Bytes(cached=False)
    with serving(site(Bytes(), stuck=slow)) as server:
        crowd = [threading.Thread(target=server.get, args=("/api/v1/stuck",)) for _ in range(8)]
        for client in crowd:
            client.start()
        wait_for(lambda: len(slow.asked) == len(crowd), "all of them wait")
        ready = [server.get(path)[0] for path in ("/metrics", "/")]
        slow.gate.set()
        for client in crowd:
            client.join()

    assert ready == [200, 200]


def test_scrapes_share_a_connection_and_the_server_does_not_end_it() -> None:
    """Whoever closes first has the TIME_WAIT, and an exporter that counts them should not make them."""
    with serving(site(Bytes())) as server:
        client = server.client()
        ports = set()
        for _ in range(3):
            client.request("GET", "/metrics")
            client.getresponse().read()
            ports.add(client.sock.getsockname())
        client.close()
        wait_for(lambda: not server.connections._clients, "the server has seen the end")

        assert len(ports) == 1
        ours = [one for one in psutil.net_connections("tcp") if one.laddr and one.laddr.port == server.port]

    assert [one.status for one in ours] == [psutil.CONN_LISTEN]


def test_the_end_of_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    """Nagle's algorithm and delayed acknowledgements together make a scrape ten times as long."""
    with serving(site(Bytes())) as server:
        client = server.client()
        client.request("GET", "/metrics")
        client.getresponse().read()
        [stream] = server.connections._clients
        undelayed = stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        client.close()

    assert undelayed


def test_pipelined_requests_are_answered_in_order() -> None:
    with serving(site(Bytes(b"a 1\n"))) as server:
        found = server.raw(
            b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )

    assert found.index(b"200 OK") < found.index(b"a 1\n") < found.index(b"404 Not Found")


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\0" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"x" * 100_000],
)
def test_what_is_no_request_does_no_harm(garbage: bytes) -> None:
    with serving(site(Bytes())) as server:
        server.raw(garbage)

        assert server.get()[0] == 200


def test_stuck_sockets_are_asked_for_by_parameters() -> None:
    stuck = Bytes(b'{"stuck": 3}')
    with serving(site(Bytes(), stuck=stuck)) as server:
        status, headers, body = server.get("/api/v1/stuck?state=close_wait&port=8080&limit=3")

    assert (status, body) == (200, b'{"stuck": 3}')
    assert stuck.asked == [Query(State.CLOSE_WAIT, port=8080, limit=3)]
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(("text", "name"), [("shop/web-0", "shop/web-0"), ("shop%2Fweb-0", "shop/web-0"), ("", "")])
def test_stuck_sockets_of_one_namespace_are_asked_for_by_its_name(text: str, name: str) -> None:
    stuck = Bytes(b'{"stuck": 3}')
    with serving(site(Bytes(), stuck=stuck)) as server:
        status = server.get(f"/api/v1/stuck?netns={text}")[0]

    assert (status, stuck.asked) == (200, [Query(netns=name)])


def test_holders_are_asked_for_by_a_group() -> None:
    stuck = Bytes(b'{"holdings": []}')
    with serving(site(Bytes(), stuck=stuck)) as server:
        status, _, body = server.get("/api/v1/stuck?group=holder&limit=3")

    assert (status, body) == (200, b'{"holdings": []}')
    assert stuck.asked == [Query(limit=3, group="holder")]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=many", b"limit: expected a number from 1 to 1000, found 'many'\n"),
        ("limit=", b"limit: expected a number from 1 to 1000, found ''\n"),
        ("group=port", b"group: expected holder, found 'port'\n"),
        ("limit=1&limit=2", b"limit: expected once, found 2 times\n"),
        ("lmit=1", b"unknown parameter 'lmit', expected state, port, netns, limit, group\n"),
        (
            "netns=%0a",
            (
                b"netns: expected the name of a network namespace, at most 340 letters, or nothing for the exporter's"
                b" own, found '\\n'\n"
            ),
        ),
        ("port=%ff", "port: expected a number from 1 to 65535, found '\ufffd'\n".encode()),
    ],
)
def test_a_bad_question_about_stuck_sockets_is_answered_with_what_was_expected(query: str, message: bytes) -> None:
    with serving(site(Bytes())) as server:
        status, _, body = server.get(f"/api/v1/stuck?{query}")

    assert (status, body) == (400, message)


DETAILS = ["/", "/api/v1/stuck"]


@pytest.mark.parametrize("path", DETAILS)
def test_without_details_there_are_none(path: str) -> None:
    with serving(site(Bytes(), details=False)) as server:
        assert server.get(path)[::2] == (404, b"404 Not Found\n")
        assert server.get("/metrics")[0] == server.get("/-/ready")[0] == 200


def test_without_details_metrics_may_be_at_the_root() -> None:
    with serving(site(Bytes(b"a 1\n"), details=False, telemetry_path="/")) as server:
        assert server.get("/")[2] == b"a 1\n"


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/metrics", "GET"),
        ("/", "GET"),
        ("/api/v1/stuck", "GET"),
        ("/api/v1/stuck?a", "GET"),
        ("/-/healthy", "GET"),
        ("/-/ready", "HEAD"),
        ("/-/reload", "GET"),
        ("/-/reload", "POST"),
        ("/nothing", "GET"),
    ],
)
def test_no_browser_is_to_guess_what_an_answer_is(path: str, method: str) -> None:
    with serving(site(Bytes())) as server:
        _, headers, _ = server.get(path, method)

    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("path", "method"), [("/", "GET"), ("/", "HEAD"), ("/api/v1/stuck", "GET")])
def test_details_are_not_told_under_the_name_of_somebody_else(path: str, method: str) -> None:
    """A web page may have its own name point here, and read what a browser is then given."""
    with serving(site(Bytes(), allowed_hosts=frozenset({"web1"}))) as server:
        refused, headers, body = server.get(path, method, Host="evil.example:10060")
        answered = [server.get(path, method, Host=host)[0] for host in ("web1:10060", "localhost", "127.0.0.1:10060")]

    assert refused == 421
    assert headers["Content-Type"].startswith("text/plain")
    assert body == (b"" if method == "HEAD" else b"421 Misdirected Request: this name is not in --web.allowed-hosts\n")
    assert answered == [200, 200, 200]


def test_metrics_and_probes_have_any_name() -> None:
    """They are for programs, which ask by whatever name the service discovery gives."""
    with serving(site(Bytes(), allowed_hosts=frozenset({"web1"}))) as server:
        found = [server.get(path, Host="10-0-0-1.pod")[0] for path in ("/metrics", "/-/healthy", "/-/ready")]

    assert found == [200, 200, 200]


def test_where_no_name_is_allowed_any_is() -> None:
    with serving(site(Bytes())) as server:
        assert server.get("/", Host="whatever")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Host": "evil.example", "Origin": "http://evil.example", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_no_page_of_another_server_reloads(headers: dict[str, str]) -> None:
    reloads: list[None] = []
    served = site(Bytes(), reload=reloading(lambda: reloads.append(None)), allowed_hosts=frozenset({"web1"}))
    with serving(served) as server:
        status, _, body = server.get("/-/reload", "POST", **headers)

    assert (status, len(body.splitlines()), reloads) == (421 if "Host" in headers else 403, 1, [])


def test_without_a_fresh_sample_nothing_is_said_about_stuck_sockets() -> None:
    with serving(site(Bytes(), stuck=Failing(NoSampleError()))) as server:
        assert server.get("/api/v1/stuck")[0] == 503
