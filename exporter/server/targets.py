"""What a request asks for, where it does not ask as most do."""

import re
from collections.abc import Awaitable

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine

_ABSOLUTE = re.compile(r"https?://([^/?#@]+)(.*)", re.IGNORECASE)


class OriginForm(HTTPMessageDelegate):
    """Passes a request on to *delegate* with a path as its target, as if the client knew of no proxy.

    The host of a target in absolute form replaces what the header says (RFC 9112, section 3.2.2).
    """

    def __init__(self, delegate: HTTPMessageDelegate) -> None:
        self._delegate = delegate
        self.data_received = delegate.data_received  # type: ignore[method-assign]
        self.finish = delegate.finish  # type: ignore[method-assign]
        self.on_connection_close = delegate.on_connection_close  # type: ignore[method-assign]

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if isinstance(start_line, RequestStartLine) and (found := _ABSOLUTE.fullmatch(start_line.path)):
            host, path = found.groups()
            headers["Host"] = host
            start_line = start_line._replace(path=path if path.startswith("/") else f"/{path}")
        return self._delegate.headers_received(start_line, headers)
