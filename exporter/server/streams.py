"""What a connection says to whom it cannot serve: Tornado ends it without a word."""

import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from tornado.iostream import IOStream, SSLIOStream, UnsatisfiableReadError

from exporter.server.framing import check_chunk_size, check_head

log = logging.getLogger(__name__)

_END_OF_HEAD = rb"(?<=[^\r\n])\r?\n\r?\n"
"""An empty line after something: those before it are to be passed over (RFC 9112, section 2.2)."""

_PLAIN_HTTP = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})
"""What OpenSSL calls the beginning of a request that is not encrypted."""

_CHUNK = 1 << 16
_CHUNKS = 16
"""How much is read of a request that is refused: were it left, the kernel would reset the connection at once."""


class Stream(IOStream):
    """A connection that passes over empty lines before a request, and refuses heads that are too long or ambiguous."""

    _in_head = False

    async def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> bytes:
        """The head of a request, which is all that is read so. Raises HTTPInputError."""
        del regex
        self._in_head = True
        return check_head(await super().read_until_regex(_END_OF_HEAD, max_bytes))

    async def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> bytes:
        """The size of a chunk of a body. Raises HTTPInputError."""
        self._in_head = False
        return check_chunk_size(await super().read_until(delimiter, max_bytes))

    def close(self, exc_info: Any = False) -> None:  # noqa: FBT002 - as Tornado has it
        """Tell the client, if it has gone too far, and close."""
        if isinstance(exc_info, UnsatisfiableReadError) and self._in_head and not self.closed():
            _refuse(self.socket.send, self.socket.recv, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "")
        super().close(exc_info)


class TlsStream(Stream, SSLIOStream):
    """An encrypted connection, which says in the clear that it is one."""

    def close(self, exc_info: Any = False) -> None:  # noqa: FBT002 - as Tornado has it
        """Tell a client that knows nothing of TLS, and close."""
        if isinstance(exc_info, ssl.SSLError) and exc_info.reason in _PLAIN_HTTP and not self.closed():
            _warn_once()
            plain = socket.socket
            send, receive = partial(plain.send, self.socket), partial(plain.recv, self.socket)
            _refuse(send, receive, HTTPStatus.BAD_REQUEST, ": this port speaks TLS: ask by https://")
        super().close(exc_info)


@cache
def _warn_once() -> None:
    log.warning("somebody asks by HTTP, and this port speaks TLS: a scrape needs scheme: https; this is said once")


def _refuse(send: Callable[[bytes], int], receive: Callable[[int], bytes], status: HTTPStatus, why: str) -> None:
    """Say so to a client that may not listen; nothing here waits for it."""
    body = f"{status} {status.phrase}{why}\n"
    head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
    rest = f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    with suppress(OSError):
        send(f"{head}{rest}".encode())
        for _ in range(_CHUNKS):
            if not receive(_CHUNK):
                break
