"""Requests whose end two servers might see in different places."""

import pytest

from tests.server.serving import Bytes, reloading, serving, site

CHUNKED = b"Transfer-Encoding: chunked"
AMBIGUOUS = [
    b"Content-Length: 4\r\n" + CHUNKED,
    CHUNKED + b"\r\nContent-Length: 4",
    b"Content-Length: 4\r\nContent-Length: 5",
    b"Content-Length: 4\r\nContent-Length: 4",
    b"Content-Length: 4, 4",
    b"Content-Length: -5",
    b"Content-Length: +4",
    b"Content-Length: 1_0",
    b"Content-Length: 0x4",
    b"Content-Length:",
    b"Content-Length: \xc2\xb2",
    b"Content-Length : 4",
    b"Content-Length\t: 4",
    b"Content-Length: 100000000",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: identity",
    CHUNKED + b"\r\n" + CHUNKED,
    b"Transfer-Encoding:\x0bchunked",
    b"X: a\r\n Content-Length: 4",
    b"X: a\rContent-Length: 4",
    b"X: a\0b",
    b"No colon",
    b": no name",
    b"\xff: 1",
]
HEAD = b"POST /-/reload HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("fields", AMBIGUOUS)
def test_a_request_whose_length_is_not_plain_is_refused_and_ends_the_connection(fields: bytes) -> None:
    with serving(site(Bytes())) as server:
        found = server.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n\r\nabcdGET /x HTTP/1.1\r\n\r\n")

    assert found.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert found.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"Content-Length: 4", b"abcd"),
        (b"content-length:4", b"abcd"),
        (b"CONTENT-LENGTH: \t 04 \t", b"abcd"),
        (b"Content-Length: 0", b""),
        (CHUNKED, b"4\r\nabcd\r\n0\r\n\r\n"),
        (b"transfer-encoding: Chunked", b"a\r\n0123456789\r\n0\r\n\r\n"),
        (b"X-Odd_1!: a:b  c\r\nX-Empty:", b""),
    ],
)
def test_a_plain_length_is_read_and_the_next_request_is_answered(fields: bytes, body: bytes) -> None:
    done: list[int] = []
    with serving(site(Bytes(), reload=reloading(lambda: done.append(1)))) as server:
        found = server.raw(HEAD + fields + b"\r\n\r\n" + body + b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")

    assert found.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert done == [1]


@pytest.mark.parametrize("size", [b"-4", b"+4", b"0x4", b"1_0", b" 4", b"4 ", b"4;a=b", b"", b"g"])
def test_a_chunk_whose_size_is_not_plain_is_refused(size: bytes) -> None:
    done: list[int] = []
    with serving(site(Bytes(), reload=reloading(lambda: done.append(1)))) as server:
        found = server.raw(HEAD + CHUNKED + b"\r\n\r\n" + size + b"\r\nabcd\r\n0\r\n\r\n")

    assert found.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert done == []
