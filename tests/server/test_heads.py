"""Heads of requests that are longer, or otherwise written, than most."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.server import streams
from exporter.server.connections import MAX_HEADER_BYTES
from tests.lab import certificates
from tests.server.serving import Bytes, Serving, serving, site

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"


def head(length: int) -> bytes:
    """A request of so many bytes."""
    beginning, end = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: ", b"\r\n\r\n"
    return beginning + b"x" * (length - len(beginning) - len(end)) + end


@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 20_000, 100_000, 500_000])
def test_a_head_that_is_too_long_is_told_so(length: int) -> None:
    with serving(site(Bytes())) as server:
        found = server.raw(head(length))

        assert found.startswith(TOO_LONG)
        assert b"Connection: close\r\n" in found
        assert server.get()[0] == 200


def test_a_request_line_that_is_too_long_is_told_so_before_it_ends() -> None:
    with serving(site(Bytes())) as server:
        assert server.raw(b"GET /" + b"x" * 20_000).startswith(TOO_LONG)


def test_a_head_that_is_as_long_as_may_be_is_answered() -> None:
    with serving(site(Bytes())) as server:
        assert server.raw(head(MAX_HEADER_BYTES)).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_head_that_is_too_long_is_told_so_also_after_another_request() -> None:
    with serving(site(Bytes(b"a 1\n"))) as server:
        answers = server.raw(REQUEST + head(20_000))

    assert answers.index(b"200 OK") < answers.index(b"a 1\n") < answers.index(TOO_LONG)


def test_a_chunk_whose_size_has_too_many_digits_is_not_taken_for_a_head() -> None:
    request = b"POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 1000
    with serving(site(Bytes())) as server:
        assert b"431" not in server.raw(request)


@pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n", b"\r\n" * 50, b"\n", b"\n\n\n", b"\n\r\n\r\n"])
def test_empty_lines_before_a_request_are_passed_over(lines: bytes) -> None:
    with serving(site(Bytes(b"a 1\n"))) as server:
        found = server.raw(lines + REQUEST + lines + REQUEST)

    assert found.count(b"HTTP/1.1 200 OK\r\n") == found.count(b"a 1\n") == 2


def test_nothing_but_empty_lines_is_too_long_at_some_time() -> None:
    with serving(site(Bytes())) as server:
        assert server.raw(b"\r\n" * 20_000).startswith(TOO_LONG)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://web1:10060/metrics", 200),
        (b"HTTP://web1/metrics?a=b", 200),
        (b"https://web1/metrics", 200),
        (b"http://web1", 200),
        (b"http://web1/", 200),
        (b"http://web1?a=b", 200),
        (b"http://web1/nothing", 404),
        (b"http:///metrics", 404),
        (b"http://user@web1/metrics", 404),
        (b"ftp://web1/metrics", 404),
    ],
)
def test_a_target_may_be_a_whole_url(target: bytes, status: int) -> None:
    """As clients write it that are told to use a proxy; servers have to understand it (RFC 9112, section 3.2.2)."""
    with serving(site(Bytes())) as server:
        found = server.raw(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert found.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(("target", "host", "status"), [(b"web1", b"evil", 200), (b"evil", b"web1", 421)])
def test_the_host_of_a_whole_url_counts_and_not_that_of_the_header(target: bytes, host: bytes, status: int) -> None:
    with serving(site(Bytes(), allowed_hosts=frozenset({"web1"}))) as server:
        found = server.raw(b"GET http://" + target + b"/ HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")

    assert found.startswith(b"HTTP/1.1 %d " % status)


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[Serving]:
    """A server that speaks TLS."""
    certificates.make(tmp_path, "own")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.crt", tmp_path / "own.key")
    streams._warn_once.cache_clear()
    with serving(site(Bytes()), tls=context) as server:
        yield server


def by_tls(server: Serving, request: bytes) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(server.connect()) as one:
        one.sendall(request)
        one.settimeout(1)
        return one.recv(65536)


@pytest.mark.parametrize(
    "request_line", [b"GET /metrics", b"POST /-/reload", b"HEAD /", b"PUT /-/reload", b"CONNECT x"]
)
def test_who_asks_by_plain_http_where_tls_is_spoken_is_told_so(encrypted: Serving, request_line: bytes) -> None:
    found = encrypted.raw(request_line + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert found.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert found.endswith(b"\r\n\r\n400 Bad Request: this port speaks TLS: ask by https://\n")
    assert by_tls(encrypted, REQUEST).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_log_says_once_that_somebody_asks_by_plain_http(
    encrypted: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        encrypted.raw(REQUEST)

    assert [record.getMessage() for record in caplog.records if record.name == streams.__name__] == [
        "somebody asks by HTTP, and this port speaks TLS: a scrape needs scheme: https; this is said once"
    ]


@pytest.mark.parametrize(
    "garbage", [b"\0" * 100, b"SSH-2.0-x\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"x" * 600]
)
def test_other_garbage_where_tls_is_spoken_gets_no_http(encrypted: Serving, garbage: bytes) -> None:
    assert b"HTTP" not in encrypted.raw(garbage)
    assert by_tls(encrypted, REQUEST).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_head_that_is_too_long_is_told_so_by_tls(encrypted: Serving) -> None:
    assert by_tls(encrypted, head(40_000)).startswith(TOO_LONG)


def test_a_client_that_is_gone_before_it_is_refused_does_no_harm(encrypted: Serving) -> None:
    for _ in range(20):
        with encrypted.connect() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            one.sendall(REQUEST)

    assert by_tls(encrypted, REQUEST).startswith(b"HTTP/1.1 200 OK\r\n")
